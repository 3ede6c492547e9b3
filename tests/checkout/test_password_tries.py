"""Payment passwords are counted for all processes together: by page and address in Redis, by payer in PostgreSQL."""

from __future__ import annotations

import secrets
import socket
from typing import Any

import pytest

from checkout.contracts import PaymentPasswordLocked, WrongPaymentPassword
from checkout.models import PayerWallet
from checkout.services import password_tries, velocity
from checkout.services.password_tries import TriedFrom
from checkout.services.wallets import verify_payment_password
from paymentplatform.kernel.errors import RateLimited
from tests.makers import PASSWORD, make_payer


def wrong_tries(payer_no: str) -> int:
    return PayerWallet.objects.get(payer_no=payer_no).wrong_tries


def try_wrongly(tried: TriedFrom) -> str:
    """Guess at a payer of his own, so that no payer's own lock comes first."""
    payer_no = make_payer(balance=0)
    with pytest.raises(WrongPaymentPassword):
        verify_payment_password(payer_no=payer_no, password="a guess", tried=tried)
    return payer_no


def test_a_page_takes_ten_in_a_minute_whatever_they_are() -> None:
    page = TriedFrom(page=secrets.token_urlsafe(18))
    payer_no = make_payer(balance=0)
    for _ in range(5):
        verify_payment_password(payer_no=payer_no, password=PASSWORD, tried=page)
        try_wrongly(page)
    before = PayerWallet.objects.values().get(payer_no=payer_no)
    with pytest.raises(RateLimited) as refused:
        verify_payment_password(payer_no=payer_no, password=PASSWORD, tried=page)
    assert (refused.value.retry_after_s or 0) > 0
    assert PayerWallet.objects.values().get(payer_no=payer_no) == before
    other = TriedFrom(page=secrets.token_urlsafe(18))
    verify_payment_password(payer_no=payer_no, password=PASSWORD, tried=other)


def test_an_address_is_counted_over_pages_and_payers_by_its_wrong_tries(settings: Any) -> None:
    settings.WRONG_PASSWORDS_PER_ADDRESS = 3
    address = f"198.51.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    payer_no = make_payer(balance=0)
    for _ in range(3):
        verify_payment_password(
            payer_no=payer_no, password=PASSWORD, tried=TriedFrom(address=address)
        )
        try_wrongly(TriedFrom(address=address, page=secrets.token_urlsafe(18)))
    with pytest.raises(RateLimited):
        verify_payment_password(
            payer_no=payer_no, password="a guess", tried=TriedFrom(address=address)
        )
    assert wrong_tries(payer_no) == 0, "a try that was not admitted is not the payer's"
    verify_payment_password(
        payer_no=payer_no, password=PASSWORD, tried=TriedFrom(address="2001:db8::77")
    )


def test_addresses_of_one_subscriber_are_one(settings: Any) -> None:
    settings.WRONG_PASSWORDS_PER_ADDRESS = 3
    network = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(1)}"
    for host in (":1", "2:0:0:3", "ffff:ffff:ffff:ffff"):
        try_wrongly(TriedFrom(address=f"{network}:{host}"))
    payer_no = make_payer(balance=0)
    with pytest.raises(RateLimited):
        verify_payment_password(
            payer_no=payer_no, password="a guess", tried=TriedFrom(address=f"{network}::4")
        )
    assert wrong_tries(payer_no) == 0
    verify_payment_password(
        payer_no=payer_no, password=PASSWORD, tried=TriedFrom(address=f"{network}1::4")
    )


def test_without_redis_the_lock_of_the_payer_holds(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.WRONG_PASSWORDS_PER_ADDRESS = 1
    tried = TriedFrom(address="2001:db8::1", page=secrets.token_urlsafe(18))
    payer_no = make_payer(balance=0)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.REDIS_URL = f"redis://127.0.0.1:{nobody.getsockname()[1]}/0"
        monkeypatch.setattr(velocity, "_resting_until", [0.0])
        monkeypatch.setattr(velocity, "_local", type(velocity._local)())
        for _ in range(5):
            with pytest.raises(WrongPaymentPassword):
                verify_payment_password(payer_no=payer_no, password="a guess", tried=tried)
        with pytest.raises(PaymentPasswordLocked):
            verify_payment_password(payer_no=payer_no, password=PASSWORD, tried=tried)
    assert password_tries.TRIES_PER_PAGE > 5
