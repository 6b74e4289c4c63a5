"""The cells of a notebook file, whichever program wrote it."""

import json
from pathlib import Path
from typing import Any, NamedTuple


class Cell(NamedTuple):
    """One cell: its kind, "code" or another, its source, and its number among the code cells, from 1.

    A cell of another kind has the number of the code cell above it. `fails` says that it fails on purpose.
    """

    kind: str
    source: str
    number: int
    fails: bool = False


class NoNotebookError(ValueError):
    """A file is there, and is no notebook; the message says why."""


def read_cells(path: Path) -> list[Cell]:
    """Return the cells of a notebook in one of nbformat's versions 2 to 4; outputs and metadata play no part.

    Raises:
        OSError: the file cannot be read.
        NoNotebookError: it is no notebook.
    """
    return parse_cells(path.read_bytes())


def parse_cells(content: bytes) -> list[Cell]:
    """Return the cells of a notebook, given the content of its file, as `read_cells` does.

    >>> parse_cells(b'{"cells": [{"cell_type": "code", "source": ["x = 1"]}]}')
    [Cell(kind='code', source='x = 1', number=1, fails=False)]
    """
    try:
        notebook = json.loads(decode(content), strict=False)
    except (ValueError, RecursionError) as error:
        raise NoNotebookError(f"it is not JSON ({str(error)[:80]})") from None
    found: list[Cell] = []
    number = 0
    for cell in find_cells(notebook):
        kind, source = str(cell.get("cell_type")), join(cell.get("source", cell.get("input", "")))
        number += kind == "code"
        metadata = cell.get("metadata")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        found.append(Cell(kind, source, number, "raises-exception" in (tags or [])))
    return found


def decode(content: bytes) -> str:
    """Return the text of a file: UTF-8, with a byte order mark or without, or UTF-16 with one."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return content.decode(encoding, errors="replace")


def find_cells(notebook: Any) -> list[dict[str, Any]]:
    """Return the cells as they stand in the file; before version 4, they were in worksheets."""
    if not isinstance(notebook, dict) or not ("cells" in notebook or "worksheets" in notebook):
        raise NoNotebookError("it has no cells")
    sheets = notebook["worksheets"] if "cells" not in notebook else [notebook]
    cells = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells") or []]
    return [cell for cell in cells if isinstance(cell, dict)]


def join(source: Any) -> str:
    """Return the source of a cell, which may be a list of lines, as one text with the line ends of Unix."""
    text = "".join(map(str, source)) if isinstance(source, list) else str(source or "")
    return text.replace("\r\n", "\n").replace("\r", "\n")
