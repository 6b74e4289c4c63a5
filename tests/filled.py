"""Notebooks in which the exercises are solved, as a learner hands them in."""

import json
from pathlib import Path

from tutorial_utils.exercises import recall
from tutorial_utils.exercises.catalogue import find_exercises, find_modules

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
MODULES = {module.__name__.rpartition(".")[2]: module for module in find_modules()}


def fill(module: str, names=None) -> dict:
    """Return the notebook of a module, with the solutions in the place of the stubs of all or of some exercises."""
    exercises = find_exercises(MODULES[module])
    notebook = json.loads((NOTEBOOKS / f"{module.removeprefix('ex')}.ipynb").read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        code = "".join(cell["source"])
        for name in exercises if names is None else names:
            definition = recall.find_definition(code, name)
            if cell["cell_type"] == "code" and f"ex.{name}.check({name})" in code and definition is not None:
                lines = code.splitlines(keepends=True)
                end = "".join(lines[definition.end_lineno :])
                cell["source"] = "".join(lines[: definition.lineno - 1]) + exercises[name].source + "\n" + end
    return notebook
