"""A check leaves no trace: settings are put back, random numbers go on as before, and time is limited."""

import _thread
import random
import signal
import sys
import sysconfig
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch

TIME_LIMIT = 10  # seconds

_PATHS = sysconfig.get_paths()
_FOREIGN = [
    Path(__file__).parent.parent,
    Path(torch.__file__).parent.parent,  # libraries may lie elsewhere than Python says, such as in the user's folder
    *(Path(_PATHS[name]) for name in ("stdlib", "purelib", "platlib")),
]


class TimeUp(BaseException):
    """The time of an attempt is over. No `except Exception` in the attempt catches it."""


def is_learners(filename: str) -> bool:
    """Return whether code from the file `filename` is the learner's: not of this package, Python or a library.

    >>> is_learners("cell 3 of a notebook"), is_learners(torch.__file__)
    (True, False)
    """
    path = Path(filename)
    return not filename.startswith("<frozen") and not any(path.is_relative_to(folder) for folder in _FOREIGN)


Setting = tuple[Callable[[], Any], Callable[[Any], object], Any]
SETTINGS: list[Setting] = [  # how to ask for each setting, how to set it, and what it is during a check
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
    kind = accelerator.type if accelerator else "cuda"  # without devices, the kind plays no part
    before = [ask() for ask, _, _ in SETTINGS]
    dice = random.getstate(), np.random.get_state()
    with warnings.catch_warnings(), torch.random.fork_rng(devices, device_type=kind):
        try:
            for ask, put, wanted in SETTINGS:
                if wanted is not None:
                    _put_if_changed(ask, put, wanted)
            for seed in random.seed, np.random.seed, torch.manual_seed:
                seed(0)
            with limit_time(seconds):
                yield
        finally:
            for (ask, put, _), value in zip(SETTINGS, before, strict=True):
                _put_if_changed(ask, put, value)
            random.setstate(dice[0])
            np.random.set_state(dice[1])


def _put_if_changed(ask: Callable[[], Any], put: Callable[[Any], object], wanted: Any) -> None:
    """Make a setting what is wanted, unless it is: some of these calls cost time, or leave something behind."""
    if ask() != wanted:
        put(wanted)


@contextmanager
def limit_time(seconds: float) -> Iterator[None]:
    """Raise TimeUp in the block once it has taken `seconds`, and each second after that until it gives in.

    Only the main thread, where notebooks run their cells, can be stopped; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    limit = _limit_by_timer if hasattr(signal, "setitimer") else _limit_by_interrupt
    with limit(seconds):
        yield


@contextmanager
def _limit_by_timer(seconds: float) -> Iterator[None]:
    """The way of Linux and macOS: it also ends a call that waits, such as a sleep."""

    def stop(*_: object) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 1)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _limit_by_interrupt(seconds: float) -> Iterator[None]:
    """The way of Windows: a second thread presses Ctrl-C, which is heard at the next line of Python."""
    late, over = threading.Event(), threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if late.is_set():
            raise TimeUp
        if callable(before):
            before(number, frame)  # it was the learner who pressed it

    before = signal.signal(signal.SIGINT, stop)
    watcher = threading.Thread(target=_interrupt, args=(seconds, late, over), daemon=True)
    try:
        watcher.start()
        yield
    finally:
        over.set()
        watcher.join()
        signal.signal(signal.SIGINT, before)


def _interrupt(seconds: float, late: threading.Event, over: threading.Event) -> None:
    """Set `late` and press Ctrl-C after `seconds`, and again each second, until `over` is set."""
    if not over.wait(seconds):
        late.set()
        _thread.interrupt_main()
        while not over.wait(1):
            _thread.interrupt_main()
