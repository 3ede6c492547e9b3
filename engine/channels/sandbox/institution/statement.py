"""The daily statement file (对账单) of one acquirer: CSV with totals and an end marker.

Three scenarios make it lie about their charge; the totals agree with what the file shows, as a bank's would.
"""

from __future__ import annotations

import csv
import io
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.book import Book
from engine.channels.sandbox.institution.documents import write_time

ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
FEE_PPM: Final = {"sandbox": 1_000, "sandbox2": 1_500}
"""What each acquirer keeps of a charge, in millionths."""

COLUMNS: Final = (
    "type",
    "channel_trade_no",
    "request_no",
    "payment_no",
    "order_no",
    "amount",
    "currency",
    "fee",
    "occurred_at",
)
Line = tuple[Any, ...]


class NotReady(Exception):
    """There is no file of this day (yet)."""


def write_statement(book: Book, *, channel: str, day: str) -> bytes:
    """Write the file of one day (in the institution's zone); today's says what there is so far."""
    try:
        statement_date = date.fromisoformat(day)
    except ValueError as error:
        raise NotReady("date") from error
    if statement_date > datetime.now(ZONE).date():
        raise NotReady("this day is not over")
    begin = datetime(statement_date.year, statement_date.month, statement_date.day, tzinfo=ZONE)
    span = (channel, begin.timestamp(), (begin + timedelta(days=1)).timestamp())
    lines = [line for row in _charges(book, span) for line in _charge_lines(row, channel)]
    lines += [_refund_line(row) for row in _refunds(book, span)]
    lines += [_chargeback_line(row) for row in _chargebacks(book, span)]
    lines.sort(key=lambda line: line[8])
    return _render(channel, day, lines)


def _charges(book: Book, span: tuple[str, float, float]) -> list[Any]:
    return book.rows(
        "SELECT * FROM charge WHERE channel = ? AND finished_at >= ? AND finished_at < ?"
        " AND status = 'SUCCEEDED'",
        *span,
    )


def _refunds(book: Book, span: tuple[str, float, float]) -> list[Any]:
    return book.rows(
        "SELECT * FROM refund WHERE channel = ? AND created_at >= ? AND created_at < ?"
        " AND status = 'SUCCEEDED'",
        *span,
    )


def _chargebacks(book: Book, span: tuple[str, float, float]) -> list[Any]:
    return book.rows(
        "SELECT * FROM chargeback WHERE channel = ? AND created_at >= ? AND created_at < ?", *span
    )


def _charge_lines(charge: Any, channel: str) -> list[Line]:
    amount = charge["charged_amount"]
    if charge["scenario"] == "statement_missing":
        return []
    if charge["scenario"] == "statement_amount_differs":
        amount += 1
    line = (
        "CHARGE",
        charge["channel_trade_no"],
        charge["request_no"],
        charge["payment_no"],
        charge["order_no"],
        amount,
        charge["currency"],
        (amount * FEE_PPM[channel] + 500_000) // 1_000_000,
        write_time(charge["finished_at"]),
    )
    if charge["scenario"] != "statement_extra":
        return [line]
    return [line, ("CHARGE", f"{line[1]}X", "", "", "", *line[5:])]


def _refund_line(refund: Any) -> Line:
    return (
        "REFUND",
        refund["channel_refund_no"],
        refund["refund_no"],
        refund["payment_no"],
        refund["order_no"],
        refund["amount"],
        refund["currency"],
        0,
        write_time(refund["created_at"]),
    )


def _chargeback_line(chargeback: Any) -> Line:
    return (
        "CHARGEBACK",
        chargeback["chargeback_no"],
        chargeback["request_no"],
        chargeback["payment_no"],
        chargeback["order_no"],
        chargeback["amount"],
        chargeback["currency"],
        0,
        write_time(chargeback["created_at"]),
    )


def _render(channel: str, day: str, lines: list[Line]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    written_at = (
        lines[-1][8] if lines else f"{day}T00:00:00+08:00"
    )  # the same day again is the same file
    writer.writerow(("#STATEMENT", 1, channel, codec.ACCOUNTS[channel], day, written_at))
    writer.writerow(COLUMNS)
    writer.writerows(lines)
    for currency in sorted({line[6] for line in lines}):
        writer.writerow(("#TOTAL", currency, *_totals(lines, currency)))
    writer.writerow(("#END", len(lines)))
    return text.getvalue().encode()


def _totals(lines: list[Line], currency: str) -> list[Any]:
    of_kind = {
        kind: [line[5] for line in lines if (line[0], line[6]) == (kind, currency)]
        for kind in ("CHARGE", "REFUND", "CHARGEBACK")
    }
    pulled_back = of_kind.pop("CHARGEBACK")
    totals: list[Any] = [
        figure for amounts in of_kind.values() for figure in (len(amounts), sum(amounts))
    ]
    totals.append(sum(line[7] for line in lines if line[6] == currency))
    if pulled_back:
        totals += ["CHARGEBACKS", len(pulled_back), sum(pulled_back)]
    return totals
