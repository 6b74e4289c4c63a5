"""`python -m tutorial_utils.lab`: your own copies of the notebooks, opened in JupyterLab."""

from tutorial_utils.tools.lab import main

if __name__ == "__main__":
    main()
