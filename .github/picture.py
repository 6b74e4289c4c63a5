"""Writes the picture in the README: what the cell `grid` of notebook 00 shows, run on the drawn images."""

import base64
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent

os.environ["TUTORIAL_SOURCE"] = "sketch"
notebook = nbformat.read(ROOT / "notebooks" / "00_quickstart.ipynb", as_version=4)
position = next(i for i, cell in enumerate(notebook.cells) if cell.id == "grid")
notebook.cells = notebook.cells[: position + 1]
NotebookClient(notebook).execute()
picture = notebook.cells[position].outputs[-1].data["image/png"]
(ROOT / ".github" / "quickstart.png").write_bytes(base64.b64decode(picture))
