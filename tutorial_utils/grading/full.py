"""The slow way to grade: the whole notebook runs in a kernel, with its own checks, as it did for its learner."""

import asyncio
import os
import re
import tempfile
import time
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from tutorial_utils.exercises.record import read_record
from tutorial_utils.grading.read import Cell
from tutorial_utils.grading.results import NOT_REACHED


class Client(NotebookClient):
    """Executes a notebook and keeps no output but errors: an endless print must not fill the memory."""

    def output(
        self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        return super().output(outs, msg, display_id, cell_index) if msg["msg_type"] == "error" else None


def grade_fully(cells: list[Cell], keys: dict[str, str], seconds: float) -> tuple[dict[str, str], str]:
    """Return the outcome of each exercise by key, and a remark, after all cells of code were run in a kernel.

    Args:
        cells: those of the notebook.
        keys: the key of each exercise that it may solve, by name.
        seconds: how long the whole notebook may take.
    """
    code = [
        nbformat.v4.new_code_cell(cell.source, metadata={"tags": ["raises-exception"] * cell.fails})
        for cell in cells
        if cell.kind == "code"
    ]
    notebook = nbformat.v4.new_notebook(cells=code)
    with tempfile.TemporaryDirectory(prefix="grade_", ignore_cleanup_errors=True) as folder:
        record = Path(folder) / "progress.json"
        environment = {"OMP_NUM_THREADS": "1"} | os.environ | {"TUTORIAL_PROGRESS": str(record)}
        remark = execute(notebook, folder, environment, seconds)
        found = read_record(record)
    outcomes = {key: found.get(key) or explain_silence(find_check(code, name), remark) for name, key in keys.items()}
    return outcomes, remark or find_first_error(code)


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
        # In a loop of its own, which is closed behind it; what a kernel says as it is stopped is nothing to read.
        asyncio.run(client.async_execute(env=environment, stdout=DEVNULL, stderr=DEVNULL))
    except CellTimeoutError:
        return f"timed out after {timeout:g} s"
    except DeadKernelError:
        return "its kernel died"
    except Exception as error:  # one notebook must never stop the rest
        return f"could not be run: {type(error).__name__}: {str(error).strip().splitlines()[0][:100]}"
    return ""


def find_check(code: list[NotebookNode], name: str) -> NotebookNode | None:
    """Return the last cell that checks the exercise `name`, or None."""
    asking = [cell for cell in code if re.search(rf"^\s*(\w+\.)*{name}\.check\(", cell.source, re.MULTILINE)]
    return asking[-1] if asking else None


def explain_silence(cell: NotebookNode | None, remark: str) -> str:
    """Return the outcome of an exercise whose check was not reached, or failed before it could say anything."""
    if cell is None:
        return "not attempted"
    if cell.outputs:  # only errors are kept
        return NOT_REACHED if cell.outputs[0].get("ename") == "NameError" else "crashed"
    if remark and is_running(cell):
        return "timed out" if remark.startswith("timed out") else "crashed"
    return NOT_REACHED if remark and cell.execution_count is None else "not attempted"


def is_running(cell: NotebookNode) -> bool:
    """Return whether a cell was begun and not finished."""
    times = cell.metadata.get("execution", {})
    return "iopub.status.busy" in times and "iopub.status.idle" not in times


def find_first_error(code: list[NotebookNode]) -> str:
    """Return the first error, other than those on purpose, and its cell, or nothing."""
    for number, cell in enumerate(code, start=1):
        for output in [] if cell.metadata.tags else cell.outputs:
            reason = str(output.get("evalue", "")).strip().partition("\n")[0][:200]
            if missing := re.fullmatch(r"No module named '([\w.]+)'.*", reason):
                whole = re.search(rf"(?:from|import)\s+({re.escape(missing[1])}\b[\w.]*)", cell.source)
                reason = whole[1] if whole else missing[1]
            return f"{output.get('ename')}: {reason} in cell {number}"
    return ""
