"""What has been solved and when, in one small file that all notebooks share."""

import json
import os
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import filelock
import platformdirs

from tutorial_utils.storage.files import lock, write_atomically

OUTCOMES = ("correct", "not yet", "not attempted", "crashed", "timed out")
PAUSES = (3, 7, 21, 60)  # days until a solved exercise is due again, longer each time


@dataclass(frozen=True)
class Entry:
    """What the record holds of one exercise.

    Args:
        outcome: the newest one; "correct" stays.
        solved: the days on which it was solved, first in its notebook and then from memory; none of the time before
            the record kept them.
        due: the day from which on it is to be done again from memory; None means at once.
    """

    outcome: str
    solved: tuple[date, ...] = ()
    due: date | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is solved, and today it is time to do it again."""
        return self.outcome == "correct" and (self.due is None or self.due <= today())

    def after(self, outcome: str, from_memory: bool) -> "Entry":
        """Return what the record holds after one more check today; of what is solved, only repetitions count."""
        day = today()
        if self.outcome == "correct" and not (from_memory and outcome != "not attempted"):
            return self
        if outcome == "correct":
            pause = PAUSES[min(len(self.solved), len(PAUSES) - 1)]
            return Entry(outcome, (*self.solved, day), day + timedelta(days=pause))
        if self.outcome == "correct":
            return replace(self, due=day + timedelta(days=1))
        return Entry(outcome)


def record_file() -> Path:
    """Return the file of the outcomes: what `TUTORIAL_PROGRESS` names, else one in the user's data folder."""
    chosen = os.environ.get("TUTORIAL_PROGRESS") or platformdirs.user_data_path("tutorial_utils") / "progress.json"
    return Path(chosen).expanduser().absolute()


def read_record(path: Path) -> dict[str, str]:
    """Return the newest outcome of each exercise by its key, such as `01_tensors.standardize`; nothing without a file.

    A file that cannot be understood counts as none, and a line says so.
    """
    return {key: entry.outcome for key, entry in read_entries(path).items()}


def read_entries(path: Path) -> dict[str, Entry]:
    """Return what the file holds of each exercise, by its key, as `read_record` does."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("it does not list exercises")
        return {key: parse(value) for key, value in record.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        print_once(f"Your progress in {path} cannot be read ({error}), so it starts anew.")
        return {}


def parse(value: object) -> Entry:
    """Return the entry that stands in the file as `value`, which was the outcome alone before there were dates.

    Raises:
        TypeError, ValueError: it is no entry.
    """
    fields: dict[str, Any] = value if isinstance(value, dict) else {"outcome": value}
    if fields.get("outcome") not in OUTCOMES:
        raise ValueError("it does not list outcomes of exercises")
    due = fields.get("due")
    solved = tuple(map(date.fromisoformat, fields.get("solved", ())))
    return Entry(fields["outcome"], solved, due and date.fromisoformat(due))


def format_entry(entry: Entry) -> dict[str, object]:
    """Return the entry as it stands in the file."""
    dates = {"solved": [day.isoformat() for day in entry.solved], "due": entry.due and entry.due.isoformat()}
    return {"outcome": entry.outcome} | {name: value for name, value in dates.items() if value}


def explain_closed(setting: str, key: str) -> str:
    """Return why hints or solutions of the exercise `key` are not shown, or nothing if they are.

    The environment variable `setting` says so, for a whole class: `never`, or `after-correct`, once the exercise is
    solved. This is an agreement, not a lock: who looks into the files of the package finds them.

    Raises:
        ValueError: the variable says something else.
    """
    chosen = os.environ.get(setting, "").strip().lower()
    what = setting.removeprefix("TUTORIAL_").capitalize()
    if chosen == "never":
        return f"{what} are not shown in this class ({setting}=never)."
    if chosen == "after-correct":
        solved = read_record(record_file()).get(key) == "correct"
        return "" if solved else f"{what} are shown once the exercise is solved ({setting}=after-correct)."
    if chosen not in ("", "always"):
        raise ValueError(f"{setting}={chosen} means nothing. Choose always, after-correct, or never.")
    return ""


def today() -> date:
    """Return the day that it is where the learner is."""
    return datetime.now().date()


def remember(key: str, outcome: str, from_memory: bool = False) -> None:
    """Write the outcome of the exercise `key` down; what was correct once stays so.

    Where the file cannot be written, a line says so, and the lesson goes on.
    """
    path = record_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.with_name(f"{path.name}.lock"), patience=5):  # several kernels may write at once
            record = read_entries(path)
            entry = record.get(key, Entry("not attempted")).after(outcome, from_memory)
            if record.get(key) == entry:
                return
            record[key] = entry
            with write_atomically(path) as file:
                file.write(json.dumps({key: format_entry(entry) for key, entry in record.items()}, indent=1).encode())
    except (OSError, filelock.Timeout) as error:
        print_once(f"(Your progress is not saved: {error}. Set TUTORIAL_PROGRESS to a file that can be written.)")


@cache
def print_once(line: str) -> None:
    """Print a line, unless this kernel has printed it before: check after check would repeat it."""
    print(line)
