"""What every notebook keeps to. A new notebook is tested by being in the folder."""

import ast
import re
import statistics
import symtable
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tutorial_utils.exercises.catalogue import find_exercises, find_modules

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PLUMBING = {
    "append_epoch",
    "FashionMNIST",
    "pick_device",
    "show_images",
    "plot_bars",
    "plot_bends",
    "plot_change",
    "plot_confusion",
    "plot_curves",
    "plot_errors",
    "plot_histograms",
    "plot_history",
    "plot_layers",
    "plot_softmax",
    "plot_stacks",
    "draw_batch",
    "draw_broadcast",
    "draw_checkpoint",
    "plot_path",
    "plot_tangent",
    "draw_cycle",
    "draw_window",
    "draw_volumes",
    "draw_modules",
    "draw_blocks",
    "plot_contours",
    "plot_descent",
    "plot_grid",
    "plot_steps",
    "plot_sweep",
    "planted_runs",
    "repair",
    "draw_graph",
    "draw_joins",
    "draw_means",
    "draw_memory",
    "draw_moments",
    "draw_network",
    "draw_storages",
    "draw_parts",
    "draw_pipeline",
    "draw_planes",
    "draw_tensors",
    "draw_timeline",
    "progress_bar",
    "report_epoch",
    "step_scheduler",
    "check_fit",
    "check_loadable",
    "check_schedule",
    "checked",
    "count_correct",
    "count_labels",
    "device_of",
    "explain_failed_write",
    "match_names",
    "read_annotations",
    "read_checkpoint",
    "weigh",
}
EXERCISES = {module.__name__.rpartition(".")[2]: find_exercises(module) for module in find_modules()}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(autouse=True)
def own_data_folder():
    """Notebooks use the data that a learner's notebooks use, unlike the other tests."""


def read(path):
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def sections(notebook):
    """Return the sections, each as its title and its cells; the opening cell is left out."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            found.append((cell.source.splitlines()[0].removeprefix("## "), []))
        if found:
            found[-1][1].append(cell)
    return found


def text_of(cells):
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def definitions(source):
    return {node.name: node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def imports_of_the_package(source):
    """Return the names that `source` imports from the package."""
    return {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tutorial_utils")
        for alias in node.names
    }


def find_definitions(pattern):
    """Return what the modules of the package define, by name."""
    modules = [path for path in sorted((ROOT / "tutorial_utils").glob(pattern)) if path.parent.name != "exercises"]
    found = [definitions(path.read_text(encoding="utf-8")) for path in modules]
    return {name: node for names in found for name, node in names.items()}


USED = set().union(*(imports_of_the_package(cell.source) for path in NOTEBOOKS for cell in code_cells(read(path))))
PACKAGE = {name: node for name, node in find_definitions("**/*.py").items() if name in USED} | find_definitions("*.py")


class Bare(ast.NodeTransformer):
    """Takes docstrings and annotations out of a definition."""

    def visit(self, node):
        node = super().visit(node)
        for annotation in "returns", "annotation":
            if hasattr(node, annotation):
                setattr(node, annotation, None)
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            return ast.Assign([node.target], node.value)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
        return node


def bare(node):
    return ast.dump(Bare().visit(ast.parse(ast.unparse(node))))


# ------------------------------------------------------------------------------------------------------- as committed


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_it_is_a_valid_notebook_without_outputs_and_with_clean_metadata(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        assert cell.source.strip() == cell.source != ""
        assert cell.metadata.keys() <= {"tags", "mystnb", "slideshow"}
        assert cell.metadata.get("slideshow", {"slide_type": "skip"}) == {"slide_type": "skip"}  # a learner needs it
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None


def test_every_cell_that_draws_says_what_a_reader_who_cannot_see_misses_and_no_other_cell_does():
    texts = []
    for path in NOTEBOOKS:
        for cell in read(path).cells:
            call = re.search(r"^(show_images|plot_\w+|draw_\w+|plt\.show)\(", cell.source, re.MULTILINE)
            draws = cell.cell_type == "code" and call is not None
            assert ("mystnb" in cell.metadata) == draws, cell.source
            if draws:
                texts.append(cell.metadata.mystnb.image.alt)
                assert cell.metadata.mystnb == {"image": {"alt": texts[-1]}}
                assert 30 <= len(texts[-1]) <= 350
    assert len(set(texts)) == len(texts) > 0


# ------------------------------------------------------------------------------------------------- one source of code


@each_notebook
def test_a_definition_that_the_package_has_too_is_the_packages_code(path):
    for cell in code_cells(read(path)):
        for name, node in definitions(cell.source).items():
            assert name not in PACKAGE or bare(node) == bare(PACKAGE[name]), f"{name} differs from the package's"


@each_notebook
def test_what_a_lesson_writes_out_is_imported_after_it(path):
    later = set()
    for cell in reversed(code_cells(read(path))):
        assert definitions(cell.source).keys() & PACKAGE.keys() <= later
        later |= imports_of_the_package(cell.source)


def test_nothing_is_imported_from_the_package_before_a_notebook_has_shown_it():
    shown = PLUMBING | EXERCISES.keys() | {"progress"}
    for path in NOTEBOOKS:
        for cell in code_cells(read(path)):
            unknown = imports_of_the_package(cell.source) - shown
            assert not unknown, f"{path.stem} imports {unknown}, which no notebook has shown"
            shown |= definitions(cell.source).keys()


def test_plumbing_is_what_the_package_has_and_the_notebooks_use():
    assert PACKAGE.keys() >= PLUMBING
    assert USED >= PLUMBING


def test_comparing_code_sees_through_docstrings_and_annotations_only():
    packages = 'def f(x: int) -> int:\n    """Say."""\n    y: int = 1\n    return x + y'
    assert bare(ast.parse(packages)) == bare(ast.parse("def f(x):\n    y = 1\n    return x + y"))
    assert bare(ast.parse("@torch.no_grad()\ndef f(x):\n    return x")) != bare(ast.parse("def f(x):\n    return x"))
    assert bare(ast.parse("def f(x):\n    return x + 1")) != bare(ast.parse("def f(x):\n    return x + 2"))


# -------------------------------------------------------------------------------------------------------- the lesson


@each_notebook
def test_it_opens_with_its_question_its_goals_and_both_in_chinese(path):
    opening = read(path).cells[0].source
    assert opening.startswith(f"# {path.stem[:2]} · ")
    assert re.search(r"^\*\*[^*]+\?\*\*", opening, re.MULTILINE)
    assert "**You will**" in opening
    assert "**You need**" in opening
    assert "**Time:**" in opening
    assert re.search(r"^> 概要：.+\\\n> .+\Z", opening, re.MULTILINE)


def test_every_notebook_begins_with_the_same_check_of_its_kernel():
    firsts = [code_cells(read(path))[0] for path in NOTEBOOKS]
    assert {first.id for first in firsts} == {"check-course"}
    assert len({first.source for first in firsts}) == 1


@each_notebook
def test_set_up_imports_first_and_holds_the_settings_in_one_tagged_cell(path):
    notebook = read(path)
    assert imports_of_the_package(code_cells(notebook)[1].source)  # right after the check of the kernel
    (settings,) = tagged(notebook, "parameters")
    for node in ast.parse(settings.source).body:
        assert isinstance(node, ast.Assign)
        assert all(target.id.isupper() for target in node.targets)


@each_notebook
def test_every_section_has_its_chinese_note_and_something_to_predict(path):
    *lessons, (closing, last_cells) = sections(read(path))
    assert len(lessons) >= 3
    for title, cells in lessons:
        text = text_of(cells)
        assert "> **Predict.** " in text, f"nothing to predict in {title!r}"
        assert re.search(r"^> 笔记：", text, re.MULTILINE), f"no note in {title!r}"
        assert any(cell.cell_type == "code" for cell in cells), f"nothing to run in {title!r}"
    assert re.search(r"^\| idea \| PyTorch name \|", text_of(last_cells), re.MULTILINE), closing
    assert "**Next:" in text_of(last_cells)
    assert "](http" in text_of(last_cells)


@each_notebook
def test_a_chinese_note_is_one_to_three_short_lines(path):
    for note in re.findall(r"^> 笔记：.*(?:\n> .*)*", text_of(read(path).cells), re.MULTILINE):
        lines = note.splitlines()
        assert len(lines) <= 3
        assert all(len(line) <= 110 for line in lines), note
        assert all(line.endswith("\\") for line in lines[:-1]), "a line break in the text is none on the page"
        assert len(re.findall(r"[\u4e00-\u9fff]", note)) >= 12


@each_notebook
def test_what_is_to_predict_is_answered_by_the_cell_below(path):
    cells = read(path).cells
    for cell, following in pairwise(cells):
        if "> **Predict.** " in cell.source:
            assert following.cell_type == "code", cell.source


@each_notebook
def test_no_cell_below_a_prompt_asserts_the_answer(path):
    for cell, following in pairwise(read(path).cells):
        if "> **Predict.** " in cell.source:
            assert not re.search(r"^\s*(assert |torch\.testing\.)", following.source, re.MULTILINE), following.source


@each_notebook
def test_one_mistake_is_made_on_purpose_and_then_read(path):
    cells = read(path).cells
    (mistake,) = tagged(read(path), "raises-exception")
    position = next(i for i, cell in enumerate(cells) if cell.id == mistake.id)
    assert mistake.cell_type == "code"
    assert cells[position - 1].cell_type == cells[position + 1].cell_type == "markdown"
    assert re.search(r"message|error", cells[position + 1].source)
    assert re.search(r"\*\*on purpose\*\*.* If \*Run All\* stops there, go on below it\.", cells[position - 1].source)


@each_notebook
def test_cells_are_short_and_never_far_from_a_sentence(path):
    notebook = read(path)
    lengths = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert statistics.median(lengths) <= 5
    for cell in code_cells(notebook):
        most = 45 if "program" in cell.metadata.get("tags", []) else 25 if definitions(cell.source) else 20
        assert len(cell.source.splitlines()) <= most, cell.source
        assert max(map(len, cell.source.splitlines())) <= 92, cell.source  # what a notebook shows without scrolling
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            words = re.findall(r"[A-Za-z0-9'’]+", re.sub(r"\(http[^)]*\)", "", cell.source))
            assert len(words) <= 120, f"{len(words)} words in {cell.source[:60]!r}"
    kinds = "".join("c" if cell.cell_type == "code" else " " for cell in notebook.cells)
    assert "ccc" not in kinds


@each_notebook
def test_every_notebook_claims_nothing_that_it_does_not_check(path):
    checks = [
        cell for cell in code_cells(read(path)) if re.search(r"^\s*(assert |torch\.testing\.)", cell.source, re.M)
    ]
    assert len(checks) >= len(sections(read(path))) - 3


@each_notebook
def test_links_lead_to_files_that_are_there(path):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(read(path).cells))
    for link in links:
        assert link.startswith("https://") or (path.parent / link).exists(), link


@each_notebook
def test_sentences_keep_to_the_style(path):
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"`[^`]*`|!=", "", cell.source)
            assert not re.search(r"\b(simply|just|obviously|of course)\b|[!！]", prose, re.IGNORECASE), prose


# ----------------------------------------------------------------------------------------------------------- running


def fill_in(source, exercises):
    """Return the source of a cell with the answer in place of the stub, and the exercise's name, if it has one."""
    asked = re.search(r"^ex\.(\w+)\.check\(\1\)$", source, re.MULTILINE)
    if not asked:
        return source, None
    name, lines = asked.group(1), source.splitlines()
    stub = next(
        node
        for node in ast.parse(source).body
        if name in (getattr(node, "name", None), getattr(getattr(node, "targets", [None])[0], "id", None))
    )
    lines[stub.lineno - 1 : stub.end_lineno] = exercises[name].source.splitlines()
    return "\n".join(lines), name


def printed(cell):
    return "".join(output.text for output in cell.outputs if output.get("name") == "stdout")


def test_filling_in_replaces_the_stub_alone():
    class Answer:
        source = "def f(x):\n    return x"

    cell = "import torch\n\n\ndef f(x):  # (N,)\n    raise NotImplementedError\n\n\nex.f.check(f)"
    assert fill_in(cell, {"f": Answer}) == ("import torch\n\n\ndef f(x):\n    return x\n\n\nex.f.check(f)", "f")
    assert fill_in("f = ...  # (N,)\nex.f.check(f)", {"f": Answer}) == (f"{Answer.source}\nex.f.check(f)", "f")
    assert fill_in("print(1)", {}) == ("print(1)", None)


def find_names(source):
    """Return the names that some code binds, and those that it needs from code before it, in its functions, too."""
    module = symtable.symtable(source, "code", "exec")
    bound = {name.get_name() for name in module.get_symbols() if name.is_assigned() or name.is_imported()}
    parts, needed = [module], set()
    while parts:
        part = parts.pop()
        parts += part.get_children()
        needed |= {name.get_name() for name in part.get_symbols() if name.is_referenced() and name.is_global()}
    return bound, needed - bound


def find_prelude(statements, source):
    """Return those of the statements that bind what `source` needs, and what they need themselves, in their order."""
    last = {name: number for number, statement in enumerate(statements) for name in find_names(statement)[0]}
    prelude, needed = set(), find_names(source)[1]
    while needed:
        found = {last[name] for name in needed if name in last} - prelude
        needed = set().union(*(find_names(statements[number])[1] for number in found))
        prelude |= found
    return [statements[number] for number in sorted(prelude)]


def test_the_prelude_of_an_exercise_binds_what_it_needs_and_does_nothing_else():
    imports, training, *others = ["import a, b", "x = a.train()", "def g():\n    return y + h()", "y = b.z", "x = 1"]
    assert find_names(imports) == ({"a", "b"}, set())
    assert find_names(others[0]) == ({"g"}, {"h", "y"})
    assert find_prelude([imports, training, *others], "def f(z):\n    return x + g() + z") == [imports, *others]


@each_notebook
def test_every_stub_is_not_attempted_yet_and_every_answer_correct(path, tmp_path, capsys):
    """Each runs after the imports, settings and definitions above that it needs, and after nothing else."""
    exercises = EXERCISES[f"ex{path.stem}"]
    replies, statements = {}, []
    for cell in code_cells(read(path)):
        solved, name = fill_in(cell.source, exercises)
        if name:
            replies[name] = [run_after(statements, source, tmp_path, capsys) for source in (cell.source, solved)]
        else:
            statements += [ast.unparse(statement) for statement in ast.parse(cell.source).body]
    assert replies == {key: ["Not attempted yet.", "Correct."] for key in exercises}
    assert list(replies) == list(exercises)  # `progress` names the next one in this order


def run_after(statements, source, folder, capsys):
    """Return the first line that `source` prints after its prelude from the statements."""
    namespace, file = {}, folder / "cell.py"
    exec("\n".join(find_prelude(statements, source)), namespace)
    file.write_text(source, encoding="utf-8")  # where `inspect` finds it
    capsys.readouterr()
    exec(compile(source, str(file), "exec"), namespace)
    return capsys.readouterr().out.partition("\n")[0]


@pytest.mark.slow  # every cell of every notebook, twice
@each_notebook
def test_it_runs_twice_in_one_kernel_unsolved_and_solved_from_another_folder(path, tmp_path):
    exercises = EXERCISES[f"ex{path.stem}"]
    notebook = read(path)
    size = len(notebook.cells)
    solved = [(cell, *fill_in(cell.source, exercises)) for cell in read(path).cells]
    for cell, source, _ in solved:
        cell.source = source
        notebook.cells.append(cell)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    assert list(tmp_path.iterdir()) == []  # nothing is left behind
    for cell in code_cells(notebook):
        failed = any(output.output_type == "error" for output in cell.outputs)
        assert failed == ("raises-exception" in cell.metadata.get("tags", []))
        assert not [output.text for output in cell.outputs if output.get("name") == "stderr"]
    asked = {name: position for position, (_, _, name) in enumerate(solved) if name}
    assert asked.keys() == exercises.keys()
    for name, position in asked.items():
        assert printed(notebook.cells[position]) == "Not attempted yet.\n", name
        assert printed(notebook.cells[size + position]).startswith("Correct.\n"), name
