"""`python -m tutorial_utils.grade`: what became of the exercises in notebooks that were handed in."""

from tutorial_utils.command import end_with
from tutorial_utils.tools.grade import main

if __name__ == "__main__":
    end_with(main)
