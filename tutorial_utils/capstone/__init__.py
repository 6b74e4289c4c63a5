"""From an empty file: the capstone, and the judge that runs it as a black box.

`python -m tutorial_utils.capstone start` makes the folder `work/capstone`: a brief, pictures, two empty scripts;
`check` runs the scripts and says what it saw, `hint STAGE` helps, and `card` makes a page from what they have written.
"""

from pathlib import Path

from tutorial_utils.capstone.cli import main

__all__ = ["grade", "main"]


def grade(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the outcome and the reply of each stage for the capstone in a learner's folder, as `judge.grade` does."""
    from tutorial_utils.capstone.judge import grade  # late: it needs PyTorch, which takes seconds

    return grade(folder)
