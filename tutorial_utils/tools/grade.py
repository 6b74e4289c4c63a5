"""Grade notebooks that were handed in: `python -m tutorial_utils.grade NOTEBOOK... > grades.csv`.

Copies of the notebooks are executed, each in a kernel of its own and with a time limit, several at once. The result is
a CSV table with a row for each notebook: the file, the outcome of every exercise ("correct", "not yet", "not
attempted", "crashed" or "timed out"), how many are correct, and a remark where the notebook itself had a problem.
"""

import argparse
import csv
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from subprocess import DEVNULL
from typing import Any, TextIO

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tutorial_utils.command import program
from tutorial_utils.exercises.catalogue import find_exercises, find_modules
from tutorial_utils.exercises.record import read_record
from tutorial_utils.progress import progress_bar

EPILOG = """\
The files handed in are read and never written to. A notebook that is broken, ends its kernel or never ends gets a row
that says so, and the others go on.

What this does not protect from: the code that is handed in RUNS, with your rights on your machine. It can read and
delete your files, use your network, and claim any result. Run it in a container, or under an account that has nothing
to lose, unless you trust every author.

Random and downloaded data are those of the course: set TUTORIAL_DATA and TUTORIAL_SOURCE as you would for a notebook.
"""


class Graded(dict[str, str]):
    """The outcome of each exercise of one notebook by key, such as `01_tensors.standardize`; `.remark`, its problem."""

    remark = ""


class Client(NotebookClient):
    """Executes a notebook and keeps no output but errors: an endless print must not fill the memory."""

    def output(
        self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        return super().output(outs, msg, display_id, cell_index) if msg["msg_type"] == "error" else None


def grade_all(paths: Sequence[Path], timeout: float, jobs: int) -> dict[Path, Graded]:
    """Return what became of the exercises in each of the notebook files, graded `jobs` at a time."""
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        running = {path: pool.submit(grade, path, timeout) for path in dict.fromkeys(paths)}
        finished = as_completed(running.values())
        for _ in progress_bar(finished, title="grading", unit=" notebooks", total=len(running)):
            pass
    return {path: graded.result() for path, graded in running.items()}


def grade(path: Path, timeout: float) -> Graded:
    """Return what became of the exercises in the notebook file `path`, within `timeout` seconds in all."""
    graded = Graded()
    try:
        notebook = nbformat.read(path, as_version=4)
    except OSError as error:
        graded.remark = f"cannot be read: {error.strerror}"
    except Exception as error:  # whatever a file that is no notebook leads to
        graded.remark = f"is no notebook: {str(error).strip().splitlines()[0][:100]}"
    else:
        cells = find_checks(notebook)
        if not cells:
            graded.remark = "imports no exercises as ex"
            return graded
        with tempfile.TemporaryDirectory(prefix="grade_", ignore_cleanup_errors=True) as folder:
            record = Path(folder) / "progress.json"
            environment = {"OMP_NUM_THREADS": "1"} | os.environ | {"TUTORIAL_PROGRESS": str(record)}
            graded.remark = execute(notebook, folder, environment, timeout)
            outcomes = read_record(record)
        for key, cell in cells.items():
            graded[key] = outcomes.get(key) or explain_silence(cell, graded.remark)
    return graded


def find_checks(notebook: NotebookNode) -> dict[str, NotebookNode | None]:
    """Return for each exercise of the notebook's module, by key, the cell with its check, or None if there is none."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    modules = {module.__name__.rpartition(".")[2]: find_exercises(module) for module in find_modules()}
    imported = re.search(r"import (ex\w+) as ex\b", "\n".join(cell.source for cell in code))
    asked = {name: cell for cell in code for name in re.findall(r"^\s*ex\.(\w+)\.check\(", cell.source, re.MULTILINE)}
    exercises = modules.get(imported.group(1), {}) if imported else {}
    return {exercise.key: asked.get(name) for name, exercise in exercises.items()}


def execute(notebook: NotebookNode, folder: str, environment: dict[str, str], timeout: float) -> str:
    """Run all cells of a notebook, whatever fails in them, in `folder`; return what ended it early, or nothing."""
    end = time.monotonic() + timeout
    client = Client(
        notebook,
        kernel_name="python3",
        allow_errors=True,
        timeout_func=lambda cell: max(1, int(end - time.monotonic())),
        shutdown_kernel="immediate",
        resources={"metadata": {"path": folder}},
    )
    try:
        client.execute(env=environment, stdout=DEVNULL, stderr=DEVNULL)  # what a kernel says as it is stopped
    except CellTimeoutError:
        return f"timed out after {timeout:g} s"
    except DeadKernelError:
        return "its kernel died"
    except Exception as error:  # one notebook must never stop the rest
        return f"could not be run: {type(error).__name__}: {str(error).strip().splitlines()[0][:100]}"
    return ""


def explain_silence(cell: NotebookNode | None, remark: str) -> str:
    """Return the outcome of an exercise whose check was not reached, or failed before it could say anything."""
    if cell is None:
        return "not attempted"
    if any(output.output_type == "error" for output in cell.outputs):
        return "crashed"
    if remark:  # the notebook ended before this cell did
        return "timed out" if remark.startswith("timed out") else "crashed"
    return "not attempted"


def write_table(results: dict[Path, Graded], file: TextIO) -> None:
    """Write the table: the columns of the exercises stand in the order of the notebooks."""
    asked = {key for graded in results.values() for key in graded}
    every = [exercise.key for module in find_modules() for exercise in find_exercises(module).values()]
    columns = [key for key in every if key in asked]
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["file", *columns, "total", "remark"])
    for path, graded in results.items():
        total = sum(outcome == "correct" for outcome in graded.values())
        writer.writerow([path, *(graded.get(key, "") for key in columns), total, graded.remark])


def main(arguments: Sequence[str] | None = None) -> None:
    """Grade the notebooks named on the command line and write the table."""
    parser = argparse.ArgumentParser(
        prog=program("grade"),
        description="Execute copies of notebooks and write which of their exercises are solved, as a CSV table.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("notebooks", nargs="+", type=Path, metavar="NOTEBOOK", help="a file that was handed in")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the table goes (default: standard output)")
    parser.add_argument("--timeout", type=float, default=600, metavar="SECONDS", help="for one notebook (default: 600)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many run at once (default: one per core)")
    options = parser.parse_args(arguments)
    if options.output and options.output.resolve() in [path.resolve() for path in options.notebooks]:
        parser.error(f"--output {options.output} is one of the notebooks: name another file.")
    if options.output and not options.output.parent.is_dir():
        parser.error(f"--output {options.output}: there is no folder {options.output.parent}.")

    results = grade_all(options.notebooks, options.timeout, options.jobs)
    if options.output:
        with options.output.open("w", encoding="utf-8", newline="") as file:
            write_table(results, file)
    else:
        write_table(results, sys.stdout)
