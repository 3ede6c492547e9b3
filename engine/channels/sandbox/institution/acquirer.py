"""One acquirer: what becomes of a charge. Every decision is made and written in one turn of the book."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from engine.channels.sandbox.institution.announcements import (
    announce_result,
    forge_success,
    schedule_late_charge,
)
from engine.channels.sandbox.institution.book import Book, Row
from engine.channels.sandbox.institution.documents import (
    Document,
    describe_charge,
    describe_refund,
    plain,
    refused,
)
from engine.channels.sandbox.institution.requests import (
    BadRequest,
    PayOrder,
    RefundOrder,
    read_number,
    read_pay,
    read_refund,
)
from engine.channels.sandbox.institution.scenarios import (
    AtPay,
    Notify,
    Reply,
    Scenario,
    find_scenario,
    scenario_of_request,
)

_PAGES: Final = {
    "QR_CODE": "phone",
    "WALLET": "wallet",
    "NET_BANKING": "bank",
    "BANK_CARD": "card",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A document to be sent back, and how well it is to be sent."""

    document: Document
    reply: Reply = Reply.PLAIN


class Acquirer:
    """The desk of one channel code, on a book it shares with the other acquirer."""

    def __init__(
        self, *, channel: str, book: Book, public_url: str, base_url: str, wake: Callable[[], None]
    ) -> None:
        self.channel = channel
        self._book = book
        self._public_url = public_url
        self._default_notify_url = f"{base_url}/channels/{channel}/notify" if base_url else ""
        self._wake = wake

    # What the platform asks.

    def pay(self, document: Document) -> Answer:
        """Charge, or open a page for the payer. The same number again: the first charge's present state."""
        order = read_pay(document, default_notify_url=self._default_notify_url)
        name = scenario_of_request(card_token=order.card_token, chosen=order.scenario)
        if name is None and not order.card_token:
            raise BadRequest("metadata.sandbox_scenario")
        with self._book.write() as turn:
            if self._find(turn, order.request_no) is not None:
                known = self._current(turn, order.request_no)
                if known["fingerprint"] != order.fingerprint:
                    return Answer(refused(self.channel, order.request_no, "REQUEST_CONFLICT"))
                return Answer(self._describe(known))
            if self._is_buried(turn, order.request_no):
                return Answer(plain(self.channel, order.request_no, "CLOSED"))
            answer = self._first_pay(turn, order, name)
        self._wake()
        return answer

    def query(self, document: Document) -> Answer:
        """Tell the present state of a request."""
        request_no = read_number(document, "request_no")
        key = (self.channel, request_no)
        charge = self._book.row("SELECT * FROM charge WHERE channel = ? AND request_no = ?", *key)
        if charge is None:
            grave = self._book.row(
                "SELECT 1 FROM tombstone WHERE channel = ? AND request_no = ?", *key
            )
            return Answer(plain(self.channel, request_no, "CLOSED" if grave else "NOT_FOUND"))
        if _has_expired(charge):
            with self._book.write() as turn:
                charge = self._current(turn, request_no)
        return Answer(self._describe(charge))

    def close(self, document: Document) -> Answer:
        """Take no more money for a request, known or not; what is paid stays paid and is said to be."""
        request_no = read_number(document, "request_no")
        with self._book.write() as turn:
            charge = self._find(turn, request_no)
            if charge is None:
                self._bury(turn, request_no)
                return Answer(plain(self.channel, request_no, "CLOSED"))
            if charge["status"] == "PENDING":
                self._finish(turn, charge, "CLOSED", failure_code="CLOSED_BY_MERCHANT")
                self._bury(turn, request_no)
                if self._scenario(charge).charge_after_close:
                    schedule_late_charge(turn, charge)
            charge = self._find(turn, request_no)
        self._wake()
        return Answer(self._describe(charge))

    def refund(self, document: Document) -> Answer:
        """Give back part or all of a charge. The same number again: the first refund's result."""
        order = read_refund(document)
        with self._book.write() as turn:
            charge = turn.execute(
                "SELECT * FROM charge WHERE channel = ? AND channel_trade_no = ?",
                (self.channel, order.channel_trade_no),
            ).fetchone()
            if charge is None or charge["status"] != "SUCCEEDED":
                return Answer(self._refused_refund(order, "CHARGE_NOT_FOUND"))
            known = self._find_refund(turn, order.refund_no)
            if known is None:
                scenario = self._scenario(charge)
                refund = self._write_refund(turn, order, charge, scenario)
                return Answer(describe_refund(refund), scenario.refund_reply)
        asked = (order.amount, order.currency, charge["request_no"])
        if asked != (known["amount"], known["currency"], known["request_no"]):
            return Answer(self._refused_refund(order, "REQUEST_CONFLICT"))
        return Answer(describe_refund(known))

    def query_refund(self, document: Document) -> Answer:
        """Tell what became of a refund."""
        refund_no = read_number(document, "refund_no")
        refund = self._book.row(
            "SELECT * FROM refund WHERE channel = ? AND refund_no = ?", self.channel, refund_no
        )
        if refund is None:
            return Answer(plain(self.channel, refund_no, "NOT_FOUND", name="refund_no"))
        return Answer(describe_refund(refund))

    # What the payer does.

    def decide(self, request_no: str, *, pay: bool) -> Row:
        """Carry out the payer's decision, once; a charge that is not waiting stays as it is."""
        with self._book.write() as turn:
            charge = self._current(turn, request_no)
            if charge["status"] == "PENDING":
                self._decide_pending(turn, charge, pay=pay)
            charge = self._find(turn, request_no)
        self._wake()
        return charge

    def take_card(self, request_no: str, *, last_digits: str, scenario: str) -> Row:
        """Take in the card that the payer typed; ask for the 3-D Secure step, or decide at once."""
        needs_code = find_scenario(scenario, channel=self.channel).three_d_secure
        with self._book.write() as turn:
            charge = self._current(turn, request_no)
            if charge["status"] == "PENDING":
                if scenario == "success":
                    scenario = charge[
                        "scenario"
                    ]  # an ordinary card: the order's own scenario stays
                turn.execute(
                    "UPDATE charge SET instrument = ?, scenario = ?, page = ?"
                    " WHERE channel = ? AND request_no = ?",
                    (
                        last_digits,
                        scenario,
                        "3ds" if needs_code else charge["page"],
                        self.channel,
                        request_no,
                    ),
                )
        return self._book_row(request_no) if needs_code else self.decide(request_no, pay=True)

    def charge_late(self, turn: sqlite3.Connection, request_no: str) -> None:
        """Charge a request whose close was accepted: the misbehaviour of ``success_after_close``."""
        charge = self._find(turn, request_no)
        if charge["status"] == "CLOSED":
            self._charge(turn, charge)

    # The inside.

    def _first_pay(self, turn: sqlite3.Connection, order: PayOrder, name: str | None) -> Answer:
        scenario = find_scenario(name or "decline", channel=self.channel)
        if scenario.at_pay is AtPay.IGNORE:
            return Answer(plain(self.channel, order.request_no, "NOT_FOUND"), scenario.reply)
        page = "" if order.method == "BANK_CARD" and order.card_token else _PAGES[order.method]
        page = "3ds" if scenario.three_d_secure and order.card_token else page
        charge = self._open(turn, order, name or "decline", page)
        if name is None:
            self._finish(turn, charge, "FAILED", failure_code="CARD_INVALID")
        elif scenario.at_pay is AtPay.DECLINE:
            self._finish(turn, charge, "FAILED", failure_code=scenario.failure_code)
        elif not _has_expired(charge):
            if scenario.at_pay is AtPay.CHARGE or (scenario.at_pay is AtPay.NATURAL and not page):
                self._charge(turn, charge)
            elif scenario.notify is Notify.FORGED_FIRST:
                forge_success(turn, charge)
        document = self._describe(self._current(turn, order.request_no))
        if scenario.reply is not Reply.PENDING:
            return Answer(document, scenario.reply)
        if document["status"] == "SUCCEEDED":
            document |= {"status": "PENDING", "amount": order.amount}
        return Answer(document)

    def _decide_pending(self, turn: sqlite3.Connection, charge: Row, *, pay: bool) -> None:
        scenario = self._scenario(charge)
        if pay and scenario.charge_after_close:
            return  # "in progress": the charge comes only after the close
        if pay and scenario.at_pay is not AtPay.DECLINE:
            self._charge(turn, charge)
            return
        failure_code = scenario.failure_code if pay else "PAYER_DECLINED"
        self._finish(turn, charge, "FAILED", failure_code=failure_code)
        announce_result(turn, self._find(turn, charge["request_no"]), Notify.ONCE)

    def _charge(self, turn: sqlite3.Connection, charge: Row) -> None:
        scenario = self._scenario(charge)
        amount = charge["amount"] + scenario.charged_difference
        if amount < 1:
            amount = charge["amount"] - scenario.charged_difference
        self._finish(turn, charge, "SUCCEEDED", charged_amount=amount)
        announce_result(turn, self._find(turn, charge["request_no"]), scenario.notify)

    def _open(self, turn: sqlite3.Connection, order: PayOrder, scenario: str, page: str) -> Row:
        values: dict[str, Any] = {
            "channel": self.channel,
            "request_no": order.request_no,
            "payment_no": order.payment_no,
            "order_no": order.order_no,
            "token": secrets.token_urlsafe(18),
            "page": page,
            "channel_trade_no": _new_trade_no("CH"),
            "method": order.method,
            "amount": order.amount,
            "currency": order.currency,
            "subject": order.subject,
            "scenario": scenario,
            "status": "PENDING",
            "instrument": order.instrument,
            "notify_url": order.notify_url,
            "return_url": order.return_url,
            "fingerprint": order.fingerprint,
            "expires_at": order.expires_at,
            "created_at": time.time(),
        }
        _insert(turn, "charge", values)
        return self._find(turn, order.request_no)

    def _write_refund(
        self, turn: sqlite3.Connection, order: RefundOrder, charge: Row, scenario: Scenario
    ) -> Row:
        failure = self._refund_failure(turn, order, charge, scenario)
        values: dict[str, Any] = {
            "channel": self.channel,
            "refund_no": order.refund_no,
            "request_no": charge["request_no"],
            "payment_no": charge["payment_no"],
            "order_no": charge["order_no"],
            "channel_refund_no": _new_trade_no("RF"),
            "amount": order.amount,
            "currency": order.currency,
            "status": "FAILED" if failure else "SUCCEEDED",
            "failure_code": failure,
            "created_at": time.time(),
        }
        _insert(turn, "refund", values)
        return self._find_refund(turn, order.refund_no)

    def _refund_failure(
        self, turn: sqlite3.Connection, order: RefundOrder, charge: Row, scenario: Scenario
    ) -> str | None:
        if scenario.refund_declined:
            return "REFUND_REFUSED"
        (refunded,) = turn.execute(
            "SELECT coalesce(sum(amount), 0) FROM refund"
            " WHERE channel = ? AND request_no = ? AND status = 'SUCCEEDED'",
            (self.channel, charge["request_no"]),
        ).fetchone()
        too_much = refunded + order.amount > charge["charged_amount"]
        if too_much or order.currency != charge["currency"]:
            return "REFUND_EXCEEDS_CHARGE"
        return None

    def _refused_refund(self, order: RefundOrder, code: str) -> Document:
        return refused(self.channel, order.refund_no, code, name="refund_no")

    def _finish(
        self,
        turn: sqlite3.Connection,
        charge: Row,
        status: str,
        *,
        charged_amount: int | None = None,
        failure_code: str | None = None,
    ) -> None:
        turn.execute(
            "UPDATE charge SET status = ?, charged_amount = ?, failure_code = ?, finished_at = ?"
            " WHERE channel = ? AND request_no = ?",
            (
                status,
                charged_amount,
                failure_code,
                time.time(),
                self.channel,
                charge["request_no"],
            ),
        )

    def _find(self, turn: sqlite3.Connection, request_no: str) -> Row:
        return _one(
            turn,
            "SELECT * FROM charge WHERE channel = ? AND request_no = ?",
            self.channel,
            request_no,
        )

    def _book_row(self, request_no: str) -> Row:
        with self._book.write() as turn:
            return self._find(turn, request_no)

    def _current(self, turn: sqlite3.Connection, request_no: str) -> Row:
        """Read a charge in this turn; one that has expired is closed first."""
        charge = self._find(turn, request_no)
        if _has_expired(charge):
            self._finish(turn, charge, "CLOSED", failure_code="EXPIRED")
            charge = self._find(turn, request_no)
        return charge

    def _find_refund(self, turn: sqlite3.Connection, refund_no: str) -> Row:
        return _one(
            turn,
            "SELECT * FROM refund WHERE channel = ? AND refund_no = ?",
            self.channel,
            refund_no,
        )

    def _is_buried(self, turn: sqlite3.Connection, request_no: str) -> bool:
        sql = "SELECT 1 FROM tombstone WHERE channel = ? AND request_no = ?"
        return _one(turn, sql, self.channel, request_no) is not None

    def _bury(self, turn: sqlite3.Connection, request_no: str) -> None:
        turn.execute(
            "INSERT OR IGNORE INTO tombstone VALUES (?, ?, ?)",
            (self.channel, request_no, time.time()),
        )

    def _scenario(self, charge: Row) -> Scenario:
        return find_scenario(charge["scenario"], channel=self.channel)

    def _describe(self, charge: Row) -> Document:
        return describe_charge(charge, public_url=self._public_url)


def _one(turn: sqlite3.Connection, sql: str, *values: str) -> Any:
    return turn.execute(sql, values).fetchone()


def _insert(turn: sqlite3.Connection, table: str, values: dict[str, Any]) -> None:
    names = ", ".join(values)
    marks = ", ".join("?" for _ in values)
    turn.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608


def _has_expired(charge: Row) -> bool:
    return bool(charge["status"] == "PENDING" and charge["expires_at"] <= time.time())


def _new_trade_no(kind: str) -> str:
    return f"{kind}{datetime.now(UTC):%Y%m%d%H%M%S}{secrets.randbelow(10**12):012d}"
