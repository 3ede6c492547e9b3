"""POST /orders/{order_no}/payment-methods with a payer's token: whether the balance can pay, and no figures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from acquiring.api import authenticate_bearer
from acquiring.contracts import Method, OrderClosing
from acquiring.models import TradeOrder
from checkout.models import PayerAgreement
from checkout.services.agreements import revoke_agreement
from checkout.services.wallets import hash_token
from tests.makers import make_merchant, make_payer, make_payer_token
from tests.trading import make_trade


class Shop:
    """A merchant with one order of 10.00 and a payer's token."""

    def __init__(self, *, balance: int = 100_00, amount: int = 10_00, **limits: int) -> None:
        self.merchant = make_merchant(fee_rate_ppm=0)
        self.payer = make_payer(balance=balance)
        self.payer_token = make_payer_token(
            payer_no=self.payer, merchant_no=self.merchant["merchant_no"], **limits
        )
        self.identity = authenticate_bearer(secret=self.merchant["secret_key"])
        self.trade = make_trade(merchant=self.identity, amount=amount)

    def consult(self, **body: Any) -> dict[str, dict[str, Any]]:
        answer = Client().post(
            f"/api/v1/orders/{self.trade.order_no}/payment-methods",
            json.dumps({"locale": "en"} | body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {self.merchant['secret_key']}"},
        )
        assert answer.status_code == 200, answer.content
        return {offer["code"]: offer for offer in answer.json()["methods"]}

    def balance(self, payer_token: str | None = None) -> tuple[bool, str | None]:
        offer = self.consult(payer_token=payer_token or self.payer_token)["BALANCE"]
        return offer["available"], offer["reason_code"]


def test_a_good_token_offers_the_balance_and_leaves_the_rest_as_it_was():
    shop = Shop()
    offers = shop.consult(payer_token=shop.payer_token)
    assert offers == shop.consult()
    assert offers["BALANCE"]["available"]
    assert shop.trade.pay(Method.BALANCE, payer_token=shop.payer_token).status == "PAID"
    assert shop.balance() == (False, "order_not_payable")


def test_an_order_that_is_being_closed_offers_nothing():
    """The same word as the refusal of ``pay``."""
    shop = Shop()
    TradeOrder.objects.filter(order_no=shop.trade.order_no).update(closing=True)
    offers = shop.consult(payer_token=shop.payer_token).values()
    assert {(offer["available"], offer["reason_code"]) for offer in offers} == {
        (False, "order_closing")
    }
    with pytest.raises(OrderClosing):
        shop.trade.pay(Method.BALANCE, payer_token=shop.payer_token)
    assert shop.trade.payments() == []


@pytest.mark.parametrize(
    ("shop", "reason"),
    [
        ({"balance": 9_99}, "insufficient_balance"),
        ({"max_per_payment": 9_99}, "over_limit"),
        ({"max_per_day": 9_99}, "over_limit"),
        ({"balance": 0, "max_per_payment": 9_99}, "over_limit"),
    ],
)
def test_why_not(shop, reason):
    made = Shop(**shop)
    assert made.balance() == (False, reason)
    offers = made.consult(payer_token=made.payer_token)
    assert "999" not in json.dumps(offers)
    assert offers["QR_CODE"]["available"]
    assert offers["BALANCE"]["rank"] > offers["QR_CODE"]["rank"]


def test_what_today_has_taken_counts():
    shop = Shop(max_per_day=19_99)
    assert shop.balance() == (True, None)
    assert shop.trade.pay(Method.BALANCE, payer_token=shop.payer_token).status == "PAID"
    shop.trade = make_trade(merchant=shop.identity, amount=10_00)
    assert shop.balance() == (False, "over_limit")


def test_tokens_that_are_good_for_nothing_here():
    shop, other = Shop(), Shop()
    assert shop.balance(other.payer_token) == (False, "payer_token_invalid")
    assert shop.balance("pt_nonsense") == (False, "payer_token_invalid")
    agreement = PayerAgreement.objects.get(token_hash=hash_token(shop.payer_token))
    revoke_agreement(agreement_no=agreement.agreement_no)
    assert shop.balance() == (False, "payer_token_invalid")
    dollars = Shop()
    dollars.trade = make_trade(merchant=dollars.identity, currency="USD")
    assert dollars.balance() == (False, "payer_token_invalid")
