"""Writes the pictures in the READMEs: the classes that notebook 00 shows, and an exercise of 01 with its reply.

The images are the drawn ones. The second picture needs Debian's Chromium.
"""

import base64
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


def read(name: str) -> nbformat.NotebookNode:
    """Return a notebook of the course."""
    notebook: nbformat.NotebookNode = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    return notebook


def draw_classes() -> None:
    """Write quickstart.png: what the cell `grid` of notebook 00 shows."""
    notebook = read("00_quickstart")
    position = next(i for i, cell in enumerate(notebook.cells) if cell.id == "grid")
    notebook.cells = notebook.cells[: position + 1]
    NotebookClient(notebook).execute()
    picture = notebook.cells[position].outputs[-1].data["image/png"]
    (ROOT / ".github" / "quickstart.png").write_bytes(base64.b64decode(picture))


def draw_exercise() -> None:
    """Write exercise.png: the task, a wrong answer and the reply to it, as JupyterLab would show them."""
    notebook = read("01_tensors")
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
    draw_classes()
    draw_exercise()
