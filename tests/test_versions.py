"""What a notebook says in a kernel that lacks the course, or beside a package of another version than its own."""

from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

IMPORT = "import importlib, tutorial_utils; importlib.reload(tutorial_utils)"  # a forked kernel has it from its parent
NOTEBOOK = nbformat.read(Path(__file__).parent.parent / "notebooks" / "00_quickstart.ipynb", as_version=4)
CHECK = next(cell.source for cell in NOTEBOOK.cells if cell.id == "check-course")


def run(folder, *sources):
    """Run cells in a kernel until one fails, and return them with their outputs."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    with suppress(CellExecutionError):
        NotebookClient(nbformat.v4.new_notebook(cells=cells), resources={"metadata": {"path": str(folder)}}).execute()
    return cells


@pytest.mark.parametrize("missing", ["tutorial_utils", "torch", "torchvision"])
def test_a_kernel_without_the_course_says_in_two_lines_what_to_do_and_runs_no_further(missing, quick_kernels, tmp_path):
    cells = run(tmp_path, f"import sys; sys.modules[{missing!r}] = None", CHECK, "print('went on')")
    (output,) = cells[1].outputs
    assert output.output_type == "stream"
    first, second = output.text.splitlines()
    assert first.startswith("UsageError: This kernel lacks the course. Choose ")
    assert second.startswith("On Colab or Kaggle, ")
    assert "%pip install" in second
    assert cells[2].execution_count is None


def test_a_kernel_with_the_course_says_nothing(quick_kernels, tmp_path):
    check, after = run(tmp_path, CHECK, "print('went on')")
    assert check.outputs == []
    assert after.outputs[0].text == "went on\n"


@pytest.mark.parametrize(
    "line",
    [
        "from tutorial_utils.loops import train_loop_of_last_year",
        "from tutorial_utils.last_year import train_loop",
        "from tutorial_utils.exercises import ex99_last_year as ex",
        "from tutorial_utils.exercises import ex01_tensors as ex; ex.last_year.check(1)",
    ],
)
def test_a_name_that_the_package_lacks_is_explained_below_the_error(line, quick_kernels, tmp_path):
    _, cell = run(tmp_path, IMPORT, line)
    error, *said = cell.outputs
    assert error.output_type == "error"
    assert "".join(output.text for output in said) == (
        "If the name is spelt right, this notebook and the course have different versions.\n"
        "An older notebook: rename it, and `make lab` brings the new one. A newer one: update the course.\n"
    )


@pytest.mark.parametrize("line", ["import nothing_of_ours", "(1).real_part", "import math; math.ppi", "1 / 0", "1"])
def test_other_errors_are_left_alone(line, quick_kernels, tmp_path):
    _, cell = run(tmp_path, IMPORT, line)
    assert all(output.output_type != "stream" for output in cell.outputs)
