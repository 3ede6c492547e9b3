"""Refunds of one acquirer: decided, written and announced in one turn of the book."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from engine.channels.sandbox.institution.announcements import announce_refund
from engine.channels.sandbox.institution.book import Book, Row, insert, read_one
from engine.channels.sandbox.institution.documents import (
    Document,
    describe_refund,
    plain,
    refused,
)
from engine.channels.sandbox.institution.replies import Answer, new_trade_no
from engine.channels.sandbox.institution.requests import RefundOrder, read_number, read_refund
from engine.channels.sandbox.institution.scenarios import Scenario, find_scenario


class RefundDesk:
    """The desk of one channel code for refunds."""

    def __init__(self, *, channel: str, book: Book, wake: Callable[[], None]) -> None:
        self._channel = channel
        self._book = book
        self._wake = wake

    def refund(self, document: Document) -> Answer:
        """Give back part or all of a charge. The same number again: the first refund's result."""
        order = read_refund(document)
        with self._book.write() as turn:
            charge = read_one(
                turn,
                "SELECT * FROM charge WHERE channel = ? AND channel_trade_no = ?",
                self._channel,
                order.channel_trade_no,
            )
            if charge is None or charge["status"] != "SUCCEEDED":
                return Answer(self._refuse(order, "CHARGE_NOT_FOUND"))
            known = self._find(turn, order.refund_no)
            scenario = find_scenario(charge["scenario"], channel=self._channel)
            if known is None:
                refund = self._write(turn, order, charge, scenario)
                announce_refund(turn, refund, charge, scenario)
        if known is None:
            self._wake()
            return Answer(describe_refund(refund), scenario.refund_reply)
        asked = (order.amount, order.currency, charge["request_no"])
        if asked != (known["amount"], known["currency"], known["request_no"]):
            return Answer(self._refuse(order, "REQUEST_CONFLICT"))
        return Answer(describe_refund(known))

    def query_refund(self, document: Document) -> Answer:
        """Tell what became of a refund."""
        refund_no = read_number(document, "refund_no")
        refund = self._book.row(
            "SELECT * FROM refund WHERE channel = ? AND refund_no = ?", self._channel, refund_no
        )
        if refund is None:
            return Answer(plain(self._channel, refund_no, "NOT_FOUND", name="refund_no"))
        return Answer(describe_refund(refund))

    def _write(
        self, turn: sqlite3.Connection, order: RefundOrder, charge: Row, scenario: Scenario
    ) -> Row:
        failure = self._find_failure(turn, order, charge, scenario)
        values: dict[str, Any] = {
            "channel": self._channel,
            "refund_no": order.refund_no,
            "request_no": charge["request_no"],
            "payment_no": charge["payment_no"],
            "order_no": charge["order_no"],
            "channel_refund_no": new_trade_no("RF"),
            "amount": order.amount,
            "currency": order.currency,
            "status": "FAILED" if failure else "SUCCEEDED",
            "failure_code": failure,
            "created_at": time.time(),
        }
        insert(turn, "refund", values)
        return self._find(turn, order.refund_no)

    def _find_failure(
        self, turn: sqlite3.Connection, order: RefundOrder, charge: Row, scenario: Scenario
    ) -> str | None:
        if scenario.refund_declined:
            return "REFUND_REFUSED"
        (refunded,) = turn.execute(
            "SELECT coalesce(sum(amount), 0) FROM refund"
            " WHERE channel = ? AND request_no = ? AND status = 'SUCCEEDED'",
            (self._channel, charge["request_no"]),
        ).fetchone()
        too_much = refunded + order.amount > charge["charged_amount"]
        if too_much or order.currency != charge["currency"]:
            return "REFUND_EXCEEDS_CHARGE"
        return None

    def _refuse(self, order: RefundOrder, code: str) -> Document:
        return refused(self._channel, order.refund_no, code, name="refund_no")

    def _find(self, turn: sqlite3.Connection, refund_no: str) -> Any:
        return read_one(
            turn,
            "SELECT * FROM refund WHERE channel = ? AND refund_no = ?",
            self._channel,
            refund_no,
        )
