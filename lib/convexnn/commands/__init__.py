"""Commands that need no notebook: `python -m convexnn fit data.csv --target y`, one file a command.

A command imports what it needs when it runs, so that `python -m convexnn --help` loads neither torch nor pandas.
Exit codes: 0 solved, certified or unchanged, 1 inconclusive or worse, 2 bad input (one line on stderr).
"""

from __future__ import annotations

#: The file convexnn/commands/NAME.py holds the command NAME; `convexnn.__main__` registers them.
NAMES = ("fit", "path", "certify", "data", "diff")
