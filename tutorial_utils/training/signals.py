"""SIGTERM and Ctrl-C end a run between two steps, in all of its processes at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from tutorial_utils.loops import Batches
from tutorial_utils.progress import progress_bar
from tutorial_utils.training.processes import is_rank_zero, reduce_max


@dataclass(eq=False)
class Stopped(Exception):  # noqa: N818
    """A signal has ended training between two steps of an epoch."""

    number: int  # of the signal
    epoch: int


@dataclass
class Signals:
    """The signal that this process was sent last; 0 for none."""

    last: int = 0

    def note(self, number: int, frame: FrameType | None) -> None:
        """Keep the number of a signal, instead of ending the process at once."""
        self.last = number


@contextmanager
def catch_signals() -> Iterator[Signals]:
    """Yield where SIGTERM and Ctrl-C are noted while the block runs."""
    signals = Signals()
    old = {number: signal.signal(number, signals.note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield signals
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def until_stopped(batches: Batches, signals: Signals, epoch: int) -> Batches:
    """Yield the batches, with a bar; raise Stopped before one if a signal was caught, in this process or another.

    All processes leave after the same step, so that none of them waits for one that has left.
    """
    with progress_bar(batches, title=f"epoch {epoch}", show=is_rank_zero()) as bar:
        for batch in bar:
            if number := reduce_max(signals.last):
                raise Stopped(number, epoch)
            yield batch
