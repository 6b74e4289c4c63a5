"""How each command is called and ends. Standard library only: the doctor works where nothing else does."""

import os
import sys
from collections.abc import Callable
from typing import NoReturn

NOBODY_READS = 141  # 128 and the number of SIGPIPE, as a shell reports it


def program(name: str) -> str:
    """Return how the command `name` was called: `pytorch-course lab`, or `python -m tutorial_utils.lab`."""
    short = f"pytorch-course {name}"  # which that command writes to `sys.argv`
    return short if sys.argv[0] == short else f"python -m tutorial_utils.{name}"


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
