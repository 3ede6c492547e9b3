"""Draw what every command promises: what it writes, what a second run does, how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from django.core.management import get_commands, load_command_class

from paymentplatform.kernel.commands import OperatorCommand

APPS: Final = ("acquiring", "checkout", "engine", "ledger", "paymentplatform.console")


def draw_commands() -> str:
    """Write the table of our commands. ``migrate`` is Django's own with our defaults, and is not in it."""
    lines = [
        "| Command | Writes | Run again | Exit 1 |",
        "|---|---|---|---|",
        *(
            f"| `{name}` | {command.writes or '–'} | {command.again} | {command.ends_1} |"
            for name, command in list_commands()
        ),
    ]
    return "\n".join(lines)


def list_commands() -> Iterator[tuple[str, OperatorCommand]]:
    """Yield our commands that report, by name."""
    for name, app in sorted(get_commands().items()):
        if app in APPS:
            command = load_command_class(app, name)
            if isinstance(command, OperatorCommand):
                yield name, command
