"""A check leaves no trace: settings are put back, random numbers go on as before, and time is limited."""

import ctypes
import random
import signal
import sys
import sysconfig
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

TIME_LIMIT = 10  # seconds

_PATHS = sysconfig.get_paths()
_FOREIGN = [Path(__file__).parent.parent, *(Path(_PATHS[name]) for name in ("stdlib", "purelib", "platlib"))]


class TimeUp(BaseException):
    """The time of an attempt is over. No `except Exception` in the attempt catches it."""


def is_learners(filename: str) -> bool:
    """Return whether code from the file `filename` is the learner's: not of this package, Python or a library."""
    path = Path(filename)
    return not filename.startswith("<frozen") and not any(path.is_relative_to(folder) for folder in _FOREIGN)


SETTINGS = [  # how to ask for each setting, how to set it, and what it is during a check
    (sys.getrecursionlimit, sys.setrecursionlimit, None),
    (torch.get_num_threads, torch.set_num_threads, None),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, None),
    (torch.is_anomaly_enabled, torch.set_anomaly_enabled, None),
    (torch.get_default_device, torch.set_default_device, torch.device("cpu")),
    (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    (torch.is_grad_enabled, torch.set_grad_enabled, True),
]


@contextmanager
def guarded(seconds: float) -> Iterator[None]:
    """Run a block from a fixed state of all random numbers and settings, and put back what was before it.

    Raises:
        TimeUp: the block took longer than `seconds`.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    devices = range(torch.accelerator.device_count()) if accelerator else []
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(torch.random.fork_rng(devices, device_type=accelerator.type if accelerator else "cuda"))
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())
        for ask, put, wanted in SETTINGS:
            before = ask()
            stack.callback(_put_if_changed, ask, put, before)
            _put_if_changed(ask, put, before if wanted is None else wanted)
        for seed in random.seed, np.random.seed, torch.manual_seed:
            seed(0)
        with limit_time(seconds):
            yield


def _put_if_changed(ask: Callable, put: Callable, wanted: Any) -> None:
    """Make a setting what is wanted, unless it is: some of these calls cost time, or leave something behind."""
    if ask() != wanted:
        put(wanted)


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Raise TimeUp in the block once it has taken `seconds`, and each second after that until it gives in."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _limit_by_signal(seconds):
            yield
    else:
        with _limit_by_thread(seconds):
            yield


@contextmanager
def _limit_by_signal(seconds: float) -> Iterator[None]:
    """The way of Linux and macOS: it also ends a call that waits, such as a sleep."""

    def stop(*_):
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _limit_by_thread(seconds: float) -> Iterator[None]:
    """The way of Windows, and of a thread: it waits for the next line of Python."""
    thread, over = ctypes.c_ulong(threading.get_ident()), threading.Event()
    lock = threading.Lock()

    def watch():
        pause = seconds
        while not over.wait(pause):
            with lock:
                if not over.is_set():
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TimeUp))
            pause = 1

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            over.set()
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)  # one that came too late
