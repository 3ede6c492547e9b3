"""One acquirer: what becomes of a charge. Every decision is made and written in one turn of the book."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.book import Book, Row
from engine.channels.sandbox.institution.requests import (
    BadRequest,
    PayOrder,
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

LATE_NOTIFICATION_S: Final = 20.0
CHARGE_AFTER_CLOSE_S: Final = 5.0

_PAGES: Final = {
    "QR_CODE": "phone",
    "WALLET": "wallet",
    "NET_BANKING": "bank",
    "BANK_CARD": "card",
}

Documents = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A document to be sent back, and how well it is to be sent."""

    document: Documents
    reply: Reply = Reply.PLAIN


class Acquirer:
    """The desk of one channel code, on a book it shares with the other acquirer."""

    def __init__(
        self, *, channel: str, book: Book, public_url: str, base_url: str, wake: Callable[[], None]
    ) -> None:
        self.channel = channel
        self.account = codec.ACCOUNTS[channel]
        self._book = book
        self._public_url = public_url
        self._default_notify_url = f"{base_url}/channels/{channel}/notify" if base_url else ""
        self._wake = wake

    # --- what the platform asks -------------------------------------------------------------------------

    def pay(self, document: Documents) -> Answer:
        """Charge, or open a page for the payer. The same number again: the first charge's present state."""
        order = read_pay(document, default_notify_url=self._default_notify_url)
        name = scenario_of_request(card_token=order.card_token, chosen=order.scenario)
        if name is None and not order.card_token:
            raise BadRequest("metadata.sandbox_scenario")
        with self._book.write() as turn:
            known = self._find(turn, order.request_no)
            if known is not None:
                return self._answer_repeat(known, order)
            if self._is_buried(turn, order.request_no):
                return Answer(self._plain(order.request_no, "CLOSED"))
            answer = self._first_pay(turn, order, name)
        self._wake()
        return answer

    def query(self, document: Documents) -> Answer:
        """Tell the present state of a request."""
        request_no = read_number(document, "request_no")
        charge = self._book.row(
            "SELECT * FROM charge WHERE channel = ? AND request_no = ?", self.channel, request_no
        )
        if charge is None:
            buried = self._book.row(
                "SELECT 1 FROM tombstone WHERE channel = ? AND request_no = ?",
                self.channel,
                request_no,
            )
            return Answer(self._plain(request_no, "CLOSED" if buried else "NOT_FOUND"))
        if _has_expired(charge):
            with self._book.write() as turn:
                charge = self._current(turn, request_no)
        return Answer(self._describe(charge))

    def close(self, document: Documents) -> Answer:
        """Take no more money for a request, known or not; what is paid stays paid and is said to be."""
        request_no = read_number(document, "request_no")
        with self._book.write() as turn:
            charge = self._find(turn, request_no)
            if charge is None:
                self._bury(turn, request_no)
                return Answer(self._plain(request_no, "CLOSED"))
            if charge["status"] == "PENDING":
                self._finish(turn, charge, "CLOSED", failure_code="CLOSED_BY_MERCHANT")
                self._bury(turn, request_no)
                if self._scenario(charge).charge_after_close:
                    self._put(turn, "CHARGE", charge, {}, delay_s=CHARGE_AFTER_CLOSE_S)
            charge = self._current(turn, request_no)
        self._wake()
        return Answer(self._describe(charge))

    def refund(self, document: Documents) -> Answer:
        """Give back part or all of a charge. The same number again: the first refund's result."""
        order = read_refund(document)
        with self._book.write() as turn:
            charge = turn.execute(
                "SELECT * FROM charge WHERE channel = ? AND channel_trade_no = ?",
                (self.channel, order.channel_trade_no),
            ).fetchone()
            known = self._find_refund(turn, order.refund_no)
            if known is not None:
                same = (known["amount"], known["currency"]) == (order.amount, order.currency)
                if not same or charge is None or charge["request_no"] != known["request_no"]:
                    return Answer(self._refused(order.refund_no, "REQUEST_CONFLICT"))
                return Answer(self._describe_refund(known))
            if charge is None or charge["status"] != "SUCCEEDED":
                return Answer(self._refused(order.refund_no, "CHARGE_NOT_FOUND"))
            scenario = self._scenario(charge)
            failure = self._refund_failure(turn, charge, order.amount, order.currency, scenario)
            turn.execute(
                "INSERT INTO refund VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    self.channel,
                    order.refund_no,
                    charge["request_no"],
                    charge["payment_no"],
                    charge["order_no"],
                    _new_trade_no("RF"),
                    order.amount,
                    order.currency,
                    "FAILED" if failure else "SUCCEEDED",
                    failure,
                    time.time(),
                ),
            )
            refund = self._find_refund(turn, order.refund_no)
        return Answer(self._describe_refund(refund), scenario.refund_reply)

    def query_refund(self, document: Documents) -> Answer:
        """Tell what became of a refund."""
        refund_no = read_number(document, "refund_no")
        refund = self._book.row(
            "SELECT * FROM refund WHERE channel = ? AND refund_no = ?", self.channel, refund_no
        )
        if refund is None:
            return Answer(self._plain(refund_no, "NOT_FOUND", name="refund_no"))
        return Answer(self._describe_refund(refund))

    # --- what the payer does ----------------------------------------------------------------------------

    def decide(
        self, request_no: str, *, pay: bool, scenario: str | None = None, instrument: str = ""
    ) -> Row:
        """Carry out the payer's decision, once; a charge that is not waiting stays as it is.

        ``scenario`` and ``instrument`` are what the page learnt from the card that was typed in.
        """
        with self._book.write() as turn:
            charge = self._current(turn, request_no)
            if charge["status"] == "PENDING":
                if scenario or instrument:
                    turn.execute(
                        "UPDATE charge SET scenario = ?, instrument = ? "
                        "WHERE channel = ? AND request_no = ?",
                        (
                            scenario or charge["scenario"],
                            instrument or charge["instrument"],
                            self.channel,
                            request_no,
                        ),
                    )
                    charge = self._current(turn, request_no)
                self._decide_pending(turn, charge, pay=pay)
            charge = self._current(turn, request_no)
        self._wake()
        return charge

    def charge_late(self, turn: sqlite3.Connection, request_no: str) -> None:
        """Charge a request whose close was accepted: the misbehaviour of ``success_after_close``."""
        charge = self._find(turn, request_no)
        if charge["status"] == "CLOSED":
            self._charge(turn, charge)

    # --- the inside -------------------------------------------------------------------------------------

    def _first_pay(self, turn: sqlite3.Connection, order: PayOrder, name: str | None) -> Answer:
        charge = self._open(turn, order, name or "decline")
        if name is None:
            self._finish(turn, charge, "FAILED", failure_code="CARD_INVALID")
            return Answer(self._describe(self._current(turn, order.request_no)))
        scenario = self._scenario(charge)
        if scenario.at_pay is AtPay.IGNORE:
            self._forget(turn, charge)
            return Answer(self._plain(order.request_no, "NOT_FOUND"), scenario.reply)
        needs_payer = order.method != "BANK_CARD" or not order.card_token or scenario.three_d_secure
        if _has_expired(charge):
            pass
        elif scenario.at_pay is AtPay.DECLINE:
            self._finish(turn, charge, "FAILED", failure_code=scenario.failure_code)
        elif scenario.at_pay is AtPay.CHARGE or (
            scenario.at_pay is AtPay.NATURAL and not needs_payer
        ):
            self._charge(turn, charge)
        elif scenario.notify is Notify.FORGED_FIRST:
            forged = {"status": "SUCCEEDED", "amount": charge["amount"]}
            self._put(turn, "FORGE", charge, self._notification(charge) | forged)
        document = self._describe(self._current(turn, order.request_no), needs_payer=needs_payer)
        if scenario.reply is Reply.PENDING and document["status"] == "SUCCEEDED":
            document |= {"status": "PENDING", "amount": order.amount}
        return Answer(document, Reply.PLAIN if scenario.reply is Reply.PENDING else scenario.reply)

    def _answer_repeat(self, known: Row, order: PayOrder) -> Answer:
        if known["fingerprint"] != order.fingerprint:
            return Answer(self._refused(order.request_no, "REQUEST_CONFLICT", name="request_no"))
        return Answer(self._describe(known))

    def _decide_pending(self, turn: sqlite3.Connection, charge: Row, *, pay: bool) -> None:
        scenario = self._scenario(charge)
        if not pay:
            self._fail_and_notify(turn, charge, "PAYER_DECLINED")
        elif scenario.at_pay is AtPay.DECLINE:
            self._fail_and_notify(turn, charge, scenario.failure_code)
        elif scenario.charge_after_close:
            turn.execute(
                "UPDATE charge SET approved = 1 WHERE channel = ? AND request_no = ?",
                (self.channel, charge["request_no"]),
            )
        else:
            self._charge(turn, charge)

    def _charge(self, turn: sqlite3.Connection, charge: Row) -> None:
        scenario = self._scenario(charge)
        amount = charge["amount"] + scenario.charged_difference
        if amount < 1:
            amount = charge["amount"] - scenario.charged_difference
        self._finish(turn, charge, "SUCCEEDED", charged_amount=amount)
        self._notify_charge(turn, self._find(turn, charge["request_no"]), scenario.notify)

    def _notify_charge(self, turn: sqlite3.Connection, charge: Row, plan: Notify) -> None:
        news = self._notification(charge)
        if plan is Notify.ONCE:
            self._put(turn, "NOTIFY", charge, news)
        elif plan is Notify.FIVE_TIMES:
            for number in range(5):
                self._put(turn, "NOTIFY", charge, news, delay_s=0.1 * number)
        elif plan is Notify.OLDER_AFTER_NEWER:
            older = news | {"status": "PENDING", "occurred_at": _write_time(charge["created_at"])}
            self._put(turn, "NOTIFY", charge, news)
            self._put(turn, "NOTIFY", charge, older, delay_s=0.3)
            self._put(turn, "NOTIFY", charge, older, delay_s=0.6)
        else:
            if plan is Notify.FORGED_FIRST:
                self._put(turn, "FORGE", charge, news | {"status": "FAILED"})
            self._put(turn, "NOTIFY", charge, news, delay_s=LATE_NOTIFICATION_S)

    def _fail_and_notify(self, turn: sqlite3.Connection, charge: Row, code: str) -> None:
        self._finish(turn, charge, "FAILED", failure_code=code)
        failed = self._find(turn, charge["request_no"])
        self._put(turn, "NOTIFY", failed, self._notification(failed))

    def _open(self, turn: sqlite3.Connection, order: PayOrder, scenario: str) -> Row:
        turn.execute(
            "INSERT INTO charge (channel, request_no, payment_no, order_no, token, channel_trade_no,"
            " method, amount, currency, subject, scenario, status, instrument, notify_url, return_url,"
            " fingerprint, expires_at, created_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'PENDING', ?, ?, ?, ?, ?, ?)",
            (
                self.channel,
                order.request_no,
                order.payment_no,
                order.order_no,
                secrets.token_urlsafe(18),
                _new_trade_no("CH"),
                order.method,
                order.amount,
                order.currency,
                order.subject,
                scenario,
                order.instrument,
                order.notify_url,
                order.return_url,
                order.fingerprint,
                order.expires_at,
                time.time(),
            ),
        )
        return self._find(turn, order.request_no)

    def _forget(self, turn: sqlite3.Connection, charge: Row) -> None:
        turn.execute(
            "DELETE FROM charge WHERE channel = ? AND request_no = ?",
            (self.channel, charge["request_no"]),
        )

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
        return turn.execute(
            "SELECT * FROM charge WHERE channel = ? AND request_no = ?", (self.channel, request_no)
        ).fetchone()

    def _current(self, turn: sqlite3.Connection, request_no: str) -> Row:
        """Read a charge under the turn; one that has expired is closed first."""
        charge = self._find(turn, request_no)
        if _has_expired(charge):
            self._finish(turn, charge, "CLOSED", failure_code="EXPIRED")
            charge = self._find(turn, request_no)
        return charge

    def _find_refund(self, turn: sqlite3.Connection, refund_no: str) -> Row:
        return turn.execute(
            "SELECT * FROM refund WHERE channel = ? AND refund_no = ?", (self.channel, refund_no)
        ).fetchone()

    def _refund_failure(
        self,
        turn: sqlite3.Connection,
        charge: Row,
        amount: int,
        currency: str,
        scenario: Scenario,
    ) -> str | None:
        if scenario.refund_declined:
            return "REFUND_REFUSED"
        (refunded,) = turn.execute(
            "SELECT coalesce(sum(amount), 0) FROM refund"
            " WHERE channel = ? AND request_no = ? AND status = 'SUCCEEDED'",
            (self.channel, charge["request_no"]),
        ).fetchone()
        if currency != charge["currency"] or refunded + amount > charge["charged_amount"]:
            return "REFUND_EXCEEDS_CHARGE"
        return None

    def _is_buried(self, turn: sqlite3.Connection, request_no: str) -> bool:
        return (
            turn.execute(
                "SELECT 1 FROM tombstone WHERE channel = ? AND request_no = ?",
                (self.channel, request_no),
            ).fetchone()
            is not None
        )

    def _bury(self, turn: sqlite3.Connection, request_no: str) -> None:
        turn.execute(
            "INSERT OR IGNORE INTO tombstone VALUES (?, ?, ?)",
            (self.channel, request_no, time.time()),
        )

    def _put(
        self,
        turn: sqlite3.Connection,
        kind: str,
        charge: Row,
        document: Documents,
        *,
        delay_s: float = 0.0,
    ) -> None:
        if kind != "CHARGE" and not charge["notify_url"]:
            return
        due_at = time.time() + delay_s
        turn.execute(
            "INSERT INTO outbox (kind, channel, request_no, url, body, due_at, first_due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                kind,
                self.channel,
                charge["request_no"],
                charge["notify_url"],
                codec.encode(document),
                due_at,
                due_at,
            ),
        )

    def _scenario(self, charge: Row) -> Scenario:
        return find_scenario(charge["scenario"], channel=self.channel)

    # --- documents --------------------------------------------------------------------------------------

    def _plain(self, number: str, status: str, *, name: str = "request_no") -> Documents:
        return {"merchant_account": self.account, name: number, "status": status}

    def _refused(self, number: str, code: str, *, name: str = "refund_no") -> Documents:
        return self._plain(number, "REFUSED", name=name) | {"failure_code": code}

    def _describe(self, charge: Row, *, needs_payer: bool = True) -> Documents:
        paid = charge["charged_amount"]
        document = self._plain(charge["request_no"], charge["status"]) | {
            "channel_trade_no": charge["channel_trade_no"],
            "amount": charge["amount"] if paid is None else paid,
            "currency": charge["currency"],
            "failure_code": charge["failure_code"],
        }
        if charge["status"] == "PENDING" and needs_payer:
            document["action"] = self._action(charge)
        return document

    def _action(self, charge: Row) -> Documents:
        page = _PAGES[charge["method"]]
        if self._scenario(charge).three_d_secure and charge["instrument"] == "":
            page = "3ds" if charge["scenario"] == "3ds" else page
        url = f"{self._public_url}/{page}/{charge['token']}"
        if charge["method"] == "QR_CODE":
            expires_at = _write_time(charge["expires_at"])
            return {"type": "qr_code", "qr_content": url, "expires_at": expires_at}
        return {"type": "redirect", "url": url}

    def _describe_refund(self, refund: Row) -> Documents:
        return {
            "merchant_account": self.account,
            "refund_no": refund["refund_no"],
            "status": refund["status"],
            "channel_trade_no": refund["channel_refund_no"],
            "amount": refund["amount"],
            "currency": refund["currency"],
            "failure_code": refund["failure_code"],
        }

    def _notification(self, charge: Row) -> Documents:
        return self._describe(charge, needs_payer=False) | {
            "payment_no": charge["payment_no"],
            "order_no": charge["order_no"],
            "occurred_at": _write_time(charge["finished_at"] or charge["created_at"]),
        }


def _has_expired(charge: Row) -> bool:
    return charge["status"] == "PENDING" and charge["expires_at"] <= time.time()


def _new_trade_no(kind: str) -> str:
    return f"{kind}{datetime.now(UTC):%Y%m%d%H%M%S}{secrets.randbelow(10**12):012d}"


def _write_time(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
