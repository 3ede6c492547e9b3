"""3-D Secure on demand: the institution asks whatever the card, and charges nothing before the code."""

from __future__ import annotations

import pytest

from engine.channels.base import Channel, Outcome
from tests.engine.channels.conftest import Requests
from tests.engine.channels.requests import reference
from tests.engine.channels.test_pages import fetch, open_page
from tests.engine.channels.test_saved_cards import CARD


@pytest.mark.parametrize("demanded", [False, True])
def test_a_token_is_charged_only_after_the_demanded_step(
    sandbox: Channel, new_request: Requests, demanded: bool
):
    options = {"card_token": "tok_success"} | ({"challenge": "required"} if demanded else {})
    answer = sandbox.pay(new_request(method="BANK_CARD", options=options))
    assert (answer.outcome is Outcome.PENDING) is demanded
    if demanded:
        assert answer.action is not None
        assert "/3ds/" in str(answer.action.url)


@pytest.mark.parametrize("demanded", [False, True])
def test_a_typed_card_goes_through_the_demanded_step(
    sandbox: Channel, new_request: Requests, demanded: bool
):
    options = {"challenge": "required"} if demanded else {}
    request = new_request(method="BANK_CARD", options=options)
    shown = fetch(open_page(sandbox, request), CARD)
    outcome = sandbox.query(reference(request)).outcome
    way = shown.headers.get("Location", "")
    assert (outcome is Outcome.PENDING, "/3ds/" in way) == (demanded, demanded)
