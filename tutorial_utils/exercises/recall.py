"""Spaced recall: an exercise that you solved days ago, to do again from memory."""

import ast
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tutorial_utils.exercises.catalogue import every_exercise, find_due
from tutorial_utils.exercises.exercise import Exercise
from tutorial_utils.exercises.record import read_entries, record_file
from tutorial_utils.progress import in_notebook

PACKAGE = Path(__file__).resolve().parents[1]
COURSE = [PACKAGE.parent / "notebooks", PACKAGE / "notebooks"]  # in a checkout; in a wheel


def review() -> None:
    """Show the exercise that has waited longest to be done again, with an empty stub to copy.

    The next check of it counts as the repetition: if it is right, the exercise comes again after a longer pause, and
    else tomorrow.
    """
    due = find_due()
    if not due:
        print(explain_pause())
        return
    task = find_task(due[0], [*COURSE, Path.cwd()])
    if task is None:
        print(f"{due[0].title} is due. Its task stands in its notebook: start Python in the folder of your notebooks.")
        return
    due[0].from_memory = True
    text, stub = task
    if in_notebook():
        from IPython.display import Markdown, display

        display(Markdown(f"{text}\n\nCopy this into a new cell:\n\n```python\n{stub}\n```"))
    else:
        print(f"{text.lstrip('# ')}\n\n{stub}")


def explain_pause() -> str:
    """Return why there is nothing to do again today."""
    record = read_entries(record_file())
    entries = [record[exercise.key] for exercise in every_exercise() if exercise.key in record]
    days = [entry.due for entry in entries if entry.due]
    if not days:
        return "There is nothing to do again yet: an exercise comes again some days after you have solved it."
    return f"There is nothing to do again today. The next one comes on {min(days)}."


def find_task(exercise: Exercise, folders: Sequence[Path]) -> tuple[str, str] | None:
    """Return the text of an exercise and its stub, from the first of the folders that has its notebook, or None.

    The text is Markdown. The stub is empty, even where the notebook is a learner's copy in which it is filled in; it
    begins with what it imports, and ends with its check.
    """
    notebook, name = exercise.key.split(".")
    for folder in folders:
        cells = read_cells(folder / f"{notebook}.ipynb")
        for text, code in pairwise(cells):
            definition = find_definition(code, name)
            if definition is not None and f"ex.{name}.check({name})" in code:
                stub = empty(code, definition)
                imports = find_imports(cells, f"{stub}\n{exercise.source}")
                imports.append(f"from tutorial_utils.exercises import ex{notebook}")
                return text, "\n".join([*imports, "", "", stub, "", "", f"ex{notebook}.{name}.check({name})"])
    return None


def read_cells(path: Path) -> list[str]:
    """Return the sources of a notebook's cells; nothing where there is none."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        return []
    return ["".join(cell["source"]) for cell in cells]


def find_definition(code: str, name: str) -> ast.stmt | None:
    """Return the function, the class or the value `name` in some code, or None."""
    for statement in parse(code):
        names = [getattr(statement, "name", None), *(ast.unparse(x) for x in getattr(statement, "targets", []))]
        if name in names:
            return statement
    return None


def empty(code: str, definition: ast.stmt) -> str:
    """Return the definition, a part of `code`, without what a learner wrote: as it stands there, if that is nothing."""
    as_it_stands = "\n".join(code.splitlines()[definition.lineno - 1 : definition.end_lineno])
    if isinstance(definition, ast.Assign):
        left, _, right = as_it_stands.partition(" = ")
        return as_it_stands if right.startswith("...") else f"{left} = ..."
    if "raise NotImplementedError" in as_it_stands:
        return as_it_stands
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef):
            node.body = ast.parse("raise NotImplementedError").body
    return ast.unparse(definition)


def find_imports(cells: Sequence[str], code: str) -> list[str]:
    """Return the import statements of the cells that bind what `code` uses."""
    used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    found = []
    for statement in [statement for cell in cells for statement in parse(cell)]:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            statement.names = [alias for alias in statement.names if (alias.asname or alias.name) in used]
            if statement.names:
                found.append(ast.unparse(statement))
    return list(dict.fromkeys(found))


def parse(code: str) -> list[ast.stmt]:
    """Return the statements of some code; of text, or of a cell with one of Jupyter's magics, none."""
    try:
        return ast.parse(code).body
    except SyntaxError:
        return []
