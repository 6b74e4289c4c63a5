"""Writes the picture in the READMEs: an exercise of notebook 01, with a wrong answer and the reply to it.

It needs Debian's Chromium.
"""

import os
import subprocess
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from PIL import Image, ImageChops

ROOT = Path(__file__).parent.parent
WRONG_ANSWER = "return (x - x.mean()) / x.std()"
SHOWN = ["ex-standardize-text", "ex-standardize"]  # the ids of the cells


def draw_exercise() -> None:
    """Write exercise.png: the task, a wrong answer and the reply to it, as JupyterLab would show them."""
    notebook = nbformat.read(ROOT / "notebooks" / "01_tensors.ipynb", as_version=4)
    stub = next(cell for cell in notebook.cells if cell.id == SHOWN[1])
    stub.source = stub.source.replace("raise NotImplementedError  # your code here", WRONG_ANSWER)
    first = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
    kept = notebook.cells[: first + 2] + [cell for cell in notebook.cells if cell.id in SHOWN]
    notebook.cells = [cell for cell in kept if cell.cell_type == "code" or cell.id in SHOWN]
    NotebookClient(notebook).execute()
    notebook.cells = notebook.cells[-2:]
    page, _ = HTMLExporter(template_name="lab").from_notebook_node(notebook)
    target = ROOT / ".github" / "exercise.png"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "page.html").write_text(page, encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        options += [f"--user-data-dir={folder}/profile", "--window-size=900,900", "--force-device-scale-factor=2"]
        subprocess.run(["chromium", *options, f"--screenshot={target}", f"{folder}/page.html"], check=True)
    picture = Image.open(target).convert("RGB")
    box = ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).getbbox()
    height = box[3] + 40 if box else picture.height
    picture.crop((0, 0, picture.width, height)).quantize(64).save(target, optimize=True)


if __name__ == "__main__":
    os.environ["TUTORIAL_SOURCE"] = "sketch"
    draw_exercise()
