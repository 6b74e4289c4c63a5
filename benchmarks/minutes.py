"""What the set-up and the checks of a change take: `make minutes` prints ratios, and `ARGS=setup` a part of them.

`setup` compares the set-up by uv with that by pip, each in a clone of its own with warm caches; `tests` compares
`make test`, and `ci` compares `.ci/run` in a clone, with the notebooks alone. Exits with status 1 if a bound is broken.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

COURSE = Path(__file__).resolve().parents[1]
SHARED = COURSE.parent / "shared"  # has the real images, where there are any


class Row(NamedTuple):
    """One line of the table: how long something takes next to what it is compared with, both in seconds."""

    what: str
    against: str
    limit: float
    seconds: float
    others: float

    def __str__(self) -> str:
        verdict = " **too slow**" * self.failed
        times = f"{self.seconds:.1f} s | {self.others:.1f} s"
        return f"| {self.what} | {self.against} | ≤ {self.limit:g} × | {self.ratio:.3g} ×{verdict} | {times} |"

    @property
    def ratio(self) -> float:
        return self.seconds / self.others

    @property
    def failed(self) -> bool:
        return self.ratio > self.limit


def time_of(*command: str, folder: Path = COURSE, **variables: str) -> float:
    """Return how many seconds a command takes; end the measurement if it fails."""
    print(" ".join(command), file=sys.stderr)
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


@contextmanager
def clone() -> Iterator[Path]:
    """Yield the folder of a fresh clone, beside which lies what lies beside this one."""
    with tempfile.TemporaryDirectory() as folder:
        course = Path(folder, "course")
        subprocess.run(["git", "clone", "-q", str(COURSE), str(course)], check=True)
        if SHARED.is_dir():
            course.with_name("shared").symlink_to(SHARED)
        yield course


def time_notebooks() -> float:
    """Return how many seconds the notebooks alone take."""
    return time_of(sys.executable, "-m", "pytest", "notebooks")


def tests() -> Row:
    """Return what all tests take."""
    return Row("`make test`", "`pytest notebooks`", 1.8, time_of("make", "test"), time_notebooks())


def ci() -> Row:
    """Return what the check of a change takes, set-up included."""
    with clone() as course:
        seconds = time_of(".ci/run", folder=course)
    return Row("`.ci/run` in a fresh clone", "`pytest notebooks`", 4.5, seconds, time_notebooks())


def setup() -> Row:
    """Return what the second of two set-ups takes, when all that it needs has been downloaded."""
    seconds = {}
    for installer in "uv", "pip":
        for _ in "cold", "warm":
            with clone() as course:
                seconds[installer] = time_of("sh", "install.sh", folder=course, INSTALLER=installer)
    return Row("set-up in a fresh clone", "`INSTALLER=pip`, both with warm caches", 0.5, seconds["uv"], seconds["pip"])


PARTS = {part.__name__: part for part in (setup, tests, ci)}


def main() -> int:
    """Print the table; return 1 if a row is above its limit, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="measure these alone")
    rows = [PARTS[name]() for name in parser.parse_args().parts or PARTS]
    print("| what | against | must be | is | it | the other |\n|---|---|---|---|---|---|")
    print(*rows, sep="\n")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
