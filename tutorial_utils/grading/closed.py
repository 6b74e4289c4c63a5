"""A closed door between handed-in code and the judge, in the process where both run.

Python has no walls within a process. This holds ordinary means off: the exercises cannot be imported, their files
cannot be opened, no frame of the judge can be asked for, and a function of PyTorch that was replaced is noticed. What
gets past this, `look` points out to a person.
"""

import builtins
import copy
import importlib
import inspect
import json
import math
import mmap
import os
import pickle
import random
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import tutorial_utils
from tutorial_utils.exercises.exercise import Exercise

LEARNERS = "cell "  # how the names of files begin from which handed-in code seems to come
PACKAGE = Path(__file__).resolve().parent.parent
CLOSED_FOLDERS = tuple(f"{PACKAGE / room}{os.sep}" for room in ("exercises", "grading"))
CLOSED_MODULES = ("tutorial_utils.exercises", "tutorial_utils.grading")
PROCESSES_ALLOWED = 64  # that the code of one exercise may start
STARTS = ("os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen")
ASKS = (
    "gc.get_objects",
    "gc.get_referrers",
    "gc.get_referents",
    "sys._current_frames",
    "sys._getframe",
    "ctypes.dlopen",
)
HELPERS = ("gc", "inspect", "traceback", "ctypes")  # modules that ask on behalf of their caller
WATCHED = (
    builtins,
    copy,
    inspect,
    json,
    json.encoder,
    math,
    np,
    os,
    pickle,
    random,
    torch,
    torch.Tensor,
    torch.testing,
)
WATCHED_TOO = (nn, nn.Module, nn.functional, torch.linalg, torch.autograd, torch.overrides)


class StandIn:
    """Stands for an exercise while it is graded: it has its methods, which do nothing, and no answer."""

    def check(self, attempt: object = None) -> None:
        """Do nothing: the grader checks later."""

    hint = solution = check


def stand_in(exercises: Iterable[tuple[str, Iterable[str]]], caught: list[str]) -> None:
    """Put stand-ins in the place of the modules of the exercises, given the names of those in each module.

    What has imported the modules before keeps them; nobody can import them afterwards.
    """
    real = {name: vars(module) for name, module in sys.modules.items() if name.startswith(CLOSED_MODULES)}
    for name in [name for name in sys.modules if name.startswith(CLOSED_MODULES)]:
        del sys.modules[name]
    package = types.ModuleType("tutorial_utils.exercises")
    package.__path__ = []
    vars(package).update(progress=lambda: None, review=lambda: None)
    for module, names in exercises:
        made = types.ModuleType(f"{package.__name__}.{module}")
        vars(made)["__getattr__"] = serve_pickle(real[made.__name__], caught)
        vars(made).update({name: StandIn() for name in names})
        vars(package)[module] = sys.modules[made.__name__] = made
    sys.modules[package.__name__] = package
    vars(tutorial_utils).update(exercises=package, grading=None)


def serve_pickle(real: dict[str, Any], caught: list[str]) -> Callable[[str], Any]:
    """Return what finds the functions and classes of a module where something pickles them, and refuses other askers.

    Checks write files of their own, and what is pickled has to be found under its name.
    """

    def find(name: str) -> Any:
        code = sys._getframe(1).f_code
        asks = code.co_filename.startswith(LEARNERS) and (name in code.co_names or name in code.co_consts)
        found = real.get(name)
        if callable(found) and not asks:
            return found
        if asks and name in real:
            caught.append(f"{name} of the exercises")
        raise AttributeError(f"the exercises have no {name}")

    return find


def take_stock() -> Callable[[], list[str]]:
    """Return a function that names what has been replaced since in Python, NumPy and PyTorch."""
    owners: list[Any] = [*WATCHED, *WATCHED_TOO]
    before = [(owner, dict(vars(owner))) for owner in owners]

    def compare() -> list[str]:
        return [
            f"{owner.__name__}.{name}"
            for owner, values in before
            for name, value in values.items()
            if callable(value) and vars(owner).get(name) is not value
        ]

    return compare


def shut_out(caught: list[str], frame_of: Callable[[int], Any] = sys._getframe) -> None:
    """From now on refuse handed-in code what is not its own, and write into `caught` what it asked for."""
    started = memoryview(mmap.mmap(-1, mmap.PAGESIZE)).cast("Q")  # shared with the processes that are forked
    busy = [False]

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if busy[0] or not (event == "open" or event in ASKS or event in STARTS or event == "object.__getattr__"):
            return
        busy[0] = True
        try:
            frame = frame_of(1)
            asked = refuse(event, arguments, frame, started)
            if asked and not is_by_linecache(frame):
                caught.append(asked)
        finally:
            busy[0] = False
        if asked:
            raise PermissionError(f"{asked} is closed to code that is graded")

    sys.addaudithook(look)


def refuse(event: str, arguments: tuple[Any, ...], frame: Any, started: memoryview) -> str:
    """Return what is asked for, if handed-in code asks for what is not its own."""
    if event in STARTS:
        started[0] += 1
        return f"more than {PROCESSES_ALLOWED} processes" if started[0] > PROCESSES_ALLOWED else ""
    if event == "open":
        path = arguments[0]
        inside = isinstance(path, str | bytes) and os.path.realpath(os.fsdecode(path)).startswith(CLOSED_FOLDERS)
        return "a file of the exercises" if inside and is_below_learners(frame) else ""
    if event == "object.__getattr__":
        event = str(arguments[1])
        if event not in ("tb_frame", "gi_frame", "cr_frame", "ag_frame"):
            return ""
    while frame and frame.f_globals.get("__name__") in HELPERS:
        frame = frame.f_back
    return event if frame and frame.f_code.co_filename.startswith(LEARNERS) else ""


def is_below_learners(frame: Any) -> bool:
    """Return whether a frame was called, however indirectly, by handed-in code."""
    while frame:
        if frame.f_code.co_filename.startswith(LEARNERS):
            return True
        frame = frame.f_back
    return False


def is_by_linecache(frame: Any) -> bool:
    """Return whether lines of code are read, as PyTorch does for a traceback: it gets none, and that is no offence."""
    while frame and frame.f_globals.get("__name__") in ("tokenize", "linecache"):
        frame = frame.f_back
        if frame and frame.f_globals.get("__name__") == "linecache":
            return True
    return False


def load_exercises() -> dict[str, dict[str, Exercise]]:
    """Return the exercises of each module, such as "ex01_tensors", by name."""
    from tutorial_utils.exercises.catalogue import find_exercises, find_modules

    modules = find_modules()
    importlib.import_module("tutorial_utils.train")  # the whole package, so that forks need not import it
    return {module.__name__.rpartition(".")[2]: find_exercises(module) for module in modules}
