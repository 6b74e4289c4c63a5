"""What became of the exercises of each notebook, and the file that keeps it: a line of JSON for each notebook."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tutorial_utils.exercises.record import OUTCOMES
from tutorial_utils.storage.files import write_atomically

NOT_REACHED = "not reached"  # what the exercise needs failed before
ALL_OUTCOMES = (*OUTCOMES, NOT_REACHED)


@dataclass(frozen=True)
class Result:
    """The result of one notebook file.

    Args:
        file: its path, as it was given or found.
        digest: the SHA-256 of its content, and of how it was graded.
        outcomes: one of `ALL_OUTCOMES` for each exercise by its key, such as "01_tensors.standardize".
        replies: what the check said, by the same keys.
        remark: what a person should know about it.
    """

    file: str
    digest: str
    outcomes: dict[str, str] = field(default_factory=dict)
    replies: dict[str, str] = field(default_factory=dict)
    remark: str = ""

    @property
    def total(self) -> int:
        """How many exercises are correct."""
        return list(self.outcomes.values()).count("correct")


def read_results(path: Path) -> list[Result]:
    """Return the results in a file; of several for one notebook file, the newest. A line cut short is left out.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no file of results.
    """
    found = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            result = Result(**json.loads(line))
        except (ValueError, TypeError):
            if number == len(lines) and number > 1:  # the machine stopped as it was written
                break
            raise ValueError(f"line {number} is no result of grading") from None
        found[result.file] = result
    return list(found.values())


def append_result(path: Path, result: Result) -> None:
    """Add a result to the file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(result), ensure_ascii=False) + "\n")


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write the file anew."""
    with write_atomically(path) as file:
        for result in results:
            file.write((json.dumps(asdict(result), ensure_ascii=False) + "\n").encode())
