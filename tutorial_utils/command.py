"""What the commands of the course share. Standard library only: the doctor works where nothing else does."""

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

NOBODY_READS = 141  # 128 and the number of SIGPIPE, as a shell reports it


def program(name: str) -> str:
    """Return how the command `name` was called: `pytorch-course lab`, or `python -m tutorial_utils.lab`."""
    short = f"pytorch-course {name}"  # which that command writes to `sys.argv`
    return short if sys.argv[0] == short else f"python -m tutorial_utils.{name}"


def expand(paths: Iterable[Path]) -> list[Path]:
    """Return the files that are meant, with patterns such as `*.jpg` expanded, in order: on Windows no shell does it.

    A file that there is stays as it is, whatever its name, and so does a pattern that fits none.
    """
    return [file for path in paths for file in ([path] if path.exists() else sorted(matches(path)) or [path])]


def matches(pattern: Path) -> Iterable[Path]:
    """Return the files that fit the pattern."""
    return Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))


def end_with(main: Callable[[], int | None]) -> NoReturn:
    """Run `main` and end this process with the exit status that it returns.

    Every line is written at once, in a log file, too, with an escape for what the terminal's encoding lacks. If nobody
    reads the output any more, as in `| head`, the process ends without a word.
    """
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        status = main()
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the last flush, as Python ends
        status = NOBODY_READS
    sys.exit(status)
