"""What a stage is, and the table of all of them."""

from collections.abc import Callable
from dataclasses import dataclass

from tutorial_utils.capstone.trials import Trials, limit_of

Judge = Callable[[Trials], str]


@dataclass(frozen=True)
class Stage:
    """One stage: its name, what it asks for, in English and Chinese, and how to look.

    Attributes:
        needs: the runs it looks at.
        after: the stages that must have passed, or there is nothing to look at.
        limit: seconds of processor time for the longest of its runs.
    """

    name: str
    title: str
    chinese: str
    needs: tuple[str, ...]
    after: tuple[str, ...]
    limit: int
    bonus: bool
    judge: Judge


STAGES: dict[str, Stage] = {}


def stage(
    chinese: str, *, needs: tuple[str, ...], after: tuple[str, ...] = (), bonus: bool = False
) -> Callable[[Judge], Judge]:
    """Return a decorator that adds a function to the stages, under its name."""

    def add(judge: Judge) -> Judge:
        name = judge.__name__
        title = (judge.__doc__ or "").splitlines()[0].rstrip(".")
        limit = max(map(limit_of, needs))
        STAGES[name] = Stage(name, title, chinese, needs, after, limit, bonus, judge)
        return judge

    return add


def row_of(epochs: list[float]) -> str:
    """Return the numbers of epochs as they are read.

    >>> row_of([1.0, 2.0])
    '[1, 2]'
    """
    return f"[{', '.join(f'{epoch:g}' for epoch in epochs)}]"
