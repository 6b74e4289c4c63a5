"""What has been solved, in one small file that all notebooks share."""

import json
import os
from functools import cache
from pathlib import Path

import filelock
import platformdirs

from tutorial_utils.storage.files import lock, write_atomically

OUTCOMES = ("correct", "not yet", "not attempted", "crashed", "timed out")


def record_file() -> Path:
    """Return the file of the outcomes: what `TUTORIAL_PROGRESS` names, else one in the user's data folder."""
    chosen = os.environ.get("TUTORIAL_PROGRESS") or platformdirs.user_data_path("tutorial_utils") / "progress.json"
    return Path(chosen).expanduser().absolute()


def read_record(path: Path) -> dict[str, str]:
    """Return the newest outcome of each exercise by its key, such as `01_tensors.standardize`; nothing without a file.

    A file that cannot be understood counts as none, and a line says so.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or not all(outcome in OUTCOMES for outcome in record.values()):
            raise ValueError("it does not list outcomes of exercises")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        print_once(f"Your progress in {path} cannot be read ({error}), so it starts anew.")
        return {}
    return record


def remember(key: str, outcome: str) -> None:
    """Write the outcome of the exercise `key` down; what was correct once stays so.

    Where the file cannot be written, a line says so, and the lesson goes on.
    """
    path = record_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path.with_name(f"{path.name}.lock"), patience=5):  # several kernels may write at once
            record = read_record(path)
            if record.get(key) in ("correct", outcome):
                return
            with write_atomically(path) as file:
                file.write(json.dumps(record | {key: outcome}, indent=1).encode())
    except (OSError, filelock.Timeout) as error:
        print_once(f"(Your progress is not saved: {error}. Set TUTORIAL_PROGRESS to a file that can be written.)")


@cache
def print_once(line: str) -> None:
    """Print a line, unless this kernel has printed it before: check after check would repeat it."""
    print(line)
