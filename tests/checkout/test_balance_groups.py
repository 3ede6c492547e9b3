"""Balance payments that share a transaction: each is what it would have been alone, to the last row."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquiring.contracts import OrderAlreadyPaid, PayerTokenInvalid
from checkout.models import PayerAgreement
from checkout.services import balance_payments
from checkout.services.agreements import revoke_agreement
from checkout.services.balance_payments import BalancePayment, pay_from_balance
from checkout.services.risk import DecisionRow
from checkout.services.wallets import hash_token
from paymentplatform.kernel import numbers
from paymentplatform.kernel.combining import GroupFailed
from paymentplatform.kernel.errors import Unavailable
from tests.barrier import run_together
from tests.checkout.test_risk_deciding import FACTS
from tests.comparing import comparable_rows
from tests.makers import make_payer, make_payer_token, top_up
from tests.trading import Trade, balance_of, make_identity, make_trade, rows
from tests.waiting import wait_until

ODD_FACTS = msgspec.structs.replace(FACTS, card='"}\\{,')
NOTIFY_URL = "https://shop.example/notify"


@dataclass(frozen=True)
class Wish:
    """One payment of a group, as the property draws it."""

    amount: int
    balance: int
    fee: int
    has_agreement: bool
    is_notified: bool
    max_tries: int


wishes = st.builds(
    Wish,
    amount=st.sampled_from([1, 10_00]),
    balance=st.sampled_from([0, 9_99, 10_00, 50_00]),
    fee=st.integers(0, 1),
    has_agreement=st.booleans(),
    is_notified=st.booleans(),
    max_tries=st.integers(0, 2),
)


def prepare(wish: Wish) -> tuple[Trade, BalancePayment]:
    """Make everything that the wish needs under fresh numbers, and the payment."""
    merchant = make_identity(max_tries=wish.max_tries)
    payer_no = make_payer(balance=0)
    if wish.balance:
        top_up(payer_no=payer_no, amount=wish.balance)
    agreement_no = None
    if wish.has_agreement:
        token = make_payer_token(payer_no=payer_no, merchant_no=merchant.merchant_no)
        agreement_no = PayerAgreement.objects.get(token_hash=hash_token(token)).agreement_no
    trade = make_trade(
        amount=wish.amount,
        merchant=merchant,
        merchant_order_no="T-1",
        notify_url=NOTIFY_URL if wish.is_notified else None,
    )
    made = numbers.new_numbers(
        numbers.PAYMENT, numbers.DETAIL, numbers.JOURNAL, numbers.EVENT, numbers.DELIVERY
    )
    return trade, BalancePayment(
        trade.order_no,
        merchant.merchant_no,
        *made,
        payer_no=payer_no,
        agreement_no=agreement_no,
        amount=wish.amount,
        currency="CNY",
        fee_amount=wish.fee,
        options_digest="digest",
        cause=agreement_no or "api",
        actor=f"merchant:{merchant.merchant_no}",
        request_id="req_" + "0" * 22,
        decision=DecisionRow("ALLOW", "", msgspec.json.encode(ODD_FACTS).decode(), "[]", 1),
        payer_ref=f"{{of}} {wish.amount}" if wish.is_notified else None,
    )


def written(trade: Trade, payment: BalancePayment) -> list[Any]:
    """Every row that the payment could have written, with its numbers and times made comparable."""
    about = {
        "acquiring_trade_order": "order_no = %(order)s",
        "acquiring_transition": "object_no IN (%(order)s, %(delivery)s)",
        "acquiring_merchant_event": "object_no = %(order)s",
        "acquiring_delivery": "event_id = %(event)s",
        "engine_payment_order": "payment_no = %(payment)s",
        "engine_payment_detail": "payment_id = %(payment)s",
        "engine_transition": "object_no IN (%(payment)s, %(detail)s)",
        "ledger_journal": "event_id = %(payment)s",
        "ledger_posting": "journal_no = %(journal)s",
        "checkout_payer_agreement": "agreement_no = %(agreement)s",
        "checkout_risk_decision": "payment_no = %(payment)s",
        "checkout_balance_use": "payment_no = %(payment)s",
        "ledger_payer_balance": "account_id = (SELECT id FROM ledger_account WHERE code = %(payer)s)",
    }
    values = {
        "order": payment.order_no,
        "delivery": payment.delivery_no,
        "event": payment.event_id,
        "payment": payment.payment_no,
        "detail": payment.detail_no,
        "journal": payment.journal_no,
        "agreement": payment.agreement_no,
        "payer": f"L10:{payment.payer_no}:CNY",
    }
    return [*comparable_rows(about, values), ("merchant", trade.merchant_balance())]


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(wishes, min_size=2, max_size=4))
def test_together_is_one_after_the_other(asked: list[Wish]):
    together = [prepare(wish) for wish in asked]
    alone = [prepare(wish) for wish in asked]
    ends = balance_payments._pay_together([payment for _, payment in together])
    assert ends == [balance_payments._pay_together([payment])[0] for _, payment in alone]
    assert ends == ["PAID" if wish.balance >= wish.amount else "FAILED" for wish in asked]
    assert [written(*each) for each in together] == [written(*each) for each in alone]


WISH = Wish(10_00, 50_00, 0, has_agreement=True, is_notified=False, max_tries=1)


def test_one_that_is_refused_lets_the_others_pay():
    group = [prepare(WISH) for _ in range(4)]
    refused, payment = group[2]
    revoke_agreement(agreement_no=payment.agreement_no or "")
    before = refused.footprint()
    with pytest.raises(PayerTokenInvalid):
        balance_payments._pay_together([p for _, p in group])
    assert all(trade.order()["status"] == "INIT" for trade, _ in group)
    ended = run_together([lambda p=p: pay_from_balance(p) for _, p in group])
    assert isinstance(ended.pop(2), PayerTokenInvalid)
    assert ended == ["PAID"] * 3
    assert refused.footprint() == before


def test_an_order_paid_meanwhile_names_itself_and_takes_nothing():
    group = [prepare(WISH) for _ in range(3)]
    pay_from_balance(group[1][1])
    again = replace(group[1][1], payment_no=numbers.new_number(numbers.PAYMENT))
    with pytest.raises(OrderAlreadyPaid):
        balance_payments._pay_together([group[0][1], again, group[2][1]])
    assert [trade.order()["status"] for trade, _ in group] == ["INIT", "SUCCESS", "INIT"]
    assert balance_of(f"L10:{again.payer_no}:CNY") == 40_00


def test_a_row_that_somebody_holds_keeps_only_its_own_payment_waiting():
    group = [prepare(WISH) for _ in range(4)]
    (stuck, payment), others = group[0], group[1:]
    is_held = threading.Event()

    def hold() -> str:
        with transaction.atomic():
            rows(
                "SELECT 1 FROM acquiring_trade_order WHERE order_no = %s FOR UPDATE", stuck.order_no
            )
            is_held.set()
            wait_until(lambda: all(trade.order()["status"] == "SUCCESS" for trade, _ in others))
            return "held"

    def pay(payment: BalancePayment) -> str:
        assert is_held.wait(20)
        return pay_from_balance(payment)

    ended = run_together([hold, *(lambda p=p: pay(p) for p in [payment, *(p for _, p in others)])])
    assert ended == ["held", *["PAID"] * 4]


def test_a_group_whose_end_nobody_knows_is_not_tried_again(monkeypatch: pytest.MonkeyPatch):
    calls = []

    def lose(payment: BalancePayment) -> str:
        calls.append(payment)
        raise GroupFailed from Unavailable()

    monkeypatch.setattr(balance_payments._payments, "submit", lose)
    trade, payment = prepare(WISH)
    with pytest.raises(Unavailable):
        pay_from_balance(payment)
    assert len(calls) == 1
    assert trade.order()["status"] == "INIT"
