"""Chargebacks 拒付: the payer's bank takes a charge back, on a word at the control. The statement alone tells of it."""

from __future__ import annotations

import time
from typing import Any

from engine.channels.sandbox.institution.book import Book, Row, insert, read_one
from engine.channels.sandbox.institution.replies import new_trade_no


class NotPulledBack(Exception):
    """Nothing was taken back; ``status`` is what HTTP has for why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def pull_back(book: Book, *, payment_no: str, amount: int | None = None) -> Row:
    """Take a part of a charge back, or all that is not taken back yet, in one turn of the book.

    Refunds do not count: a bank that takes back knows nothing of them. Raises NotPulledBack.
    """
    with book.write() as turn:
        charge = read_one(
            turn,
            "SELECT * FROM charge WHERE payment_no = ? ORDER BY status = 'SUCCEEDED' DESC, created_at DESC",
            payment_no,
        )
        if charge is None:
            raise NotPulledBack(404, "no such payment here")
        if charge["status"] != "SUCCEEDED":
            raise NotPulledBack(409, "nothing was charged")
        (gone,) = turn.execute(
            "SELECT coalesce(sum(amount), 0) FROM chargeback WHERE channel = ? AND request_no = ?",
            (charge["channel"], charge["request_no"]),
        ).fetchone()
        left = charge["charged_amount"] - gone
        if not 1 <= (left if amount is None else amount) <= left:
            raise NotPulledBack(409, f"{left} can be taken back")
        values: dict[str, Any] = {
            "chargeback_no": new_trade_no("CB"),
            **{
                name: charge[name]
                for name in ("channel", "request_no", "payment_no", "order_no", "currency")
            },
            "amount": left if amount is None else amount,
            "created_at": time.time(),
        }
        insert(turn, "chargeback", values)
        return read_one(
            turn, "SELECT * FROM chargeback WHERE chargeback_no = ?", values["chargeback_no"]
        )
