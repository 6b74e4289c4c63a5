"""The capstone as it was handed in: a folder with `train.py` and `predict.py`, which the course's judge runs."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from tutorial_utils.grading.sandbox import wrap

Graded = tuple[dict[str, str], dict[str, str], str]  # outcomes and replies by stage, and a remark
GRADE = """
import json, pathlib, sys
from tutorial_utils.capstone import grade
print(json.dumps(grade(pathlib.Path(sys.argv[1]))))
"""


def find_capstones(folder: Path) -> list[Path]:
    """Return the folders in `folder`, itself among them, with a `train.py` that has `predict.py` beside it.

    A folder that is called capstone needs no `predict.py`; what is hidden is left out.
    """
    found = [path.parent for path in folder.rglob("train.py") if not path.parent.name.startswith(".")]
    return sorted(path for path in found if (path / "predict.py").is_file() or path.name == "capstone")


def digest_of(folder: Path) -> str:
    """Return the SHA-256 of all Python files of a capstone."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*.py")))).hexdigest()


def grade_capstone(folder: Path, sandboxed: bool) -> Graded:
    """Return what the judge says of each stage, by keys such as "capstone.runs", and the first that is not passed."""
    folder = folder.resolve()
    command = [*(wrap([folder]) if sandboxed else []), sys.executable, "-c", GRADE, str(folder)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        outcomes, replies = json.loads(done.stdout)
    except ValueError:
        last = next(reversed(done.stderr.strip().splitlines()), "it said nothing")
        return {}, {}, f"the judge failed: {last}"
    return outcomes, replies, first_not_passed(outcomes, replies)


def first_not_passed(outcomes: dict[str, str], replies: dict[str, str]) -> str:
    """Return the name of the first stage that is not passed, with what was seen there; nothing where all are.

    >>> first_not_passed({"capstone.runs": "correct", "capstone.files": "not yet"}, {"capstone.files": "No split.csv."})
    'capstone.files: No split.csv.'
    """
    return next(
        (f"{key}: {replies.get(key, outcome)}" for key, outcome in outcomes.items() if outcome != "correct"), ""
    )
