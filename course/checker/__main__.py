"""`python3 course/checker` checks course/qualifying_problems.py."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # in place of the folder of this file

from checker.command import main  # noqa: E402

main()
