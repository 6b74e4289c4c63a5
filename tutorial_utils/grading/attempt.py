"""One exercise in a process of its own: its statements are run, and what they define is judged."""

import ast
import linecache
import os
import sys
import time
import types
from collections.abc import Mapping, Sequence
from json import dumps
from pathlib import Path
from typing import Any

from tutorial_utils.exercises.exercise import Exercise, join_notes
from tutorial_utils.exercises.guard import TIME_LIMIT, WALL_LIMIT, TimeUp, is_learners, limit_time
from tutorial_utils.grading import closed
from tutorial_utils.grading.choose import Plan
from tutorial_utils.grading.results import NOT_REACHED
from tutorial_utils.grading.statements import Statement

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

LARGEST = 2**28  # bytes of a file that handed-in code writes
LONGEST = 2000  # characters of a reply that are kept
Verdict = tuple[str, str, str, list[str]]
_write, _dumps = os.write, dumps  # as they are before handed-in code runs


def attempt(plan: Plan, exercise: Exercise, known: Mapping[str, Sequence[str]], seconds: float) -> Verdict:
    """Return the outcome, the reply, the first error of a statement before the answer, and what was reached for.

    Args:
        plan: what to run and to check.
        exercise: what judges it.
        known: the names of the exercises of each module, which get stand-ins.
        seconds: how long the statements may compute.
    """
    caught: list[str] = []
    replaced = closed.take_stock()
    closed.stand_in(known.items(), caught)
    closed.shut_out(caught)
    outcome, reply, first = run_and_judge(plan, exercise, seconds)
    if changed := replaced():
        caught.append(f"replaced {', '.join(changed[:3])}")
        outcome, reply = "not yet", f"Your code replaces {changed[0]}, which the check itself uses. Leave it as it is."
    return outcome, reply, first, caught


def run_and_judge(plan: Plan, exercise: Exercise, seconds: float) -> tuple[str, str, str]:
    """Return the outcome, the reply, and the first error of a statement before the answer, or nothing."""
    namespace = make_namespace()
    errors: dict[int, str] = {}
    expression = ast.fix_missing_locations(ast.Expression(plan.expression))
    try:
        with limit_time(seconds, 3 * seconds + WALL_LIMIT):
            for statement in plan.statements:
                if error := run(statement, namespace):
                    errors[statement.position] = error
            target = eval(compile(expression, f"{closed.LEARNERS}check", "eval"), namespace)
    except TimeUp:
        return "timed out", f"The code was stopped after {seconds:g} seconds. Does a loop never end?", ""
    except BaseException as error:  # mostly the answer is missing, as its definition failed
        first = next(iter(errors.values()), "")
        own = errors.get(plan.answer.position, "") if plan.answer else explain(error)
        is_own = not first or own == first
        return "crashed" if is_own else NOT_REACHED, own or first or explain(error), first
    first = next(iter(errors.values()), "")
    outcome, reply = judge(exercise, target, bool(first))
    return outcome, reply, first


def make_namespace() -> dict[str, Any]:
    """Return the names that a notebook begins with, those of a new `__main__`, so that its classes can be pickled."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    vars(main).update(display=lambda *things, **settings: None, get_ipython=lambda: None)
    return vars(main)


def run(statement: Statement, namespace: dict[str, Any]) -> str:
    """Run one statement; return its error and where it stands, or nothing."""
    filename = f"{closed.LEARNERS}{statement.cell.number}"
    lines = statement.cell.source.splitlines(keepends=True)
    linecache.cache[filename] = len(statement.cell.source), None, lines, filename
    try:
        exec(compile(ast.Module([statement.node], []), filename, "exec"), namespace)
    except TimeUp:
        raise
    except BaseException as error:  # exit(), too, ends this statement alone
        return f"{explain(error)} in {filename}"
    return ""


def judge(exercise: Exercise, target: Any, disturbed: bool) -> tuple[str, str]:
    """Return the outcome and the reply in words; where a statement before failed, a missing name is its fault."""
    try:
        outcome, reply = exercise.judge(target)
    except BaseException as error:  # what even the check does not catch
        outcome, reply = "crashed", error
    if not isinstance(reply, BaseException):
        return outcome, reply
    if disturbed and isinstance(reply, NameError):
        outcome = NOT_REACHED
    return outcome, f"{explain(reply)}{find_place(reply)}.{join_notes(reply)}"


def explain(error: BaseException) -> str:
    """Return an error in one line; of a module that is missing, its name is enough."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"ModuleNotFoundError: {error.name}"
    try:
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}".rstrip(": ")
    except Exception:  # its own __str__ fails
        return type(error).__name__


def find_place(error: BaseException) -> str:
    """Return in which cell and line of the notebook an error arose, in words, or nothing."""
    trace, place = error.__traceback__, ""
    while trace:
        filename = trace.tb_frame.f_code.co_filename
        if is_learners(filename) and filename.startswith(closed.LEARNERS):
            place = f" in {filename}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return place


def report(channel: int, nonce: str, verdict: Verdict) -> None:
    """Write a verdict where the parent reads it, as a line that begins with the nonce."""
    outcome, reply, first, caught = verdict
    line = _dumps([outcome, reply[:LONGEST], first[:LONGEST], list(dict.fromkeys(caught))[:5]])
    _write(channel, f"\n{nonce}{line}\n".encode())


def limit(memory: int, seconds: float, processes: int) -> None:
    """Limit what this process may use, where the system can: it ends, or gets an error, where it wants more.

    Args:
        memory: bytes beyond what it has.
        seconds: of computing, as for `attempt`; what ignores that limit ends somewhat later.
        processes: of this user in all; 0 for no limit.
    """
    if resource is None:
        return
    if Path("/proc/self/statm").exists():
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)
    lower(resource.RLIMIT_CPU, int(time.process_time() + 2 * seconds + min(seconds, TIME_LIMIT) + 2))
    lower(resource.RLIMIT_FSIZE, LARGEST)
    lower(resource.RLIMIT_CORE, 0)
    if processes:
        lower(resource.RLIMIT_NPROC, processes)


def lower(kind: int, value: int) -> None:
    """Lower a limit of this process, as far as it is not lower already."""
    _, hard = resource.getrlimit(kind)
    highest = value + 2 if hard == resource.RLIM_INFINITY else min(value + 2, hard)
    resource.setrlimit(kind, (min(value, highest), highest))
