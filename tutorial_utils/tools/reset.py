"""Start over: a notebook, or one exercise in it, as it was given. What you wrote is kept beside it."""

import json
import re
from itertools import count
from pathlib import Path
from typing import Any

from tutorial_utils.tools.copies import copy_notebooks, write_whole

RELOAD = "If the notebook is open in JupyterLab, choose File › Reload Notebook from Disk."


def reset(what: str, originals: Path, copies: Path) -> str:
    """Put a notebook (`05`), or one exercise (`05.descend`), back as it was given; return what has become of it.

    Raises:
        ValueError: there is no such notebook or exercise; the message names those there are.
        OSError: `copies` cannot be written to.
    """
    number, _, exercise = what.removesuffix(".ipynb").partition(".")
    original = find_notebook(number, originals)
    if exercise:
        return reset_exercise(exercise, original, copies / original.name)
    return reset_notebook(original, copies / original.name)


def find_notebook(number: str, originals: Path) -> Path:
    """Return the original that `number` names, as `05` and `05_autograd` do; raise ValueError if there is none."""
    notebooks = sorted(originals.glob("*.ipynb"))
    for notebook in notebooks:
        if number in (notebook.stem, notebook.stem.partition("_")[0]):
            return notebook
    numbers = ", ".join(notebook.stem.partition("_")[0] for notebook in notebooks)
    raise ValueError(f"There is no notebook {number!r}: name one of {numbers}.")


def reset_notebook(original: Path, copy: Path) -> str:
    """Give the copy another name, and make a new one; return where both are."""
    if not copy.exists():
        copy_notebooks(original.parent, copy.parent)
        return f"There was no {copy} yet; now there is."
    if copy.read_bytes() == original.read_bytes():
        return f"{copy} is as it was given."
    kept = numbered(copy)
    copy.rename(kept)
    copy_notebooks(original.parent, copy.parent)
    return f"{copy} is as it was given, and what it was is in {kept.name}. {RELOAD}"


def reset_exercise(name: str, original: Path, copy: Path) -> str:
    """Put the stub of one exercise back into the copy, and what stood there into a file; return where that is."""
    stubs = find_stubs(read_notebook(original))
    if name not in stubs:
        raise ValueError(f"There is no exercise {name!r} in {original.name}: name one of {', '.join(stubs)}.")
    stub, notebook = stubs[name], read_notebook(copy)
    places = [place for place, cell in enumerate(notebook["cells"]) if cell.get("id") == stub["id"]]
    if not places:
        raise ValueError(f"{copy} lacks the cell of {name}: {instead(original)}.")
    written = "".join(notebook["cells"][places[0]]["source"])
    if written == "".join(stub["source"]):
        return f"{name} in {copy} is as it was given."
    kept = numbered(copy.with_name(f"{copy.stem}.{name}.py"))
    write_whole(kept, written.encode())
    notebook["cells"][places[0]] = stub
    write_whole(copy, (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode())
    return f"{name} in {copy} is as it was given, and what you wrote is in {kept.name}. {RELOAD}"


def read_notebook(path: Path) -> dict[str, Any]:
    """Return the notebook in the file `path`; raise ValueError where there is none."""
    try:
        notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = [cell["source"] for cell in notebook["cells"]]
    except FileNotFoundError:
        raise ValueError(f"There is no {path} yet, so there is nothing to reset.") from None
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{path} is no notebook, or damaged: {instead(path)}.") from None
    return notebook


def instead(notebook: Path) -> str:
    """Return the way out where the cell of an exercise cannot be put back."""
    return f"--reset {notebook.stem.partition('_')[0]} renames it and makes a new one"


def find_stubs(notebook: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the cells of the exercises by name: those in which `ex.name.check(...)` is called."""
    cells = {"".join(cell["source"]): cell for cell in notebook["cells"] if cell["cell_type"] == "code"}
    return {name: cell for code, cell in cells.items() for name in re.findall(r"(?m)^ex\.(\w+)\.check\(", code)}


def numbered(path: Path) -> Path:
    """Return the first of the names `05_autograd.1.ipynb`, `05_autograd.2.ipynb` ... that is free."""
    names = (path.with_name(f"{path.stem}.{number}{path.suffix}") for number in count(1))
    return next(name for name in names if not name.exists())
