"""camt.053, the bank's own statement of an account (ISO 20022), read as a stream. Pure.

Booked entries become CREDIT and DEBIT lines; opening balance and entries must make the closing balance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final, TextIO
from xml.etree.ElementTree import (
    Element,
    ParseError,
    iterparse,
)

from engine.statements.amounts import MAX_LINE_AMOUNT, read_major
from engine.statements.records import (
    LineKind,
    Reading,
    StatementLine,
    StatementRefused,
    refuse,
)
from paymentplatform.kernel.money import is_currency

_KINDS: Final = {"CRDT": LineKind.CREDIT, "DBIT": LineKind.DEBIT}
_REFERENCES: Final = ("EndToEndId", "AcctSvcrRef", "NtryRef")
_MAX_NUMBER: Final = 64


@dataclass(slots=True)
class _Progress:
    balances: dict[str, tuple[int, str]] = field(default_factory=dict)
    depth: list[str] = field(default_factory=list)
    ended: bool = False
    statements: int = 0


class Camt053:
    """The form of every camt.053 version whose element names are those of 001.02 to 001.12."""

    code = "camt053"

    def recognises(self, beginning: str) -> bool:
        """Whether it is XML of that name space."""
        return "urn:iso:std:iso:20022:tech:xsd:camt.053" in beginning

    def read(self, stream: TextIO, reading: Reading) -> Iterator[StatementLine]:
        """Yield every booked entry; see ``records.Layout``."""
        progress = _Progress()
        try:
            for event, element in iterparse(_NoDoctype(stream), events=("start", "end")):  # noqa: S314 - see above
                name = _name(element)
                if event == "start":
                    progress.depth.append(name)
                    continue
                progress.depth.pop()
                if name == "Ntry":
                    line = _read_entry(element, reading)
                    element.clear()
                    if line is not None:
                        yield reading.count(line)
                elif name in {"Bal", "Acct", "FrToDt"} and progress.depth[-1:] == ["Stmt"]:
                    _read_head(name, element, reading, progress)
                elif name == "Stmt":
                    progress.statements += 1
                    element.clear()
        except ParseError as error:
            raise StatementRefused(f"The file is no XML: {error}.") from error
        _check_balances(reading, progress)


class _NoDoctype:
    """Hands the text on to the parser, and nothing that declares entities."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._last = stream, ""

    def read(self, size: int = -1) -> str:
        """Return the next piece."""
        chunk = self._stream.read(size)
        if (
            "<!DOCTYPE" in (self._last + chunk).upper()
            or "<!ENTITY" in (self._last + chunk).upper()
        ):
            raise StatementRefused("The file declares a document type: it is not read.")
        self._last = chunk[-16:]
        return chunk


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _find(element: Element, *path: str) -> Element | None:
    here: Element | None = element
    for name in path:
        if here is None:
            return None
        here = next((child for child in here if _name(child) == name), None)
    return here


def _text(element: Element, *path: str) -> str:
    found = _find(element, *path)
    return (found.text or "").strip() if found is not None else ""


def _money(element: Element, line_no: int) -> tuple[int, str]:
    """Return the amount, negative for a debit, and its currency."""
    amount = _find(element, "Amt")
    currency = amount.get("Ccy", "") if amount is not None else ""
    sign = _text(element, "CdtDbtInd")
    if amount is None or not is_currency(currency) or sign not in _KINDS:
        raise refuse(line_no, "has no amount that can be read")
    try:
        value = read_major((amount.text or "").strip(), currency)
    except ValueError as error:
        raise refuse(line_no, f"has an amount that is none: {str(error)[:32]!r}") from error
    return (value if sign == "CRDT" else -value), currency


def _read_entry(entry: Element, reading: Reading) -> StatementLine | None:
    line_no = reading.lines + 1
    if (_text(entry, "Sts", "Cd") or _text(entry, "Sts")) != "BOOK":
        return None
    amount, currency = _money(entry, line_no)
    references = {
        name: next((found.text or "" for found in entry.iter() if _name(found) == name), "").strip()
        for name in _REFERENCES
    }
    key = next((value for value in references.values() if value and value != "NOTPROVIDED"), "")
    if not 1 <= abs(amount) <= MAX_LINE_AMOUNT:
        raise refuse(line_no, f"has the impossible amount {amount}")
    if not 1 <= len(key) <= _MAX_NUMBER or not key.isprintable():
        raise refuse(line_no, "has no reference")
    booked = _text(entry, "BookgDt", "DtTm") or _text(entry, "BookgDt", "Dt")
    try:
        at = f"{date.fromisoformat(booked[:10]).isoformat()}T12:00:00+00:00"
    except ValueError as error:
        raise refuse(line_no, f"has no date: {booked[:32]!r}") from error
    kind = LineKind.CREDIT if amount > 0 else LineKind.DEBIT
    return StatementLine(
        line_no,
        kind.value,
        key,
        references["AcctSvcrRef"][:_MAX_NUMBER],
        key,
        abs(amount),
        currency,
        0,
        at,
    )


def _read_head(name: str, element: Element, reading: Reading, progress: _Progress) -> None:
    if name == "Acct":
        reading.head.account = _text(element, "Id", "IBAN") or _text(element, "Id", "Othr", "Id")
    elif name == "FrToDt":
        try:
            reading.head.statement_date = date.fromisoformat(_text(element, "FrDtTm")[:10])
        except ValueError as error:
            raise StatementRefused("The file names no day.") from error
    else:
        progress.balances[_text(element, "Tp", "CdOrPrtry", "Cd")] = _money(element, reading.lines)


def _check_balances(reading: Reading, progress: _Progress) -> None:
    opening, closing = progress.balances.get("OPBD"), progress.balances.get("CLBD")
    if progress.statements != 1:
        raise StatementRefused(f"The file holds {progress.statements} statements, not one.")
    if opening is None or closing is None or opening[1] != closing[1]:
        raise StatementRefused(
            "The file has no opening and closing balance (OPBD, CLBD) in one currency."
        )
    if {currency for currency, _ in reading.totals} - {opening[1]}:
        raise StatementRefused("The file has entries in another currency than its balances.")
    moved = sum(
        total.amount if kind == LineKind.CREDIT else -total.amount
        for (_, kind), total in reading.totals.items()
    )
    if opening[0] + moved != closing[0]:
        raise StatementRefused(
            f"The balances say {closing[0] - opening[0]} {opening[1]}, the entries {moved}."
        )
