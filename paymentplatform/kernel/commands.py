"""What every command of an operator shares: one JSON document or a table on stdout, logs on stderr, exit codes.

0 fine, 1 differences or failures, 2 wrong use. A command makes ONE service call and says what came of it.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import re
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Final, NoReturn, TextIO, cast

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.table import Table

from paymentplatform.kernel import context, numbers
from paymentplatform.kernel.errors import DomainError, InvalidRequest

FINE: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
PIPE_WIDTH: Final = 160
_FIGURE: Final = re.compile(r"(-?[\d,]+(\.\d+)?( [A-Z]{3})?)?|–")
"""A count, or an amount as people write it; also none."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a command found or did: ``document`` for ``--json``, ``show`` for people (the document's lines if None)."""

    document: dict[str, Any]
    show: Callable[[Console], None] | None = None
    code: int = field(default=FINE)


class OperatorCommand(BaseCommand):
    """A command that reports. Subclasses define ``add_options`` and ``perform``, and say what they do to the platform.

    ``writes`` is what a run may change, in a few words; empty: nothing. ``again`` is what a second run does. ``ends_1``
    is when it leaves with 1. All three stand in docs/operations.md. Every command takes ``--dry-run``: ``perform`` then
    only says what would happen; where nothing is written anyhow it makes no difference.
    """

    writes: ClassVar[str]
    again: ClassVar[str] = "the same answer"
    ends_1: ClassVar[str]

    _wants_json = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Remember how to answer a wrong use: the options are not read yet when it is found."""
        self._wants_json = "--json" in argv
        super().run_from_argv(argv)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Let a wrong use be one document on stdout, too, where that is asked for."""
        parser = super().create_parser(prog_name, subcommand, **options)
        explain = parser.error

        def refuse(message: str) -> None:
            if self._wants_json:
                self.stdout.write(_write_error(InvalidRequest.code, message))
            explain(message)

        parser.error = refuse  # type: ignore[method-assign]
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what every command has, then its own options."""
        parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
        told = "only say what would happen" if self.writes else "no difference: it writes nothing"
        parser.add_argument("--dry-run", action="store_true", help=told)
        self.add_options(parser)

    def add_options(self, parser: ArgumentParser) -> None:
        """Add the options of this command."""

    def perform(self, options: dict[str, Any]) -> Report:
        """Make the one service call. A DomainError ends the command with 1, InvalidRequest with 2."""
        raise NotImplementedError

    def handle(self, *_args: Any, **options: Any) -> None:
        """Perform under a request id of its own, report, and leave with the exit code."""
        who = f"operator:{options.get('operator') or getpass.getuser()}"
        try:
            with context.acting(as_actor=who, under_request=numbers.new_number(numbers.REQUEST)):
                report = self.perform(options)
        except DomainError as refusal:
            self._refuse(refusal, as_json=options["json"])
        if options["json"]:
            self.stdout.write(as_json(report.document))
        else:
            console = Console(
                file=cast(TextIO, self.stdout),
                emoji=False,
                highlight=False,
                width=None if self.stdout.isatty() else PIPE_WIDTH,
            )
            (report.show or _show_lines(report.document))(console)
        if report.code != FINE:
            sys.exit(report.code)

    def _refuse(self, refusal: DomainError, *, as_json: bool) -> NoReturn:
        if as_json:
            self.stdout.write(_write_error(refusal.code, refusal.detail))
        else:
            self.stderr.write(f"{refusal.detail} ({refusal.code})")
        sys.exit(WRONG_USE if isinstance(refusal, InvalidRequest) else FAILED)


def _write_error(code: str, detail: str) -> str:
    return json.dumps({"error": {"code": code, "detail": detail}}, ensure_ascii=False)


def as_json(document: dict[str, Any]) -> str:
    """Write the document; dataclasses as objects, times in ISO 8601."""
    return json.dumps(document, default=_plain, ensure_ascii=False)


def build_table(*headings: str, rows: list[tuple[Any, ...]], title: str | None = None) -> Table:
    """Make a table for people: nothing is taken for markup, no number is broken, counts and amounts stand right."""
    table = Table(title=title, title_justify="left")
    for n, heading in enumerate(headings):
        is_number = bool(rows) and all(_FIGURE.fullmatch(str(row[n])) for row in rows)
        is_text = any(" " in str(row[n]) for row in rows)
        table.add_column(
            heading,
            justify="right" if is_number else "left",
            overflow="fold",
            no_wrap=not is_text,
        )
    for row in rows:
        table.add_row(*(_escape(str(cell)) for cell in row))
    return table


def _escape(text: str) -> str:
    return text.replace("[", r"\[")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)


def _show_lines(document: dict[str, Any]) -> Callable[[Console], None]:
    width = max((len(name) for name in document), default=0)

    def show(console: Console) -> None:
        for name, value in document.items():
            console.print(f"{name:{width}}  {value}", markup=False)

    return show
