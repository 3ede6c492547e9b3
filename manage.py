#!/usr/bin/env python3
"""Django's commands. Without DATABASE_URL they find the servers that `python3 run.py` has started."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

STATES = (".run", ".run-test")


def load_environment(folder: Path) -> None:
    """Take over ``.run/env`` (or ``.run-test/env``) unless the caller has said which database to use."""
    if "DATABASE_URL" in os.environ:
        return
    for state in STATES:
        try:
            lines = (folder / state / "env").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue
        for line in lines:
            name, separator, value = line.partition("=")
            if separator and not name.startswith("#"):
                os.environ.setdefault(name, "".join(shlex.split(value)))
        return


def main() -> None:
    """Run one command."""
    load_environment(Path(__file__).resolve().parent)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "paymentplatform.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
