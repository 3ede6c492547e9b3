"""Calls about money that is yours or might become it: balance, statements, late money."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime

import httpx

from paymentplatform_client.calling import Caller, in_path
from paymentplatform_client.errors import BrokenStatement
from paymentplatform_client.objects import (
    Balance,
    LateMoney,
    LateMoneyDecision,
    LateMoneyStatus,
    StatementKind,
    StatementRecord,
)
from paymentplatform_client.parsing import Page, parse
from paymentplatform_client.retrying import repeat

_FORMULA_STARTS = ("'=", "'+", "'-", "'@")


class BookCalls(Caller):
    """Balance, statements, late money."""

    def get_balance(self) -> tuple[Balance, ...]:
        """Ask what the platform owes you now, one entry for each currency you have had."""
        return tuple(parse(Balance, item) for item in self._call("GET", "/balance"))

    def get_statement(
        self, day: date | str, *, kind: StatementKind = StatementKind.DETAIL
    ) -> Iterator[StatementRecord]:
        """Go through a business day's facts, then their totals, while they come in; the day may be text, 2026-01-31.

        Raises ValueError at once for what is no day, and BrokenStatement at the end when it is not complete: then
        nothing of it counts, get it again.
        """
        return self._read_day(_read_date(day), kind)

    def _read_day(self, day: date, kind: StatementKind) -> Iterator[StatementRecord]:
        answer = repeat(
            lambda: self._transport.open(f"/statements/{day.isoformat()}", query={"kind": kind}),
            policy=self._retry,
        )
        with closing(answer):
            try:
                yield from _read_statement(answer.iter_lines())
            except (httpx.TransportError, KeyError, ValueError) as error:
                raise BrokenStatement(f"{day}: {error!r}") from error

    def list_late_money(
        self,
        *,
        order_no: str | None = None,
        merchant_order_no: str | None = None,
        status: LateMoneyStatus | None = None,
        created_from: str | None = None,
        created_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[LateMoney]:
        """List late money, newest first."""
        return self._list(
            LateMoney,
            "/late-money",
            order_no=order_no,
            merchant_order_no=merchant_order_no,
            status=status,
            created_from=created_from,
            created_to=created_to,
            limit=limit,
            cursor=cursor,
        )

    def get_late_money(self, late_money_no: str) -> LateMoney:
        """Ask how late money stands."""
        return parse(LateMoney, self._call("GET", f"/late-money/{in_path(late_money_no)}"))

    def decide_late_money(self, late_money_no: str, decision: LateMoneyDecision) -> LateMoney:
        """Say what becomes of late money that you are asked about; the same decision again changes nothing."""
        path = f"/late-money/{in_path(late_money_no)}/decision"
        return parse(LateMoney, self._call("POST", path, body={"decision": str(decision)}))


def _read_date(day: date | str) -> date:
    if isinstance(day, datetime):
        raise ValueError("day is a moment: say which business day, as in date(2026, 1, 31)")
    return date.fromisoformat(day) if isinstance(day, str) else day


def _read_statement(lines: Iterator[str]) -> Iterator[StatementRecord]:
    """Yield LINE and TOTAL records; raises BrokenStatement when the end marker is missing or counts otherwise."""
    seen, summed = 0, 0
    for row in csv.DictReader(lines):
        if row["record"] == "END":
            if int(row["count"]) == summed and seen in {0, summed}:
                return
            raise BrokenStatement(f"{row['count']} lines, says its end; there are {seen or summed}")
        record = _read_record(row)
        seen += record.record == "LINE"
        summed += record.count if (record.record, record.type) == ("TOTAL", "ALL") else 0
        yield record
    raise BrokenStatement("it has no end")


def _read_record(row: dict[str, str]) -> StatementRecord:
    texts = {
        name: _read_cell(row[name])
        for name in (
            "order_no",
            "merchant_order_no",
            "payment_no",
            "refund_no",
            "merchant_refund_no",
            "late_money_no",
            "method",
        )
    }
    return StatementRecord(
        record=row["record"],
        type=row["type"],
        currency=row["currency"],
        amount=int(row["amount"]),
        count=int(row["count"]),
        time=datetime.fromisoformat(row["time"]) if row["time"] else None,
        **texts,
    )


def _read_cell(text: str) -> str | None:
    """Take away the apostrophe that keeps spreadsheets from calculating."""
    return text[1:] if text.startswith(_FORMULA_STARTS) else text or None
