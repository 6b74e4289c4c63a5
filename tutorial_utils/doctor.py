"""`python -m tutorial_utils.doctor`: is this machine ready for the course?"""

from tutorial_utils.command import end_with
from tutorial_utils.tools.doctor import main

if __name__ == "__main__":
    end_with(main)
