"""`python -m tutorial_utils.lab`: your own copies of the notebooks, opened in JupyterLab."""

from tutorial_utils.command import end_with
from tutorial_utils.tools.lab import main

if __name__ == "__main__":
    end_with(main)
