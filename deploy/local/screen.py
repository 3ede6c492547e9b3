"""What the launcher says to a person. All of it goes through here and sounds like one voice."""

import sys


def say(line: str = "") -> None:
    """Print one line at once, also into a pipe."""
    print(line, flush=True)


def complain(line: str) -> None:
    """Print one line of bad news on the error stream."""
    print(line, file=sys.stderr, flush=True)
