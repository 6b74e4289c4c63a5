"""The process that forks one process for each exercise: it has imported PyTorch and the exercises once.

It reads a line of JSON for each notebook from standard input, and writes one with what became of its exercises. Where
processes cannot be forked safely, on Windows and macOS, each exercise gets a fresh process, which takes seconds.
"""

import ast
import gc
import json
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from typing import Any

from tutorial_utils.exercises import exercise as of_check
from tutorial_utils.exercises.exercise import Exercise
from tutorial_utils.exercises.guard import TIME_LIMIT, WALL_LIMIT
from tutorial_utils.exercises.recall import COURSE
from tutorial_utils.exercises.recall import read_cells as read_originals
from tutorial_utils.grading import closed
from tutorial_utils.grading.attempt import Verdict, attempt, limit, report
from tutorial_utils.grading.choose import Plan, choose
from tutorial_utils.grading.look import look
from tutorial_utils.grading.read import Cell
from tutorial_utils.grading.statements import IMPORTS, Statement, parse, split_imports

FORKS = sys.platform == "linux"
CHANNEL = 3  # the file number of the pipe to the parent, in a forked process
MOST = 1 << 20  # bytes that a process may say
Exercises = dict[str, dict[str, Exercise]]
Job = dict[str, Any]


def main() -> None:
    """Grade the notebooks that come in, until there are no more."""
    exercises = closed.load_exercises()
    gc.freeze()  # so that the forked processes go on sharing this memory
    for line in sys.stdin:
        job = json.loads(line)
        if "one" in job:
            answer_one(job, exercises)
        print(json.dumps(grade(job, exercises)), flush=True)


def grade(job: Job, exercises: Exercises) -> dict[str, Any]:
    """Return outcome and reply of every exercise of a notebook, and remarks.

    Args:
        job: its `module` and `cells`, and the limits for an exercise: `seconds`, bytes of `memory`, and `processes`.
        exercises: those of all modules.
    """
    cells, asked = [Cell(*cell) for cell in job["cells"]], exercises[job["module"]]
    plans, statements = choose(cells, list(asked), lesson(job["module"]))
    outcomes, firsts, notes, flagged = {}, [], list[str](), list[str]()
    for name in asked:
        plan = plans.get(name)
        if isinstance(plan, Plan) and not plan.is_stub:
            outcome, reply, first, caught = isolate(job, exercises, name, plan)
            firsts.append(first)
            notes += plan.notes
            nodes = [statement.node for statement in plan.statements if not of_lesson(statement, job["module"])]
            if things := dict.fromkeys([*look(nodes, asked), *caught]):
                flagged.append(f"{name}: {', '.join(things)}")
        elif isinstance(plan, SyntaxError):
            outcome, reply = "crashed", f"{type(plan).__name__}: {plan.msg} (line {plan.lineno} of its cell)"
        else:
            outcome, reply = "not attempted", "Not attempted yet."
        outcomes[name] = outcome, reply
    cause = next(filter(None, [find_missing(statements, job["module"]), *firsts]), "")
    suspicion = [f"flagged: {'; '.join(flagged)}"] if flagged else []
    return {"outcomes": outcomes, "remarks": [*filter(None, [cause]), *notes, *suspicion]}


@cache
def lesson(module: str) -> frozenset[str]:
    """Return the statements of the course's own notebook, as `ast.dump` shows them."""
    name = f"{module.removeprefix('ex')}.ipynb"
    path = next((folder / name for folder in COURSE if (folder / name).exists()), None)
    dumped = set()
    for source in read_originals(path) if path else []:
        try:
            dumped |= {ast.dump(node) for node in split_imports(parse(source))}
        except SyntaxError:  # text
            continue
    return frozenset(dumped)


def of_lesson(statement: Statement, module: str) -> bool:
    """Return whether a statement stands so in the course's own notebook."""
    return ast.dump(statement.node) in lesson(module)


def find_missing(statements: Sequence[Statement], module: str) -> str:
    """Return the learner's first import of what is not installed here, as an error of its cell, or nothing."""
    for statement in statements:
        if isinstance(statement.node, IMPORTS) and statement.cell.kind == "code" and not of_lesson(statement, module):
            node = statement.node
            name = node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name
            if name and not getattr(node, "level", 0) and not is_installed(name.partition(".")[0]):
                return f"ModuleNotFoundError: {name} in cell {statement.cell.number}"
    return ""


@cache
def is_installed(name: str) -> bool:
    """Return whether there is a package or module of that name."""
    try:
        return name in sys.modules or find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def isolate(job: Job, exercises: Exercises, name: str, plan: Plan) -> Verdict:
    """Return the verdict on one exercise, from a process of its own in an empty folder of its own."""
    nonce = secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="grade_", ignore_cleanup_errors=True) as folder:
        if not FORKS:
            return start_fresh(job | {"one": name, "nonce": nonce, "folder": folder})
        reader, writer = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                leave_parent(folder, writer)
                report(CHANNEL, nonce, try_one(job, exercises, name, plan))
            finally:
                os._exit(0)
        os.close(writer)
        try:
            verdict = listen(reader, nonce, time.monotonic() + patience(job))
        finally:
            os.close(reader)
            status = end(process)
        return verdict or explain_end(status)


def patience(job: Job) -> float:
    """Return how many seconds by the clock an exercise may take: other processes may want the processor, too."""
    return float(3 * job["seconds"] + 2 * WALL_LIMIT + 10)


def leave_parent(folder: str, writer: int) -> None:
    """In a forked process, keep nothing of the parent's but the end of a pipe, as file number `CHANNEL`."""
    os.setsid()
    os.chdir(folder)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in 0, 1, 2:
        os.dup2(nowhere, number)
    os.dup2(writer, CHANNEL)
    os.closerange(CHANNEL + 1, 1 << 16)
    settle(folder)


def settle(folder: str) -> None:
    """Make `folder` the home of this process, and the place of its progress and of temporary files."""
    os.environ.update(HOME=folder, TMPDIR=folder, TUTORIAL_PROGRESS=f"{folder}/progress.json")
    tempfile.tempdir = None


def try_one(job: Job, exercises: Exercises, name: str, plan: Plan) -> Verdict:
    """Return the verdict on one exercise; handed-in code runs in this process."""
    vars(of_check)["TIME_LIMIT"] = min(TIME_LIMIT, job["seconds"])  # which its replies name, too
    limit(job["memory"], job["seconds"], job["processes"])
    known = {module: list(names) for module, names in exercises.items()}
    return attempt(plan, exercises[job["module"]][name], known, job["seconds"])


def listen(reader: int, nonce: str, end: float) -> Verdict | None:
    """Return the verdict that comes through a pipe; None if it is closed, or the time is over, before there is one."""
    said = b""
    while len(said) < MOST and select.select([reader], [], [], max(0, end - time.monotonic()))[0]:
        part = os.read(reader, 1 << 16)
        said += part
        if not part or find_verdict(said, nonce):
            break
    return find_verdict(said, nonce)


def find_verdict(said: bytes, nonce: str) -> Verdict | None:
    """Return the verdict in what a process said: a whole line that begins with the nonce."""
    for line in said.split(b"\n")[:-1]:
        if line.startswith(nonce.encode()):
            outcome, reply, first, caught = json.loads(line.removeprefix(nonce.encode()))
            return outcome, reply, first, caught
    return None


def end(process: int) -> int:
    """Kill a process and those of its group; return what `os.waitpid` says: 0 if it had ended by itself."""
    finished, status = os.waitpid(process, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    if not finished:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)  # before it had a group
        _, status = os.waitpid(process, 0)
    return status


def explain_end(status: int) -> Verdict:
    """Return the verdict on a process that ended, with this status, before it said anything."""
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL):
        return "timed out", "The code never ends: its process was stopped.", "", []
    if os.WIFSIGNALED(status):
        return "crashed", f"The code ends Python itself, by {signal.Signals(os.WTERMSIG(status)).name}.", "", []
    return "crashed", "The code ends the program (exit). Take that call out.", "", []


def start_fresh(job: Job) -> Verdict:
    """Return the verdict on one exercise, from a fresh process."""
    command = [sys.executable, "-m", "tutorial_utils.grading.worker"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=job["folder"]
    )
    try:
        said, _ = process.communicate(json.dumps(job).encode() + b"\n", timeout=patience(job))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return "timed out", "The code never ends: its process was stopped.", "", []
    return find_verdict(said, job["nonce"]) or explain_end(0)


def answer_one(job: Job, exercises: Exercises) -> None:
    """In a fresh process, write the verdict on the exercise that the job names to standard output."""
    plans, _ = choose([Cell(*cell) for cell in job["cells"]], list(exercises[job["module"]]), lesson(job["module"]))
    channel, plan = os.dup(1), plans[job["one"]]
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    settle(job["folder"])
    assert isinstance(plan, Plan)
    report(channel, job["nonce"], try_one(job, exercises, job["one"], plan))
    os._exit(0)


if __name__ == "__main__":
    main()
