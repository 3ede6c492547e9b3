"""Fee contracts: the price of a method in a currency, kept by the order under which it was made."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from acquiring import api as acquiring
from acquiring.contracts import Method
from acquiring.fee_terms import FeeTerm, calculate_contract_fee, decode_terms
from acquiring.models import FeeContract
from acquiring.services.late_money import calculate_late_money_fee
from paymentplatform.console.proposals import fee_contract
from paymentplatform.console.services.proposals import NewProposal, make_proposal
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from paymentplatform.kernel.money import MAX_AMOUNT
from tests.acquiring.settling import make_seller
from tests.clock import VirtualClock
from tests.console.proposals import approve, operator
from tests.trading import balance_of, make_trade

CARD, QR, BALANCE = Method.BANK_CARD, Method.QR_CODE, Method.BALANCE
TERMS = (
    FeeTerm(rate_ppm=10_000, method=CARD),
    FeeTerm(rate_ppm=20_000, method=CARD, currency="CNY", minimum=50, maximum=300),
    FeeTerm(rate_ppm=5_000, currency="CNY"),
    FeeTerm(rate_ppm=0, method=QR, currency="CNY", minimum=10),
)


def fee(amount: int, method: str, currency: str = "CNY") -> int:
    stored = msgspec.json.encode(TERMS)
    return calculate_contract_fee(
        amount=amount, currency=currency, method=method, rate_ppm=1_000, terms=stored
    )


class TestPrice:
    @pytest.mark.parametrize(
        ("amount", "method", "currency", "expected"),
        [
            (10_000, CARD, "CNY", 200),
            (100, CARD, "CNY", 50),
            (20, CARD, "CNY", 20),
            (99_999, CARD, "CNY", 300),
            (10_000, CARD, "USD", 100),
            (10_000, BALANCE, "CNY", 50),
            (10_100, BALANCE, "CNY", 51),
            (10_000, BALANCE, "USD", 10),
            (10_000, QR, "CNY", 10),
            (5, QR, "CNY", 5),
        ],
    )
    def test_the_most_specific_term_counts(self, amount, method, currency, expected):
        assert fee(amount, method, currency) == expected

    @given(
        amount=st.integers(1, MAX_AMOUNT),
        rate=st.integers(0, 1_000_000),
        minimum=st.integers(0, 10_000),
        room=st.integers(0, 10_000),
    )
    def test_it_is_never_less_than_nothing_nor_more_than_the_amount(
        self, amount, rate, minimum, room
    ):
        term = FeeTerm(rate, CARD, "CNY", minimum, minimum + room)
        stored = msgspec.json.encode([term])
        cost = calculate_contract_fee(
            amount=amount, currency="CNY", method=CARD, rate_ppm=0, terms=stored
        )
        assert 0 <= cost <= amount
        assert cost == min(
            amount, max((amount * rate + 500000) // 1000000, minimum), minimum + room
        )
        assert decode_terms(stored) == (term,)


class TestContracts:
    def test_an_order_keeps_the_one_under_which_it_was_made(self, clock: VirtualClock):
        seller = make_seller(fee_rate_ppm=10_000)
        old = make_trade(merchant=seller.merchant, amount=10_00)
        clock.advance(1)
        new = acquiring.NewFeeContract(
            seller.number, rate_ppm=0, terms=(FeeTerm(50_000, BALANCE, "CNY", maximum=40),)
        )
        with transaction.atomic():
            acquiring.make_fee_contract(new=new)
        clock.advance(1)
        young = make_trade(merchant=seller.merchant, amount=10_00)
        for trade, cost in ((old, 10), (young, 40)):
            assert trade.pay(BALANCE, payer_token=seller.token).status == "PAID"
            assert [row["fee_amount"] for row in trade.payments()] == [cost]
        assert balance_of(f"L20:{seller.number}:CNY") == 20_00 - 50
        for currency, method, cost in (("CNY", BALANCE, 2), ("CNY", CARD, 0), ("USD", BALANCE, 0)):
            late = calculate_late_money_fee(
                order_no=young.order_no, amount=30, currency=currency, method=method
            )
            assert late == cost

    def test_two_persons_make_one(self):
        seller = make_seller()
        payload = fee_contract.build_payload(
            merchant_no=seller.number,
            rate_ppm=7_000,
            terms=[{"rate_ppm": 1, "method": "QR_CODE"}],
            settlement_days=3,
            valid_from=database_now() + timedelta(hours=1),
        )
        new = NewProposal(fee_contract.FEE_CONTRACT.name, payload, operator(), "agreed")
        approve(make_proposal(new).proposal)
        made = FeeContract.objects.filter(merchant_id=seller.number).latest("valid_from")
        assert (made.rate_ppm, made.settlement_days) == (7_000, 3)
        assert made.terms == [{"rate_ppm": 1, "method": "QR_CODE"}]

    @pytest.mark.parametrize(
        ("changes", "complaint"),
        [
            ({"rate_ppm": 1_000_001}, "rate"),
            ({"settlement_days": 366}, "business days"),
            ({"terms": (FeeTerm(0, method="CASH"),)}, "no payment method"),
            ({"terms": (FeeTerm(0, currency="XXX"),)}, "no currency"),
            ({"terms": (FeeTerm(0, method=CARD, minimum=1),)}, "needs its currency"),
            ({"terms": (FeeTerm(0, currency="CNY", minimum=2, maximum=1),)}, "below the minimum"),
            ({"terms": (FeeTerm(0),)}, "names a method"),
            ({"terms": (FeeTerm(0, CARD), FeeTerm(1, CARD))}, "same method"),
        ],
    )
    def test_what_cannot_be_agreed_is_refused(self, changes, complaint):
        seller = make_seller()
        new = acquiring.NewFeeContract(**{"merchant_no": seller.number, "rate_ppm": 0} | changes)
        with pytest.raises(InvalidRequest, match=complaint), transaction.atomic():
            acquiring.make_fee_contract(new=new)
        assert FeeContract.objects.filter(merchant_id=seller.number).count() == 1

    def test_none_begins_in_the_past_or_for_nobody(self):
        seller = make_seller()
        past = acquiring.NewFeeContract(
            seller.number, rate_ppm=0, valid_from=database_now() - timedelta(minutes=1)
        )
        for new, refusal in (
            (past, InvalidRequest),
            (acquiring.NewFeeContract("mch_x", rate_ppm=0), NotFound),
        ):
            with pytest.raises(refusal), transaction.atomic():
                acquiring.make_fee_contract(new=new)
        with pytest.raises(InvalidRequest):
            acquiring.read_terms([{"rate_ppm": "1"}])
        assert FeeContract.objects.filter(merchant_id=seller.number).count() == 1
