"""What every statement file is read into, whatever its form. Pure: imports no framework."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Protocol, TextIO

from paymentplatform.kernel.errors import Action, Conflict


class LineKind(StrEnum):
    """What a line says happened to money at the institution; the last two are of bank statements."""

    CHARGE = "CHARGE"
    REFUND = "REFUND"
    CHARGEBACK = "CHARGEBACK"
    CREDIT = "CREDIT"
    DEBIT = "DEBIT"


class StatementLine(NamedTuple):
    """One line: amounts in minor units, ``occurred_at`` in ISO 8601 with zone.

    ``match_key`` is what the fact is known by on both sides: the institution's number of a charge, ours of a refund.
    """

    line_no: int
    kind: str
    match_key: str
    channel_trade_no: str
    request_no: str
    amount: int
    currency: str
    fee: int
    occurred_at: str


@dataclass(slots=True)
class Total:
    """Number, amount and fees of the lines of one kind in one currency, in minor units."""

    count: int = 0
    amount: int = 0
    fee: int = 0


Totals = dict[tuple[str, str], Total]
"""By (currency, kind)."""


@dataclass(slots=True)
class StatementHead:
    """What a file says of itself before its lines; None where its form does not say it."""

    account: str | None = None
    statement_date: date | None = None


@dataclass(slots=True)
class Reading:
    """A file while it is being read: ``totals`` grow with its lines, ``head`` stands once the first line is given."""

    head: StatementHead = field(default_factory=StatementHead)
    totals: Totals = field(default_factory=dict)
    lines: int = 0

    def count(self, line: StatementLine) -> StatementLine:
        """Add a line up and hand it on."""
        key = (line.currency, line.kind)
        total = self.totals.get(key)
        if total is None:
            total = self.totals[key] = Total()
        total.count += 1
        total.amount += line.amount
        total.fee += line.fee
        self.lines += 1
        return line


class Layout(Protocol):
    """One form of statement file, declared in ``layouts``."""

    @property
    def code(self) -> str:
        """Its name on the command line and in the database."""

    def recognises(self, beginning: str) -> bool:
        """Tell from the first 8 KiB of text whether a file has this form."""

    def read(self, stream: TextIO, reading: Reading) -> Iterator[StatementLine]:
        """Yield every line, counted in ``reading``. Raises StatementRefused at whatever is not as declared.

        Only when the iteration has ended has the file been read fully and agreed with its own totals.
        """


class StatementRefused(Conflict):
    """The file is not a whole, consistent statement of what it was said to be. Nothing of it was kept."""

    code = "statement_refused"
    title = "The statement file was refused"
    action = Action.FIX_REQUEST


def refuse(line_no: int, problem: str) -> StatementRefused:
    """Make the refusal of one line."""
    return StatementRefused(f"Line {line_no}: {problem}.")
