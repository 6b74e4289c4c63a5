"""One progress bar for everything that takes a while."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


def in_notebook() -> bool:
    """Return whether the code runs in a notebook, where output is shown below the cell."""
    return type(sys.stdout).__module__.startswith("ipykernel")


def progress_bar(
    iterable: Iterable[Any] | None = None,
    *,
    title: str,
    unit: str = " steps",
    total: int | None = None,
    unit_scale: bool = False,
    show: bool = True,
) -> "tqdm[Any]":
    """Return a bar around `iterable`, or one for calls of `update(count)` up to `total`; it vanishes when it is done.

    It is drawn where somebody watches: on standard error in a terminal, on standard output in a notebook (where
    standard error looks like a failure). In a log file, or with `show=False`, it stays silent.
    """
    stream = sys.stdout if in_notebook() else sys.stderr
    watched = in_notebook() or stream.isatty()
    return tqdm(
        iterable,
        desc=title,
        unit=unit,
        total=total,
        unit_scale=unit_scale,
        file=stream,
        ncols=80,
        leave=False,
        disable=not (show and watched),
    )
