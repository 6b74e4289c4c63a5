"""A check leaves no trace: settings are put back, random numbers go on as before, and time is limited."""

import _thread
import random
import signal
import sys
import sysconfig
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

TIME_LIMIT = 10  # seconds of computing; what a first import takes does not count
WALL_LIMIT = 60  # seconds by the clock, for what waits and does not compute
TICK = 0.1  # seconds between two looks

_PATHS = sysconfig.get_paths()
_FOREIGN = [
    Path(__file__).parent.parent,
    Path(torch.__file__).parent.parent,  # libraries may lie elsewhere than Python says, such as in the user's folder
    *(Path(_PATHS[name]) for name in ("stdlib", "purelib", "platlib")),
]


class TimeUp(BaseException):
    """The time of an attempt is over, and which time that is. No `except Exception` in the attempt catches it."""


def is_learners(filename: str) -> bool:
    """Return whether code from the file `filename` is the learner's: not of this package, Python or a library.

    >>> is_learners("cell 3 of a notebook"), is_learners(torch.__file__)
    (True, False)
    """
    path = Path(filename)
    return not filename.startswith("<frozen") and not any(path.is_relative_to(folder) for folder in _FOREIGN)


def is_of_exercises(filename: str) -> bool:
    """Return whether code from the file `filename` belongs to the exercises and their checks."""
    return Path(filename).is_relative_to(Path(__file__).parent)


class Setting(NamedTuple):
    """A setting of Python or PyTorch: its words, how to ask for it and set it, and what it is during a check."""

    words: str
    ask: Callable[[], Any]
    put: Callable[[Any], object]
    wanted: Any = None


SETTINGS = [
    Setting("the limit of recursion", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("the number of threads", torch.get_num_threads, torch.set_num_threads, 1),  # several would wait for cores
    Setting(
        "whether algorithms are deterministic",
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    Setting("whether anomalies are detected", torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    Setting("the default device", torch.get_default_device, torch.set_default_device, torch.device("cpu")),
    Setting("the default dtype", torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    Setting("whether gradients are recorded", torch.is_grad_enabled, torch.set_grad_enabled, True),
]


def expect_settings(before: list[Any]) -> None:
    """Put settings back to what they were before an attempt.

    Raises:
        AssertionError: the attempt has changed one for whatever runs after it.
    """
    after = [setting.ask() for setting in SETTINGS]
    for setting, old, new in zip(SETTINGS, before, after, strict=True):
        if old != new:
            setting.put(old)
            raise AssertionError(
                f"Your code changes {setting.words} from {old} to {new}, for the rest of the notebook, too. A `with` "
                "block or a `finally` puts it back."
            )


@contextmanager
def guarded(computing: float, waiting: float) -> Iterator[None]:
    """Run a block from a fixed state of all random numbers and settings, and put back what was before it.

    Memory that PyTorch does not initialise, as that of `torch.empty`, is filled with nan, or with the largest number.

    Raises:
        TimeUp: the block took longer than `computing` seconds of the processor, or `waiting` seconds by the clock.
    """
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    devices = range(torch.accelerator.device_count()) if accelerator else []
    kind = accelerator.type if accelerator else "cuda"  # without devices, the kind plays no part
    before = [setting.ask() for setting in SETTINGS]
    dice = random.getstate(), np.random.get_state()
    with warnings.catch_warnings(), torch.random.fork_rng(devices, device_type=kind):
        try:
            for setting in SETTINGS:
                if setting.wanted is not None:
                    _put_if_changed(setting, setting.wanted)
            for seed in random.seed, np.random.seed, torch.manual_seed:
                seed(0)
            with limit_time(computing, waiting), Poison():
                yield
        finally:
            for setting, value in zip(SETTINGS, before, strict=True):
                _put_if_changed(setting, value)
            random.setstate(dice[0])
            np.random.set_state(dice[1])


def _put_if_changed(setting: Setting, value: Any) -> None:
    """Give a setting a value, unless it has it: some of these calls cost time, or leave something behind."""
    if setting.ask() != value:
        setting.put(value)


NOT_INITIALISED = (
    torch.empty,
    torch.empty_like,
    torch.empty_strided,
    torch.empty_permuted,
    Tensor.new_empty,
    Tensor.new_empty_strided,
)


class Poison(TorchFunctionMode):
    """Fills memory that is not initialised, so that nobody finds zeros there by luck.

    PyTorch's functions stay what they are: it keeps lists of them, such as those that `with torch.device(...)` knows,
    and a function put in the place of `torch.empty` would be in them, or missing there, for good.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        __tracebackhide__ = True  # an error of the learner's shows no lines of ours
        result = function(*args, **(kwargs or {}))
        if function in NOT_INITIALISED and result.layout == torch.strided and result.numel() and not result.is_meta:
            with torch.no_grad():
                result.fill_(_poison(result.dtype))
        return result


def _poison(dtype: torch.dtype) -> Any:
    if dtype.is_floating_point or dtype.is_complex:
        return float("nan")
    return True if dtype == torch.bool else torch.iinfo(dtype).max


class Watch:
    """Adds up the computing and the waiting of a block, and says whether it has had enough of either."""

    def __init__(self, computing: float, waiting: float) -> None:
        self.limits = computing, waiting
        self.computing, self.end = computing, time.monotonic() + waiting
        self.seen = time.process_time()

    def look(self, frame: FrameType | None) -> str:
        """Look at the clocks, and return which time is over, in words, or nothing; `frame` is what runs just now."""
        now = time.process_time()
        if not _is_importing(frame):
            self.computing -= now - self.seen
        self.seen = now
        computing, waiting = self.limits
        if self.computing <= 0:
            return f"{computing:g} seconds of computing"
        return f"{waiting:g} seconds, most of them of waiting" if time.monotonic() >= self.end else ""


def _is_importing(frame: FrameType | None) -> bool:
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def limit_time(computing: float, waiting: float) -> Iterator[None]:
    """Raise TimeUp in the block once it has had its time, and again after that until it gives in.

    Only the main thread, where notebooks run their cells, can be stopped; elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    limit = _limit_by_timer if hasattr(signal, "setitimer") else _limit_by_interrupt
    with limit(Watch(computing, waiting)):
        yield


@contextmanager
def _limit_by_timer(watch: Watch) -> Iterator[None]:
    """The way of Linux and macOS: it also ends a call that waits, such as a sleep."""

    def look(_: int, frame: FrameType | None) -> None:
        if over := watch.look(frame):
            raise TimeUp(over)

    before = signal.signal(signal.SIGALRM, look)
    try:
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _limit_by_interrupt(watch: Watch) -> Iterator[None]:
    """The way of Windows: a second thread presses Ctrl-C, which is heard at the next line of Python."""
    late: list[str] = []  # which time is over, once one is
    over = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        if late:
            raise TimeUp(late[-1])
        if callable(before):
            before(number, frame)  # it was the learner who pressed it

    before = signal.signal(signal.SIGINT, stop)
    watcher = threading.Thread(target=_interrupt, args=(watch, late, over), daemon=True)
    try:
        watcher.start()
        yield
    finally:
        over.set()
        watcher.join()
        signal.signal(signal.SIGINT, before)


def _interrupt(watch: Watch, late: list[str], over: threading.Event) -> None:
    """Write into `late` and press Ctrl-C once the time is over, and again at every look, until `over` is set."""
    main = threading.main_thread().ident
    while not over.wait(TICK):
        if reached := watch.look(sys._current_frames().get(main or 0)):
            late.append(reached)
            _thread.interrupt_main()
