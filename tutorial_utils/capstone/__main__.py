"""`python -m tutorial_utils.capstone`: start, check, hint and card."""

from tutorial_utils.capstone.cli import main
from tutorial_utils.command import end_with

if __name__ == "__main__":
    end_with(main)
