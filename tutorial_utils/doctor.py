"""`python -m tutorial_utils.doctor`: is this machine ready for the course?"""

import sys

from tutorial_utils.tools.doctor import main

if __name__ == "__main__":
    sys.exit(main())
