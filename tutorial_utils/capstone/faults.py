"""What a stage says when it does not pass: what was done, what was seen, what that means, and a line in Chinese."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tutorial_utils.capstone.output import OutputError
from tutorial_utils.capstone.runs import Run


class Fault(Exception):  # noqa: N818
    """Why a stage is not passed, as a good reviewer would say it."""

    def __init__(self, did: str, seen: str, means: str, chinese: str):
        super().__init__(seen)
        self.did, self.seen, self.means, self.chinese = did, seen, means, chinese


@contextmanager
def reading(did: str, means: str = "The brief says what the file holds.", chinese: str = "") -> Iterator[None]:
    """Raise Fault where the block meets a file or a line that is not what the brief asks for."""
    try:
        yield
    except OutputError as error:
        raise Fault(did, str(error), means, chinese or error.chinese) from error


def expect_done(done: Run, did: str, chinese: str, means: str = "") -> None:
    """Raise Fault unless a run ended well."""
    if done.late:
        raise Fault(
            did,
            f"It did not end in {done.waited:.0f} s, {done.seconds:.0f} s of processor time, and was stopped.",
            "It may wait for something, never end, or read each picture again and again. Read them once, and keep them "
            "small.",
            "超时：可能在等待什么、死循环，或反复读取图片。图片只读一次，读入后马上缩小。",
        )
    if done.status:
        asked = f" (It asked for the network: {names(done.hosts)}.)" if done.hosts else ""
        said = done.last_words or done.stdout[-300:] or "It said nothing."
        means = means or "Read the last line first: it names the mistake, and the lines above say where it is."
        raise Fault(did, f"It ended with status {done.status}.{asked}\n{said}", means, chinese)


def names(some: Sequence[str]) -> str:
    """Return the names in a row; of many, the first five and the number of the others.

    >>> names(list("abcdefg"))
    'a, b, c, d, e and 2 more'
    """
    return ", ".join(some[:5]) + (f" and {len(some) - 5} more" if len(some) > 5 else "")


def percent(share: float) -> str:
    """Return a share as it is read.

    >>> percent(0.825)
    '82.5 %'
    """
    return f"{100 * share:.1f} %"
