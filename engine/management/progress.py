"""What commands over statements share: their day, and how far they are, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from paymentplatform.kernel.errors import InvalidRequest


def read_date(text: str) -> date:
    """Read ``--date``. Raises InvalidRequest."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{text!r} is no date (YYYY-MM-DD).") from None


@contextmanager
def show_lines() -> Iterator[Callable[[int], None]]:
    """Show how many lines have been read."""
    with _progress() as bar:
        task = bar.add_task("Reading", total=None, done="")
        yield lambda lines: bar.update(task, done=f"{lines:,} lines")


@contextmanager
def show_steps(*names: str) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """Show lines while reading, then which of these steps is going on."""
    with _progress() as bar:
        task = bar.add_task("Reading", total=None, done="")

        def on_step(name: str) -> None:
            number = names.index(name) + 1 if name in names else len(names)
            bar.update(task, description=name.capitalize(), done=f"step {number} of {len(names)}")

        yield (lambda lines: bar.update(task, done=f"{lines:,} lines")), on_step


def _progress() -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
