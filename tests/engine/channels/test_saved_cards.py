"""Cards saved at the institution: only when the payer ticked it, only for their owner, sealed on every way."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from engine.channels.base import Channel, Outcome, PayRequest, SavedCardData
from engine.channels.sandbox.institution.book import SCHEMA, Book
from tests.engine.channels.conftest import Requests
from tests.engine.channels.receiver import Receiver
from tests.engine.channels.requests import reference
from tests.engine.channels.test_pages import fetch, open_page
from tests.waiting import wait_until

CARD = {"decision": "pay", "number": "4242424242424242", "expiry": "12/30", "code": "123"}


def _pay_on_page(channel: Channel, request: PayRequest, **form: str) -> SavedCardData | None:
    fetch(open_page(channel, request), {**CARD, **form})
    answer = channel.query(reference(request))
    assert answer.outcome is Outcome.SUCCEEDED
    return answer.saved_card


def test_it_is_offered_only_for_an_owner(sandbox: Channel, new_request: Requests):
    for owner, offered in ((None, False), ("owner-1", True)):
        url = open_page(sandbox, new_request(method="BANK_CARD", card_owner=owner))
        assert ('name="save"' in fetch(url).text) is offered


@pytest.mark.parametrize(
    ("owner", "form"), [(None, {"save": "yes"}), ("owner-2", {}), ("owner-2", {"save": "no"})]
)
def test_nothing_is_saved_unasked(
    sandbox: Channel, new_request: Requests, owner: str | None, form: dict[str, str]
):
    request = new_request(method="BANK_CARD", card_owner=owner)
    assert _pay_on_page(sandbox, request, **form) is None


def test_a_ticked_card_is_told_of_and_can_be_paid_with(
    sandbox: Channel, channels: dict[str, Channel], new_request: Requests, receiver: Receiver
):
    first = new_request(method="BANK_CARD", card_owner="owner-3")
    card = _pay_on_page(sandbox, first, save="yes")
    assert card is not None
    assert (card.brand, card.last4) == ("VISA", "4242")
    assert card.token not in repr(card)
    news = wait_until(lambda: receiver.about(first.request_no))[0]
    assert card.token.encode() not in news.body
    assert news.read_by(sandbox).answer.saved_card == card
    assert card.token not in sandbox.query(reference(first)).raw

    again = new_request(method="BANK_CARD", card_owner="owner-3")
    assert _pay_on_page(sandbox, again, save="yes") == card

    paid = sandbox.pay(new_request(token=card.token, card_owner="owner-3"))
    assert paid.outcome is Outcome.SUCCEEDED
    for channel, owner in (
        (sandbox, "somebody"),
        (sandbox, None),
        (channels["sandbox2"], "owner-3"),
    ):
        refused = channel.pay(new_request(token=card.token, card_owner=owner))
        assert (refused.outcome, refused.failure_code) == (Outcome.FAILED, "card_invalid")


def test_a_saved_card_keeps_its_own_behaviour(sandbox: Channel, new_request: Requests):
    request = new_request(method="BANK_CARD", card_owner="owner-4")
    url = open_page(sandbox, request)
    step = fetch(url, {**CARD, "number": "4000000000003220", "save": "yes"})
    fetch(
        url.rsplit("/card/")[0] + step.headers["Location"],
        {"decision": "pay", "one_time_code": "1"},
    )
    card = sandbox.query(reference(request)).saved_card
    assert card is not None
    answer = sandbox.pay(new_request(token=card.token, card_owner="owner-4"))
    assert answer.outcome is Outcome.PENDING
    assert "/3ds/" in (answer.action.url or "")


def test_a_declined_charge_saves_nothing_here(sandbox: Channel, new_request: Requests):
    request = new_request(method="BANK_CARD", card_owner="owner-5")
    fetch(open_page(sandbox, request), {**CARD, "number": "4000000000000002", "save": "yes"})
    answer = sandbox.query(reference(request))
    assert (answer.outcome, answer.saved_card) == (Outcome.FAILED, None)


def test_a_book_of_an_earlier_version_is_carried_on(tmp_path: Path):
    path = tmp_path / "old.sqlite3"
    old = "\n".join(
        line
        for line in SCHEMA.splitlines()
        if not line.strip().startswith(("payee ", "card_owner ", "saved_card "))
    )
    with sqlite3.connect(path) as before:
        before.executescript(old)
        names = {row[1] for row in before.execute("PRAGMA table_info(charge)")}
    before.close()
    assert "payee" not in names
    book = Book(path)
    assert book.rows("SELECT payee, card_owner, saved_card FROM charge") == []
    book.close()
