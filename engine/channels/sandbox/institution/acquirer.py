"""One acquirer: what becomes of a charge. Every decision is made and written in one turn of the book."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final

from engine.channels.sandbox.institution.announcements import (
    announce_result,
    forge_success,
    schedule_late_charge,
)
from engine.channels.sandbox.institution.book import Book, Row, insert, read_one
from engine.channels.sandbox.institution.cards import CardVault, is_saved_token
from engine.channels.sandbox.institution.documents import (
    Document,
    describe_charge,
    plain,
    refused,
)
from engine.channels.sandbox.institution.refunds import RefundDesk
from engine.channels.sandbox.institution.replies import Answer, new_trade_no
from engine.channels.sandbox.institution.requests import (
    BadRequest,
    PayOrder,
    read_number,
    read_pay,
)
from engine.channels.sandbox.institution.scenarios import (
    HAND_SCENARIOS,
    SCENARIOS,
    AtPay,
    Notify,
    Reply,
    Scenario,
    find_scenario,
)

_PAGES: Final = {
    "QR_CODE": "phone",
    "WALLET": "wallet",
    "NET_BANKING": "bank",
    "BANK_CARD": "card",
}


class Acquirer:
    """The desk of one channel code for charges, on a book it shares with the other acquirer."""

    def __init__(
        self,
        *,
        channel: str,
        book: Book,
        public_url: str,
        base_url: str,
        secret: str,
        wake: Callable[[], None],
    ) -> None:
        self.channel = channel
        self.refunds = RefundDesk(channel=channel, book=book, wake=wake)
        self._cards = CardVault(channel=channel, secret=secret)
        self._book = book
        self._public_url = public_url
        self._default_notify_url = f"{base_url}/channels/{channel}/notify" if base_url else ""
        self._wake = wake

    # What the platform asks.

    def pay(self, document: Document) -> Answer:
        """Charge, or open a page for the payer. The same number again: the first charge's present state."""
        order = read_pay(document, default_notify_url=self._default_notify_url)
        if order.scenario and order.scenario not in SCENARIOS and not order.card_token:
            raise BadRequest("metadata.sandbox_scenario")
        with self._book.write() as turn:
            if self._find(turn, order.request_no) is not None:
                known = self._current(turn, order.request_no)
                if known["fingerprint"] != order.fingerprint:
                    return Answer(refused(self.channel, order.request_no, "REQUEST_CONFLICT"))
                return Answer(self._describe(known))
            if self._is_buried(turn, order.request_no):
                return Answer(plain(self.channel, order.request_no, "CLOSED"))
            answer = self._first_pay(turn, order)
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
            self._wake()
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

    def choose_by_hand(self, request_no: str, *, scenario: str) -> None:
        """Let the payer choose on the page what shall happen; anything else stays as it was ordered."""
        if scenario in HAND_SCENARIOS:
            self._update_pending(request_no, scenario=scenario)

    def choose_bank(self, request_no: str, *, bank: str) -> None:
        """Go on at the page of the bank that the payer chose."""
        self._update_pending(request_no, instrument=bank, page="bank")

    def _update_pending(self, request_no: str, **values: str) -> None:
        assignments = ", ".join(f"{name} = ?" for name in values)
        with self._book.write() as turn:
            turn.execute(
                f"UPDATE charge SET {assignments}"  # noqa: S608 - our own column names
                " WHERE channel = ? AND request_no = ? AND status = 'PENDING'",
                (*values.values(), self.channel, request_no),
            )

    def take_card(self, request_no: str, *, last4: str, scenario: str, save: bool) -> Row:
        """Take in the card that the payer typed; ask for the 3-D Secure step, or decide at once.

        A card is saved only for an owner, and told of only when the charge succeeds.
        """
        with self._book.write() as turn:
            charge = self._current(turn, request_no)
            needs_code = bool(charge["challenge"]) or self._asks_for_code(scenario)
            if charge["status"] == "PENDING":
                saved = (
                    self._cards.save(
                        turn, owner=charge["card_owner"], last4=last4, scenario=scenario
                    )
                    if save and charge["card_owner"]
                    else ""
                )
                if scenario == "success":  # an ordinary card: the order's own scenario stays
                    scenario = charge["scenario"]
                turn.execute(
                    "UPDATE charge SET instrument = ?, scenario = ?, page = ?, saved_card = ?"
                    " WHERE channel = ? AND request_no = ?",
                    (
                        last4,
                        scenario,
                        "3ds" if needs_code else charge["page"],
                        saved,
                        self.channel,
                        request_no,
                    ),
                )
        return self._book_row(request_no) if needs_code else self.decide(request_no, pay=True)

    def _asks_for_code(self, scenario: str) -> bool:
        return find_scenario(scenario, channel=self.channel).three_d_secure

    def charge_late(self, turn: sqlite3.Connection, request_no: str) -> None:
        """Charge a request whose close was accepted: the misbehaviour of ``success_after_close``."""
        charge = self._find(turn, request_no)
        if charge["status"] == "CLOSED":
            self._charge(turn, charge)

    # The inside.

    def _first_pay(self, turn: sqlite3.Connection, order: PayOrder) -> Answer:
        name = self._choose_scenario(turn, order)
        scenario = find_scenario(name or "decline", channel=self.channel)
        if scenario.at_pay is AtPay.IGNORE:
            return Answer(plain(self.channel, order.request_no, "NOT_FOUND"), scenario.reply)
        page = _page_of(order, scenario)
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

    def _choose_scenario(self, turn: sqlite3.Connection, order: PayOrder) -> str | None:
        """Choose by the card; one that simply succeeds leaves it to the order. None for a card that nobody has."""
        chosen = order.scenario or "success"
        if not order.card_token:
            return chosen
        if is_saved_token(order.card_token):
            name = self._cards.find_scenario(turn, token=order.card_token, owner=order.card_owner)
        else:
            name = order.card_token.removeprefix("tok_")
            if not order.card_token.startswith("tok_") or name not in SCENARIOS:
                return None
        return chosen if name == "success" and chosen in SCENARIOS else name

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
            "channel_trade_no": new_trade_no("CH"),
            "method": order.method,
            "amount": order.amount,
            "currency": order.currency,
            "subject": order.subject,
            "scenario": scenario,
            "status": "PENDING",
            "instrument": order.instrument,
            "payee": order.payee,
            "challenge": order.challenge,
            "card_owner": order.card_owner,
            "notify_url": order.notify_url,
            "return_url": order.return_url,
            "fingerprint": order.fingerprint,
            "expires_at": order.expires_at,
            "created_at": time.time(),
        }
        insert(turn, "charge", values)
        return self._find(turn, order.request_no)

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
        return read_one(
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
            if self._scenario(charge).charge_after_close:  # closed by its own clock, too
                schedule_late_charge(turn, charge)
            charge = self._find(turn, request_no)
        return charge

    def _is_buried(self, turn: sqlite3.Connection, request_no: str) -> bool:
        sql = "SELECT 1 FROM tombstone WHERE channel = ? AND request_no = ?"
        return read_one(turn, sql, self.channel, request_no) is not None

    def _bury(self, turn: sqlite3.Connection, request_no: str) -> None:
        turn.execute(
            "INSERT OR IGNORE INTO tombstone VALUES (?, ?, ?)",
            (self.channel, request_no, time.time()),
        )

    def _scenario(self, charge: Row) -> Scenario:
        return find_scenario(charge["scenario"], channel=self.channel)

    def _describe(self, charge: Row) -> Document:
        return describe_charge(charge, public_url=self._public_url)


def _page_of(order: PayOrder, scenario: Scenario) -> str:
    """Return the page where the payer is expected; empty for a card that is charged from server to server."""
    if order.method == "BANK_CARD" and order.card_token:
        return "3ds" if scenario.three_d_secure or order.challenge else ""
    if order.method == "NET_BANKING" and not order.instrument:
        return "banks"
    return _PAGES[order.method]


def _has_expired(charge: Row) -> bool:
    return bool(charge["status"] == "PENDING" and charge["expires_at"] <= time.time())
