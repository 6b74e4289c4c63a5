"""The statements of a notebook: what each binds, what it uses, and what it changes."""

import ast
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from IPython.core.inputtransformer2 import TransformerManager

from tutorial_utils.grading.read import Cell

RUNS_ITS_BODY = ("%%time", "%%timeit", "%%capture", "%%prun")  # magics of a cell whose other lines are plain Python
LOOPS = ast.For | ast.AsyncFor | ast.While
IMPORTS = ast.Import | ast.ImportFrom
DEFINITIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a cell.

    Args:
        node: its syntax tree.
        cell: the cell that it stands in.
        position: its place among all statements of the notebook, from 0.
        binds: the names to which it gives a value.
        uses: the names of the notebook whose values it needs, when it runs or when what it defines is called.
        changes: the name of the object that it changes in place, as `x[0] = 1` and `x.append(1)` do, or nothing.
    """

    node: ast.stmt
    cell: Cell
    position: int
    binds: frozenset[str]
    uses: frozenset[str]
    changes: str


def find_statements(cells: Sequence[Cell]) -> tuple[list[Statement], list[tuple[Cell, SyntaxError]]]:
    """Return all statements of a notebook in order, and the code cells that are no Python, each with its error.

    An import of several names is taken apart, so that one that fails leaves the others alone. Text cells count as
    far as they are Python from their first line to their last: a cell of code that was turned into one of text.
    """
    found: list[Statement] = []
    broken = []
    for cell in cells:
        try:
            nodes = parse(cell.source)
        except SyntaxError as error:
            if cell.kind == "code":
                broken.append((cell, error))
            continue
        if cell.kind != "code" and not any(
            isinstance(node, DEFINITIONS | ast.Assign | ast.AnnAssign) for node in nodes
        ):
            continue
        for node in split_imports(nodes):
            binds, uses = find_names(node)
            found.append(Statement(node, cell, len(found), binds, uses, find_changed(node)))
    return found, broken


def parse(source: str) -> list[ast.stmt]:
    """Return the statements of a cell; magics become calls, and cells of other languages none.

    Raises:
        SyntaxError: it is no Python.
    """
    first, _, rest = source.lstrip().partition("\n")
    if first.startswith("%%"):
        source = rest if first.split()[0] in RUNS_ITS_BODY else ""
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        if not re.search(r"^\s*[%!?]|\?\s*$|=\s*[%!]", source, re.MULTILINE):
            raise
        try:
            return ast.parse(TransformerManager().transform_cell(source)).body
        except SyntaxError:
            raise error from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; a thousand brackets
        raise SyntaxError(f"{type(error).__name__}: {error}") from None


def split_imports(nodes: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements, an import of several names as several imports."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (ast.copy_location(ast.Import([alias]), node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (
                ast.copy_location(ast.ImportFrom(node.module, [alias], node.level), node) for alias in node.names
            )
        else:
            yield node


def find_names(node: ast.stmt) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that a statement binds, and those that it needs from the notebook.

    >>> binds, uses = find_names(ast.parse("def area(width): return width * height").body[0])
    >>> set(binds), set(uses)
    ({'area'}, {'height'})
    """
    try:
        table = symtable.symtable(ast.unparse(node), "cell", "exec")
    except (SyntaxError, RecursionError):  # such as `await` outside of a function
        names = frozenset(part.id for part in ast.walk(node) if isinstance(part, ast.Name))
        return names, names
    symbols = table.get_symbols()
    binds = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
    uses = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
    for inner in nested(table):
        uses |= {symbol.get_name() for symbol in inner.get_symbols() if symbol.is_global()}
    if isinstance(node, ast.AugAssign):
        uses |= binds
    return frozenset(binds), frozenset(uses)


def nested(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """Yield the tables of all functions and classes inside."""
    for child in table.get_children():
        yield child
        yield from nested(child)


def find_changed(node: ast.stmt) -> str:
    """Return the name of the object that a statement changes in place, or nothing.

    >>> find_changed(ast.parse("model.head[0] = 3").body[0])
    'model'
    """
    if isinstance(node, ast.Assign | ast.AugAssign):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        target = node.value.func
    else:
        return ""
    if not isinstance(target, ast.Attribute | ast.Subscript):
        return ""
    while isinstance(target, ast.Attribute | ast.Subscript):
        target = target.value
    return target.id if isinstance(target, ast.Name) else ""
