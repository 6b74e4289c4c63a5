"""What of a notebook's code an exercise needs: its own definition and all that this uses, but not the training."""

import ast
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tutorial_utils.grading.read import Cell
from tutorial_utils.grading.statements import DEFINITIONS, IMPORTS, LOOPS, Statement, find_statements

ROOM = "tutorial_utils.exercises"


@dataclass(frozen=True)
class Plan:
    """What to run for one exercise, in order, and what then to check.

    Args:
        statements: those that are needed, the answer among them.
        answer: the statement that defines it; None if it is an expression in a check.
        expression: what is checked.
        notes: what is unusual about where the answer stands.
        is_stub: whether the answer is as empty as it was given.
    """

    statements: list[Statement]
    answer: Statement | None
    expression: ast.expr
    notes: list[str] = field(default_factory=list)
    is_stub: bool = False


def find_module(cells: Sequence[Cell], names: Collection[str], title: str = "") -> str:
    """Return which of the modules `names`, such as "ex01_tensors", a notebook belongs to, or nothing.

    It is the one that the notebook imports; of several, the first whose exercises it checks. Where it imports none, it
    may stand in `title`, the name of the file.
    """
    code = "\n".join(cell.source for cell in cells if cell.kind == "code")
    imports = re.findall(r"^[^#\n]*\bimport\b[^#\n]*", code, re.MULTILINE)
    found = [name for line in imports for name in re.findall(r"\bex\d\d_\w+", line) if name in names]
    if found:
        return str(max(found, key=found.count))
    return next((name for name in names if name.removeprefix("ex") in title), "")


def choose(
    cells: Sequence[Cell], exercises: Sequence[str], lesson: Collection[str] = ()
) -> tuple[dict[str, Plan | SyntaxError], list[Statement]]:
    """Return a plan for each of the exercises that the notebook answers or asks, and all statements of the notebook.

    An exercise whose only definition stands in a cell that is no Python has that cell's error in place of a plan.

    Args:
        cells: those of the notebook.
        exercises: the names that may be defined in it.
        lesson: the statements of the course's own notebook, as `ast.dump` shows them: they answer no exercise.
    """
    statements, broken = find_statements(cells)
    answers = {name: find_answer(name, statements, lesson) for name in exercises}
    chosen = {name: found.position for name, found in answers.items() if isinstance(found, Statement)}
    plans: dict[str, Plan | SyntaxError] = {}
    for name in exercises:
        error = next((error for cell, error in broken if defines(cell.source, name)), None)
        plan = make_plan(name, answers[name], statements, chosen)
        if error and (plan is None or plan.is_stub):
            plans[name] = error
        elif plan:
            plans[name] = plan
    return plans, statements


def defines(source: str, name: str) -> bool:
    """Return whether a cell that is no Python seems to define or to check `name`."""
    return bool(re.search(rf"^\s*((def|class) {name}\b|{name}\s*=|.*\b{name}\.check\()", source, re.MULTILINE))


def find_answer(name: str, statements: Sequence[Statement], lesson: Collection[str]) -> Statement | ast.expr | None:
    """Return the last definition of `name` that is no stub, or the expression that is checked in its place.

    Only where there is neither, the stub itself comes back, or None.
    """
    found: Statement | ast.expr | None = None
    for statement in statements:
        if name in statement.binds and not isinstance(statement.node, IMPORTS | LOOPS):
            if ast.dump(statement.node) in lesson and not is_stub(statement.node):
                continue
            if found is None or not is_stub(statement.node):
                found = statement
        for expression in find_checked(statement, name):
            if not (isinstance(expression, ast.Name) and expression.id == name):
                found = expression
    return found


def find_checked(statement: Statement, name: str) -> list[ast.expr]:
    """Return what a statement passes to the check of the exercise `name`."""
    if statement.cell.kind != "code":
        return []
    return [
        call.args[0]
        for call in ast.walk(statement.node)
        if isinstance(call, ast.Call) and call.args and is_check(call.func, name)
    ]


def is_check(function: ast.expr, name: str) -> bool:
    """Return whether a function that is called is `name.check`, or `ex.name.check`."""
    if not (isinstance(function, ast.Attribute) and function.attr == "check"):
        return False
    owner = function.value
    return (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")) == name


def is_stub(node: ast.stmt) -> bool:
    r"""Return whether a definition still waits for its answer somewhere.

    >>> is_stub(ast.parse("def f(x):\n    raise NotImplementedError").body[0]), is_stub(ast.parse("y = 3").body[0])
    (True, False)
    """
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return isinstance(node.value, ast.Constant) and node.value.value is ...
    return isinstance(node, DEFINITIONS) and any(map(is_not_implemented, ast.walk(node)))


def is_not_implemented(node: ast.AST) -> bool:
    """Return whether a statement is `raise NotImplementedError`, as in a stub."""
    error = node.exc if isinstance(node, ast.Raise) else None
    return isinstance(error, ast.Name) and error.id == "NotImplementedError"


def is_untouched(node: ast.stmt) -> bool:
    """Return whether a stub holds nothing that could be run: each of its functions raises at once."""
    if not isinstance(node, ast.FunctionDef):
        return is_stub(node) and not isinstance(node, ast.ClassDef)
    return [type(part) for part in node.body] == [ast.Raise] and is_stub(node)


def make_plan(
    name: str, answer: Statement | ast.expr | None, statements: Sequence[Statement], chosen: dict[str, int]
) -> Plan | None:
    """Return the plan for the exercise `name`, or None if nothing answers it."""
    checks = [statement for statement in statements if find_checked(statement, name)]
    if isinstance(answer, ast.expr):
        asking = next(statement for statement in checks if answer in find_checked(statement, name))
        uses = {part.id for part in ast.walk(answer) if isinstance(part, ast.Name)}
        needed = find_needed(uses, asking.position, statements, chosen)
        return Plan(needed, None, answer)
    if answer is None:
        return None
    end = max([answer.position, *(check.position for check in checks)])
    needed = find_needed([name], end + 1, statements, chosen)
    later = [
        statement
        for statement in statements[answer.position + 1 : end]
        if statement.cell == answer.cell and isinstance(answer.node, ast.Assign) and name in statement.uses
        if isinstance(statement.node, LOOPS | ast.With | ast.If)  # which fill a value step by step
    ]
    for statement in later:
        needed += [statement, *find_needed(statement.uses, statement.position, statements, chosen)]
    notes = [] if answer.cell.kind == "code" else [f"{name} stands in a cell of text"]
    in_order = sorted(set(needed), key=lambda statement: statement.position)
    return Plan(in_order, answer, ast.Name(name, ast.Load()), notes, is_untouched(answer.node) and not later)


def find_needed(
    names: Collection[str], limit: int, statements: Sequence[Statement], chosen: dict[str, int]
) -> list[Statement]:
    """Return, in order, the statements that give the names their values as they are at the position `limit`."""
    found: set[int] = {
        statement.position
        for statement in statements
        if isinstance(statement.node, ast.ImportFrom) and statement.node.names[0].name == "*"
    }
    waiting = [position for name in names for position in find_sources(name, limit, statements, chosen)]
    while waiting:
        position = waiting.pop()
        if position in found:
            continue
        found.add(position)
        statement = statements[position]
        until = max(limit, position) if isinstance(statement.node, DEFINITIONS) else position
        for name in statement.uses:
            waiting += find_sources(name, until, statements, chosen)
    return [statements[position] for position in sorted(found)]


def find_sources(name: str, limit: int, statements: Sequence[Statement], chosen: dict[str, int]) -> list[int]:
    """Return where `name` gets the value that it has at the position `limit`: imports, a definition, changes to it."""
    binders = [s.position for s in statements if name in s.binds and s.cell.kind == "code"]
    imports = [position for position in binders if isinstance(statements[position].node, IMPORTS)]
    others = [position for position in binders if position not in imports]
    plain = [position for position in others if not isinstance(statements[position].node, LOOPS)] or others
    before = [position for position in plain if position < limit]
    last = before[-1:] or plain[:1]
    if name in chosen and (chosen[name] < limit or not before):
        last = [chosen[name]]
    last_import = [position for position in imports if position < limit] or imports[:1]
    if not last:
        return last_import
    changes = [s.position for s in statements if s.changes == name and last[0] < s.position < limit]
    augmented = [p for p in changes + last if isinstance(statements[p].node, ast.AugAssign)]
    return [*last_import, *last, *changes, *(before[-2:] if augmented else [])]
