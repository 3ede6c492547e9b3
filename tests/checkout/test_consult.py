"""Consult: what each method needs, which comes first, what is kept of the answer, and that acceptance says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquiring.api import get_order
from acquiring.contracts import Method, OrderStatus
from checkout.catalogue import (
    AmountLimits,
    Catalogue,
    Hours,
    MerchantChoice,
    MethodEntry,
    Standing,
    Verdict,
    Wish,
    find_hindrance,
    rank_methods,
)
from checkout.contracts import REFUSALS, MethodOffer, MethodUnavailable
from checkout.models import CatalogueStamp, ConsultDecision, PaymentMethod
from checkout.services import consult_records
from checkout.services.catalogues import change_method, choose_for_merchant, get_catalogue
from checkout.services.consult import list_methods
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from tests.engine.scripted import ScriptedChannel
from tests.engine.test_funnel import PENDING
from tests.makers import make_payer, make_payer_token
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, make_identity, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]

CARD = MethodEntry(Method.BANK_CARD, 4, is_on=True, flow="redirect", name_en="Card", name_zh="卡")
WISH = Wish(merchant_no="mch_1", currency="CNY", amount=10_00)


def hindrance(row: MethodEntry, wish: Wish = WISH, **choice: Any) -> str | None:
    catalogue = Catalogue(1, (row,), {"mch_1": {row.code: MerchantChoice(**choice)}})
    return find_hindrance(row, wish, catalogue)


class TestWhyNot:
    @pytest.mark.parametrize(
        ("row", "wish", "reason"),
        [
            ({}, {}, None),
            ({"is_on": False}, {}, "switched_off"),
            ({}, {"status": OrderStatus.SUCCESS}, "order_not_payable"),
            ({}, {"status": OrderStatus.PAYING}, None),
            ({}, {"closing": True}, "order_closing"),
            ({}, {"allowed_methods": ["QR_CODE"]}, "not_allowed_by_merchant"),
            ({"currencies": ("USD",)}, {}, "currency_unsupported"),
            ({"amount_limits": {"CNY": AmountLimits(min=10_01)}}, {}, "amount_under_limit"),
            ({"amount_limits": {"CNY": AmountLimits(max=9_99)}}, {}, "amount_over_limit"),
            ({"amount_limits": {"CNY": AmountLimits(10_00, 10_00)}}, {}, None),
            ({"amount_limits": {"CNY": AmountLimits(min=10_01)}}, {"amount": None}, None),
            ({"amount_limits": {"USD": AmountLimits(max=1)}}, {}, None),
            ({"terminals": ("APP",)}, {"terminal": "WEB"}, "terminal_unsupported"),
            ({"terminals": ("APP",)}, {}, None),
            ({"locales": ("zh",)}, {"locale": "en"}, "locale_unsupported"),
            ({"locales": ("zh",)}, {"locale": "zh-Hans"}, None),
            ({"hours": (Hours("08:00", "20:00"),)}, {"clock": "20:00"}, "outside_hours"),
            ({"hours": (Hours("08:00", "20:00"),)}, {"clock": "08:00"}, None),
            ({"hours": (Hours("22:00", "06:00"),)}, {"clock": "05:59"}, None),
            ({"hours": (Hours("22:00", "06:00"),)}, {"clock": "12:00"}, "outside_hours"),
        ],
    )
    def test_by_the_catalogue(self, row: dict[str, Any], wish: dict[str, Any], reason: str | None):
        assert hindrance(replace(CARD, **row), replace(WISH, **wish)) == reason
        assert reason is None or reason in REFUSALS

    def test_by_the_merchant_or_by_nobody_knowing_it(self):
        assert hindrance(CARD, is_on=False) == "switched_off_for_merchant"
        assert find_hindrance(None, WISH, Catalogue(1, ())) == "switched_off"


def ranked(
    *, last_used: str | None = None, off: str = "", **of: tuple[int | None, int | None, int | None]
) -> list[str]:
    """Rank QR_CODE, WALLET and BANK_CARD, in this order in the catalogue; of each: preference, rate, cost."""
    names = (Method.QR_CODE, Method.WALLET, Method.BANK_CARD)
    methods = tuple(replace(CARD, code=name, position=n) for n, name in enumerate(names, 1))
    choices = {name: MerchantChoice(preference=given[0]) for name, given in of.items()}
    verdicts = rank_methods(
        catalogue=Catalogue(1, methods, {"mch_1": choices}),
        merchant_no="mch_1",
        reasons={name: "no_channel" if name == off else None for name in names},
        standings={Method(name): Standing(None, *given[1:]) for name, given in of.items()},
        last_used=last_used,
    )
    assert [row.rank for row in verdicts] == [1, 2, 3]
    return [row.method for row in verdicts]


class TestRanking:
    def test_without_anything_known_it_is_the_catalogues_order(self):
        assert ranked() == ["QR_CODE", "WALLET", "BANK_CARD"]

    def test_what_is_not_offered_comes_last_whatever_else_is_so(self):
        assert ranked(off="QR_CODE", last_used="QR_CODE")[-1] == "QR_CODE"

    def test_last_use_before_preference_before_success_before_cost(self):
        of: Any = {"WALLET": (2, None, None), "BANK_CARD": (1, 100_000, 900)}
        assert ranked(last_used="QR_CODE", **of) == ["QR_CODE", "BANK_CARD", "WALLET"]
        assert ranked(**of) == ["BANK_CARD", "WALLET", "QR_CODE"]
        rates: Any = {"QR_CODE": (None, 800_000, None), "WALLET": (None, 900_000, 99)}
        assert ranked(**rates) == ["BANK_CARD", "WALLET", "QR_CODE"]
        near: Any = {"QR_CODE": (None, 910_000, 30), "WALLET": (None, 940_000, 20)}
        assert ranked(**near) == ["BANK_CARD", "WALLET", "QR_CODE"], "one step of success: cost"

    @given(
        st.dictionaries(
            st.sampled_from(["QR_CODE", "WALLET", "BANK_CARD"]),
            st.tuples(
                st.none() | st.integers(1, 100),
                st.none() | st.integers(0, 1_000_000),
                st.none() | st.integers(0, 1_000),
            ),
        ),
        st.sampled_from([None, "QR_CODE", "WALLET"]),
    )
    def test_the_same_input_gives_the_same_order(self, of: Any, last_used: str | None):
        assert ranked(last_used=last_used, **of) == ranked(last_used=last_used, **of)


def consult(trade: Trade, **changes: Any) -> dict[str, MethodOffer]:
    asked = get_order(merchant=trade.merchant, order_no=trade.order_no)
    wanted = {
        "order": asked.order,
        "merchant_no": trade.merchant.merchant_no,
        "allowed_methods": asked.allowed_methods,
        "asked_by": "api",
        "payer_ref": asked.payer_ref,
        "locale": "en",
    }
    return {offer.code: offer for offer in list_methods(**wanted | changes)}


def kept(trade: Trade) -> list[ConsultDecision]:
    return list(ConsultDecision.objects.filter(order_no=trade.order_no).order_by("id"))


def terms_of(method: str, **changes: Any) -> dict[str, Any]:
    row = PaymentMethod.objects.values().get(code=method)
    return {name: value for name, value in row.items() if name not in {"code", "flow"}} | changes


@pytest.fixture
def qr_terms() -> Iterator[None]:
    """Give QR_CODE its terms back."""
    before = terms_of("QR_CODE")
    yield
    change_method(method="QR_CODE", terms=before)


class TestOfAnOrder:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"is_on": False}, "switched_off"),
            ({"amount_limits": {"CNY": {"max": 9_99}}}, "amount_over_limit"),
            ({"terminals": ["APP"]}, "terminal_unsupported"),
            ({"hours": [{"start": "00:00", "end": "00:00"}]}, "outside_hours"),
        ],
    )
    def test_a_change_counts_at_once_and_acceptance_says_the_same(
        self, channels: Channels, qr_terms: None, changes: dict[str, Any], reason: str
    ):
        trade = make_trade()
        assert consult(trade)["QR_CODE"].available
        change_method(method="QR_CODE", terms=terms_of("QR_CODE", **changes))
        offer = consult(trade)["QR_CODE"]
        assert (offer.available, offer.reason_code) == (False, reason)
        before = trade.footprint()
        with pytest.raises(MethodUnavailable, match=reason):
            trade.pay()
        assert trade.footprint() == before
        assert channels[0].calls == []
        first, second = kept(trade)
        assert {row["method"]: row.get("reason_code") for row in first.methods}["QR_CODE"] is None
        assert {row["method"]: row.get("reason_code") for row in second.methods}[
            "QR_CODE"
        ] == reason

    def test_no_channel_and_none_that_takes_anything_now_are_two_things(self, channels: Channels):
        offers = consult(make_trade())
        assert offers["WALLET"].reason_code == "no_channel", "the scripted ones take QR codes only"
        with pytest.raises(MethodUnavailable, match="no_channel"):
            make_trade().pay(Method.WALLET)

    def test_a_merchants_choice_is_its_own(self, channels: Channels):
        mine, others = make_trade(), make_trade()
        number = mine.merchant.merchant_no
        choose_for_merchant(merchant_no=number, method="BALANCE", is_on=False, preference=None)
        choose_for_merchant(merchant_no=number, method="QR_CODE", is_on=True, preference=1)
        assert consult(mine)["BALANCE"].reason_code == "switched_off_for_merchant"
        assert consult(mine)["QR_CODE"].rank == 1
        assert consult(others)["BALANCE"].available
        token = make_payer_token(payer_no=make_payer(), merchant_no=number)
        with pytest.raises(MethodUnavailable, match="switched_off_for_merchant"):
            mine.pay(Method.BALANCE, payer_token=token)
        assert mine.payments() == []
        choose_for_merchant(merchant_no=number, method="BALANCE", is_on=True, preference=None)
        assert mine.pay(Method.BALANCE, payer_token=token).status == "PAID"

    def test_what_the_payer_used_last_comes_first(self, channels: Channels):
        merchant = make_identity()
        earlier = make_trade(merchant=merchant, payer_ref="alice")
        assert consult(earlier)["QR_CODE"].rank == 2
        channels[0].pay_answers.append(PENDING)
        earlier.pay()
        assert consult(make_trade(merchant=merchant, payer_ref="alice"))["QR_CODE"].rank == 1
        assert consult(make_trade(merchant=merchant, payer_ref="bob"))["QR_CODE"].rank == 2
        assert consult(make_trade(payer_ref="alice"))["QR_CODE"].rank == 2, "another merchant's"
        token = make_payer_token(payer_no=make_payer(), merchant_no=merchant.merchant_no)
        paid = make_trade(merchant=merchant, payer_ref="alice")
        assert paid.pay(Method.BALANCE, payer_token=token).status == "PAID"
        asked = make_trade(merchant=merchant, payer_ref="alice")
        assert consult(asked)["BALANCE"].rank == 1, "a balance is remembered as a channel is"
        channels[0].pay_answers.append(PENDING)
        asked.pay()
        assert consult(make_trade(merchant=merchant, payer_ref="alice"))["QR_CODE"].rank == 1

    def test_a_combined_payment_is_checked_by_what_each_part_carries(
        self, channels: Channels, qr_terms: None
    ):
        change_method(
            method="QR_CODE", terms=terms_of("QR_CODE", amount_limits={"CNY": {"min": 5_00}})
        )
        trade = make_trade()
        token = make_payer_token(
            payer_no=make_payer(balance=5_01), merchant_no=trade.merchant.merchant_no
        )
        for wish in ({"balance_amount": 5_01}, {"use_balance": True}):
            before = trade.footprint()
            with pytest.raises(MethodUnavailable, match="amount_under_limit"):
                trade.pay_combined(payer_token=token, **wish)
            assert trade.footprint() == before
        assert trade.pay_combined(payer_token=token, balance_amount=5_00).status == "PAYING"

    def test_what_a_balance_may_carry_holds_under_another_methods_name(self, channels: Channels):
        before_terms = terms_of("BALANCE")
        change_method(
            method="BALANCE", terms=terms_of("BALANCE", amount_limits={"CNY": {"max": 4_00}})
        )
        try:
            for held in (1_000_00, 5_00):
                trade = make_trade()
                token = make_payer_token(
                    payer_no=make_payer(balance=held), merchant_no=trade.merchant.merchant_no
                )
                before = trade.footprint()
                with pytest.raises(MethodUnavailable, match="amount_over_limit"):
                    trade.pay_combined(payer_token=token, use_balance=True)
                assert trade.footprint() == before
        finally:
            change_method(method="BALANCE", terms=before_terms)


class TestWhatIsKept:
    def test_each_different_answer_once_and_ten_at_most(self, channels: Channels):
        trade = make_trade()
        for _again in range(3):
            consult(trade, asked_by="cashier", terminal="WAP")
        (row,) = kept(trade)
        assert (row.asked_by, row.terminal, row.locale) == ("cashier", "WAP", "en")
        verdicts = msgspec.convert(row.methods, list[Verdict])
        assert [verdict.rank for verdict in verdicts] == [1, 2, 3, 4, 5]
        for n in range(15):
            consult(trade, allowed_methods=[], terminal=f"T{n}")
        assert len(kept(trade)) == 10

    def test_another_process_keeps_nothing_twice(self, channels: Channels):
        trade = make_trade()
        for _process in range(2):
            consult_records._lately_kept.clear()
            consult(trade)
        assert len(kept(trade)) == 1

    def test_an_order_that_has_ended_leaves_nothing(self, channels: Channels):
        trade = make_trade()
        token = make_payer_token(payer_no=make_payer(), merchant_no=trade.merchant.merchant_no)
        trade.pay(Method.BALANCE, payer_token=token)
        assert not any(offer.available for offer in consult(trade).values())
        assert kept(trade) == []

    def test_asking_twice_asks_the_database_for_nothing(self, channels: Channels):
        trade = make_trade()
        asked = get_order(merchant=trade.merchant, order_no=trade.order_no)
        for expected in (1, 0):
            with counting_round_trips() as seen:
                list_methods(
                    order=asked.order,
                    merchant_no=trade.merchant.merchant_no,
                    allowed_methods=None,
                    asked_by="api",
                )
            config = [name for name in seen.statements if name != "keep_consult"]
            assert len(seen.statements) - len(config) == expected
        assert config == []

    def test_nobody_changes_it(self):
        with pytest.raises(Exception, match=r"permission denied|never change"):
            rows("UPDATE checkout_consult_decision SET asked_by = 'x' RETURNING 1")


class TestChanging:
    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"position": 0}, "position"),
            ({"name_en": ""}, "name_en"),
            ({"currencies": ["XXX"]}, "currencies"),
            ({"amount_limits": {"CNY": {"min": 2, "max": 1}}}, "amount_limits"),
            ({"amount_limits": {"CNY": {"least": 1}}}, "amount_limits[...]"),
            ({"terminals": ["FAX"]}, "terminals"),
            ({"locales": ["ZH"]}, "locales"),
            ({"hours": [{"start": "8:00", "end": "20:00"}]}, "hours"),
            ({"hours": [{"start": "08:00", "end": "24:00"}]}, "hours"),
            ({"is_on": "yes"}, "is_on"),
        ],
    )
    def test_odd_terms_are_refused_and_change_nothing(self, changes: dict[str, Any], field: str):
        def everything() -> str:
            revision = CatalogueStamp.objects.get().revision
            return json.dumps([revision, *PaymentMethod.objects.order_by("code").values()])

        before = everything()
        with pytest.raises(InvalidRequest) as caught:
            change_method(method="QR_CODE", terms=terms_of("QR_CODE", **changes))
        assert [error.field for error in caught.value.errors] == [field]
        with pytest.raises(NotFound):
            change_method(method="BARTER", terms=terms_of("QR_CODE"))
        with pytest.raises(InvalidRequest):
            choose_for_merchant(merchant_no="mch_1", method="QR_CODE", is_on=True, preference=0)
        assert everything() == before

    def test_a_fresh_install_offers_what_it_always_did(self):
        rows_now = [(row.code, row.flow, row.name_en) for row in get_catalogue().methods]
        assert rows_now == [
            ("BALANCE", "password", "Wallet balance"),
            ("QR_CODE", "qr_code", "Scan a QR code"),
            ("WALLET", "redirect", "Third-party wallet"),
            ("BANK_CARD", "redirect", "Bank card"),
            ("NET_BANKING", "redirect", "Net banking"),
        ]
