"""The rooms of the package: one subject to a file, and no import that runs back up."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "tutorial_utils"
FLOORS = [  # from the lowest to the highest; a module imports from its own floor and from those below
    {"command", "progress", "devices", "style", "versions"},
    {"storage"},
    {"metrics", "checks", "models"},
    {"data", "loops", "plots", "diagrams", "checkpoints", "predict", "hunt"},
    {"training"},
    {"train"},
    {"exercises"},
    {"capstone"},
    {"grading"},
    {"tools"},
    {"lab", "doctor", "grade"},
]


def imports_of(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.startswith("tutorial_utils.") and name in MODULES}


MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}
IMPORTS = {name: imports_of(path) for name, path in MODULES.items()}


def floor_of(module: str) -> int:
    """Return the floor on which a module lies."""
    room = module.split(".")[1]
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def test_every_module_has_its_floor():
    rooms = {name.split(".")[1] for name in MODULES if "." in name}
    assert rooms == set().union(*FLOORS)


@pytest.mark.parametrize("module", sorted(IMPORTS.keys() - {"tutorial_utils"}))
def test_a_module_imports_from_its_own_floor_and_from_those_below(module):
    assert [other for other in IMPORTS[module] if floor_of(other) > floor_of(module)] == []


def test_no_modules_import_each_other_in_a_circle():
    within = {name: {other for other in others if other != name} for name, others in IMPORTS.items()}
    assert list(TopologicalSorter(within).static_order())


def test_a_file_has_one_subject_and_no_banners():
    """The exercises of a notebook have them: the sections of the notebook."""
    banners = [name for name, path in MODULES.items() if "\n# ---" in path.read_text(encoding="utf-8")]
    assert [name for name in banners if not name.startswith("tutorial_utils.exercises.ex0")] == []
