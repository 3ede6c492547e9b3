"""Payers' pages leave out what only operators need, and nothing else: both handlers answer the same."""

from __future__ import annotations

import re
from functools import partial

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

from paymentplatform import payer_handler
from paymentplatform.payer_handler import PayerHandler
from tests.checkout.test_acceptance import cashier_token
from tests.paymentplatform.calling import Answer, call
from tests.trading import make_trade

_DRAWN = re.compile(
    r"(?<=nonce-)[^']+|(?<=nonce=\")[^\"]+|\w{64}|req_\w+|(?<=csrftoken=)\w+|expires=[^;]+"
)
"""What is drawn anew, or goes on, from answer to answer."""
ADDRESSES = (
    "/wallet/login",
    "/wallet/login?lang=en",
    "/wallet/",
    "/cashier/nobodys",
    "/cashier/nobodys/status",
    "/cashier/nobodys/pay",
    "/agreements/nobodys",
    "/cashier/",
    "/wallet/no/such/page",
    "/wallet/login?x=%00",
)


def shown(answer: Answer) -> tuple[int, dict[str, str], str]:
    headers = {name: _DRAWN.sub("*", value) for name, value in answer.headers.items()}
    return answer.status, headers, _DRAWN.sub("*", answer.body.decode())


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_both_handlers_answer_the_same(method: str, address: str) -> None:
    assert address.startswith(payer_handler.PREFIXES)
    ask = partial(call, method=method, target=address, HTTP_ACCEPT_LANGUAGE="zh-hans")
    payers, full = ask(PayerHandler()), ask(WSGIHandler())
    assert shown(payers) == shown(full)


def test_a_form_without_its_token_is_refused() -> None:
    body = b"payer_no=pyr_1&payment_password=x"
    answer = call(
        PayerHandler(),
        "POST",
        "/wallet/login/enter",
        body,
        CONTENT_TYPE="application/x-www-form-urlencoded",
    )
    assert answer.status == 403
    assert not any("wallet=" in value for value in answer.headers.values())


def test_every_page_has_a_nonce_of_its_own() -> None:
    address = f"/cashier/{cashier_token(make_trade())}"
    nonces = set()
    for handler in (PayerHandler(), WSGIHandler(), PayerHandler()):
        answer = call(handler, "GET", address)
        (nonce,) = set(re.findall(r' nonce="([^"]+)"', answer.body.decode()))
        assert f"script-src 'nonce-{nonce}'" in answer.headers["Content-Security-Policy"].split(
            "; "
        )
        nonces.add(nonce)
    assert len(nonces) == 3


def test_only_what_payers_never_use_is_left_out() -> None:
    left_out = [name for name in settings.MIDDLEWARE if name not in settings.PAYER_MIDDLEWARE]
    assert [name.rsplit(".", 1)[1] for name in left_out] == [
        "WhiteNoiseMiddleware",
        "SessionMiddleware",
        "AuthenticationMiddleware",
        "OperatorActor",
        "MessageMiddleware",
        "AxesMiddleware",
    ]
