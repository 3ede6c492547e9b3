"""Paying in part from a balance: what is taken from where, what is refused, and what counts toward an agreement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import override_settings

from acquiring.contracts import Method, OrderAlreadyPaid, PayerTokenInvalid
from checkout.contracts import MethodUnavailable, WrongPaymentPassword
from checkout.models import AgreementUse, PayerAgreement
from checkout.services import combination
from checkout.services.acceptance import pay_from_cashier
from checkout.services.agreements import revoke_agreement
from checkout.services.wallets import hash_token
from engine.channels.base import ChannelAnswer, Outcome
from engine.channels.registry import forget_channels
from engine.contracts import Cause
from engine.services.outcomes import apply_attempt_outcome
from paymentplatform.kernel.errors import InvalidRequest
from tests.clock import VirtualClock
from tests.engine.scripted import FIRST_CHANNEL, SECOND_CHANNEL, ScriptedChannel, charged
from tests.makers import PASSWORD, make_payer, make_payer_token, top_up
from tests.roundtrips import counting_round_trips
from tests.trading import (
    Trade,
    balance_of,
    held_of,
    make_identity,
    make_trade,
    open_holds_of,
)

AMOUNT = 100_00
DECLINED = ChannelAnswer(outcome=Outcome.FAILED, failure_code="declined")
PENDING = ChannelAnswer(outcome=Outcome.PENDING)


@pytest.fixture
def channel() -> Iterator[ScriptedChannel]:
    """One scripted channel that is PENDING until told otherwise; its fellow is there for fail-over."""
    FIRST_CHANNEL.forget()
    SECOND_CHANNEL.forget()
    with override_settings(
        CHANNELS=["tests.engine.scripted.FIRST", "tests.engine.scripted.SECOND"]
    ):
        forget_channels()
        FIRST_CHANNEL.pay_answers += [PENDING] * 20
        yield FIRST_CHANNEL
    forget_channels()


@dataclass
class Setting:
    """A trade over 100.00, a payer and the token he gave to its merchant."""

    trade: Trade
    payer_no: str
    token: str

    def agreement(self) -> PayerAgreement:
        return PayerAgreement.objects.get(token_hash=hash_token(self.token))

    def another_trade(self, amount: int = AMOUNT) -> Trade:
        return make_trade(amount=amount, merchant=self.trade.merchant)


def setting(*, balance: int, amount: int = AMOUNT, **limits: int) -> Setting:
    merchant = make_identity()
    payer_no = make_payer(balance=balance)
    token = make_payer_token(payer_no=payer_no, merchant_no=merchant.merchant_no, **limits)
    return Setting(make_trade(amount=amount, merchant=merchant), payer_no, token)


def legs_of(trade: Trade) -> list[tuple[str, int]]:
    return [(row["method"], row["amount"]) for row in trade.details()]


def answer(trade: Trade, said: ChannelAnswer) -> None:
    attempt = trade.attempts()[-1]
    apply_attempt_outcome(attempt_no=attempt["attempt_no"], answer=said, cause=Cause.INQUIRY)


def collect(trade: Trade, amount: int) -> None:
    answer(trade, charged(amount, trade_no=f"t-{trade.order_no}"))


class TestUseBalance:
    @pytest.mark.parametrize(
        ("balance", "limits", "taken"),
        [
            (30_00, {}, 30_00),
            (AMOUNT - 1, {}, AMOUNT - 1),
            (200_00, {"max_per_payment": 40_00}, 40_00),
            (200_00, {"max_per_day": 25_00}, 25_00),
            (20_00, {"max_per_payment": 40_00, "max_per_day": 30_00}, 20_00),
        ],
    )
    def test_takes_the_least_of_balance_and_limits(
        self, channel: ScriptedChannel, balance: int, limits: dict[str, int], taken: int
    ):
        made = setting(balance=balance, **limits)

        result = made.trade.pay_combined(payer_token=made.token, use_balance=True)

        assert result.status == "PAYING"
        assert legs_of(made.trade) == [("BALANCE", taken), ("QR_CODE", AMOUNT - taken)]
        assert held_of(made.payer_no) == (balance, taken)

    @pytest.mark.parametrize("balance", [AMOUNT, AMOUNT + 1])
    def test_that_covers_everything_is_a_balance_payment(
        self, channel: ScriptedChannel, balance: int
    ):
        made = setting(balance=balance)

        result = made.trade.pay_combined(payer_token=made.token, use_balance=True)

        assert result.status == "PAID"
        assert legs_of(made.trade) == [("BALANCE", AMOUNT)]
        assert [payment["method"] for payment in made.trade.payments()] == ["BALANCE"]
        assert channel.calls == []
        assert held_of(made.payer_no) == (balance - AMOUNT, 0)

    def test_of_an_empty_balance_is_a_plain_payment(self, channel: ScriptedChannel):
        for made in (setting(balance=0), setting(balance=50_00, max_per_day=0)):
            result = made.trade.pay_combined(payer_token=made.token, use_balance=True)

            assert result.status == "PAYING"
            assert legs_of(made.trade) == [("QR_CODE", AMOUNT)]
            assert made.trade.holds() == []
            assert not AgreementUse.objects.filter(agreement=made.agreement()).exists()

    def test_does_not_count_what_is_held_already(self, channel: ScriptedChannel):
        made = setting(balance=50_00)
        made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
        other = made.another_trade()

        other.pay_combined(payer_token=made.token, use_balance=True)

        assert legs_of(other) == [("BALANCE", 20_00), ("QR_CODE", 80_00)]
        assert held_of(made.payer_no) == (50_00, 50_00)

    def test_with_the_method_balance_pays_all_of_it(self, channel: ScriptedChannel):
        made = setting(balance=AMOUNT)
        result = made.trade.pay_combined(Method.BALANCE, payer_token=made.token, use_balance=True)
        assert result.status == "PAID"

    def test_plans_anew_when_the_balance_shrinks_meanwhile(
        self, channel: ScriptedChannel, monkeypatch: pytest.MonkeyPatch
    ):
        made = setting(balance=50_00)
        thief = made.another_trade(amount=40_00)
        looked = []
        reading = combination.ledger.get_balance

        def read_and_lose(*, account_code: str) -> object:
            seen = reading(account_code=account_code)
            if not looked:
                thief.pay(Method.BALANCE, payer_token=made.token)
            looked.append(seen.available)
            return seen

        monkeypatch.setattr(combination.ledger, "get_balance", read_and_lose)

        result = made.trade.pay_combined(payer_token=made.token, use_balance=True)

        assert result.status == "PAYING"
        assert looked == [50_00, 10_00]
        assert legs_of(made.trade) == [("BALANCE", 10_00), ("QR_CODE", 90_00)]
        assert [payment["status"] for payment in made.trade.payments()] == ["PAYING"]
        assert made.agreement().spent_amount == 50_00
        assert held_of(made.payer_no) == (10_00, 10_00)


class TestBalanceAmount:
    def test_takes_exactly_that(self, channel: ScriptedChannel):
        made = setting(balance=50_00)
        made.trade.pay_combined(payer_token=made.token, balance_amount=1)
        assert legs_of(made.trade) == [("BALANCE", 1), ("QR_CODE", AMOUNT - 1)]

    @pytest.mark.parametrize("method", [Method.QR_CODE, Method.BALANCE])
    def test_of_the_whole_amount_is_a_balance_payment(
        self, channel: ScriptedChannel, method: Method
    ):
        made = setting(balance=AMOUNT)
        result = made.trade.pay_combined(method, payer_token=made.token, balance_amount=AMOUNT)
        assert result.status == "PAID"
        assert channel.calls == []

    @pytest.mark.parametrize(
        ("method", "amount", "use_balance"),
        [
            (Method.QR_CODE, AMOUNT + 1, False),
            (Method.QR_CODE, 0, False),
            (Method.QR_CODE, -1, False),
            (Method.QR_CODE, 30_00, True),
            (Method.BALANCE, 30_00, False),
        ],
    )
    def test_that_cannot_be_meant_is_refused(
        self, channel: ScriptedChannel, method: Method, amount: int, use_balance: bool
    ):
        made = setting(balance=200_00)
        before = made.trade.footprint()

        with pytest.raises(InvalidRequest) as refused:
            made.trade.pay_combined(
                method, payer_token=made.token, balance_amount=amount, use_balance=use_balance
            )

        assert [error.field for error in refused.value.errors] == ["balance_amount"]
        assert made.trade.footprint() == before
        assert held_of(made.payer_no) == (200_00, 0)
        assert channel.calls == []

    def test_over_the_balance_fails_and_takes_nothing_of_the_day(self, channel: ScriptedChannel):
        made = setting(balance=29_99)

        result = made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)

        assert (result.status, result.failure_code) == ("FAILED", "insufficient_balance")
        assert made.trade.order()["status"] == "INIT"
        assert channel.calls == []
        assert held_of(made.payer_no) == (29_99, 0)
        assert made.agreement().spent_amount == 0
        (use,) = AgreementUse.objects.filter(agreement=made.agreement())
        assert use.released_at is not None

    @pytest.mark.parametrize("limits", [{"max_per_payment": 29_99}, {"max_per_day": 29_99}])
    def test_over_a_limit_is_refused(self, channel: ScriptedChannel, limits: dict[str, int]):
        made = setting(balance=200_00, **limits)
        before = made.trade.footprint()

        with pytest.raises(PayerTokenInvalid):
            made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)

        assert made.trade.footprint() == before
        assert made.agreement().spent_amount == 0
        assert not AgreementUse.objects.filter(agreement=made.agreement()).exists()
        assert held_of(made.payer_no) == (200_00, 0)


WISHES = [{"use_balance": True}, {"balance_amount": 30_00}]


class TestWho:
    @pytest.mark.parametrize("wish", WISHES)
    def test_a_merchant_needs_a_token_that_stands(
        self, channel: ScriptedChannel, wish: dict[str, object]
    ):
        made = setting(balance=50_00)
        foreign = make_payer_token(payer_no=made.payer_no, merchant_no=make_identity().merchant_no)
        before = made.trade.footprint()
        with pytest.raises(InvalidRequest):
            made.trade.pay_combined(**wish)
        revoke_agreement(agreement_no=made.agreement().agreement_no)
        for token in (foreign, "pt_nonsense", made.token):
            with pytest.raises(PayerTokenInvalid):
                made.trade.pay_combined(payer_token=token, **wish)
        assert made.trade.footprint() == before
        assert held_of(made.payer_no) == (50_00, 0)

    @pytest.mark.parametrize("wish", WISHES)
    def test_a_merchant_who_excluded_the_balance_gets_none(
        self, channel: ScriptedChannel, wish: dict[str, object]
    ):
        made = setting(balance=50_00)
        trade = make_trade(
            amount=AMOUNT, merchant=made.trade.merchant, allowed_methods=[Method.QR_CODE]
        )
        before = trade.footprint()
        with pytest.raises(MethodUnavailable):
            trade.pay_combined(payer_token=made.token, **wish)
        assert trade.footprint() == before

    def test_the_same_wish_is_the_same_payment_and_another_is_not(self, channel: ScriptedChannel):
        made = setting(balance=50_00)

        def pay(**wish: object) -> str:
            return made.trade.pay_combined(payer_token=made.token, **wish).payment_no

        first = pay(balance_amount=30_00)
        assert pay(balance_amount=30_00) == first
        assert len(made.trade.holds()) == 1
        for wish in ({"balance_amount": 20_00}, {"use_balance": True}, {}):
            channel.query_answers.append(ChannelAnswer(outcome=Outcome.CLOSED))
            following = pay(**wish)
            assert following != first
            first = following
        assert [row["status"] for row in made.trade.payments()] == [
            "FAILED",
            "FAILED",
            "FAILED",
            "PAYING",
        ]
        assert held_of(made.payer_no) == (50_00, 0)


class TestCashier:
    def pay(self, made: Setting, **changes: object) -> str:
        arguments: dict[str, object] = {
            "token": made.trade.order_no[4:] + str(made.trade.order()["cashier_secret"]),
            "method": "QR_CODE",
            "options": {},
            "payer_no": made.payer_no,
            "payment_password": PASSWORD,
            "terminal": "WAP",
            "use_balance": True,
        }
        return pay_from_cashier(**arguments | changes).status  # type: ignore[arg-type]

    def test_takes_the_balance_first_from_who_proves_himself(self, channel: ScriptedChannel):
        made = setting(balance=30_00, max_per_payment=1)

        assert self.pay(made) == "PAYING"

        assert legs_of(made.trade) == [("BALANCE", 30_00), ("QR_CODE", 70_00)]
        assert not AgreementUse.objects.filter(agreement=made.agreement()).exists()
        collect(made.trade, 70_00)
        assert made.trade.order()["status"] == "SUCCESS"
        assert held_of(made.payer_no) == (0, 0)

    @pytest.mark.parametrize(
        "wrong", [{"payment_password": "wrong"}, {"payer_no": "pyr_x"}, {"payer_no": None}]
    )
    def test_a_wrong_password_takes_nothing(
        self, channel: ScriptedChannel, wrong: dict[str, object]
    ):
        made = setting(balance=30_00)
        before = made.trade.footprint()
        with pytest.raises(WrongPaymentPassword):
            self.pay(made, **wrong)
        assert made.trade.footprint() == before
        assert held_of(made.payer_no) == (30_00, 0)

    def test_number_and_password_are_ignored_without_the_wish(self, channel: ScriptedChannel):
        made = setting(balance=30_00)
        assert self.pay(made, use_balance=False, payment_password="wrong") == "PAYING"
        assert legs_of(made.trade) == [("QR_CODE", AMOUNT)]
        assert made.trade.holds() == []


class TestSpending:
    def test_counts_the_balances_part_only(self, channel: ScriptedChannel):
        made = setting(balance=50_00)
        made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
        assert made.agreement().spent_amount == 30_00
        collect(made.trade, 70_00)
        assert made.agreement().spent_amount == 30_00
        (use,) = AgreementUse.objects.filter(agreement=made.agreement())
        assert (use.amount, use.released_at) == (30_00, None)

    @pytest.mark.parametrize(
        "wish",
        [{"balance_amount": 30_00}, {"use_balance": True}],
        ids=["balance_amount", "use_balance"],
    )
    def test_of_a_failed_payment_comes_back_when_it_is_needed(
        self, channel: ScriptedChannel, wish: dict[str, object]
    ):
        made = setting(balance=50_00, max_per_day=30_00)
        made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
        answer(made.trade, DECLINED)
        assert made.agreement().spent_amount == 30_00
        other = made.another_trade()

        assert other.pay_combined(payer_token=made.token, **wish).status == "PAYING"

        assert legs_of(other)[0] == ("BALANCE", 30_00)
        assert made.agreement().spent_amount == 30_00

    def test_of_a_failed_payment_comes_back_for_a_balance_payment(self, channel: ScriptedChannel):
        made = setting(balance=50_00, max_per_day=30_00)
        made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
        answer(made.trade, DECLINED)
        other = made.another_trade(amount=30_00)

        assert other.pay(Method.BALANCE, payer_token=made.token).status == "PAID"

        assert made.agreement().spent_amount == 30_00
        assert len(other.payments()) == 1

    @pytest.mark.parametrize("ended", ["PAYING", "PAID"])
    def test_of_any_other_payment_stays(self, channel: ScriptedChannel, ended: str):
        made = setting(balance=100_00, max_per_day=30_00)
        made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
        if ended == "PAID":
            collect(made.trade, 70_00)
        other = made.another_trade(amount=10_00)
        before = other.footprint()

        for method, wish in ((Method.QR_CODE, {"balance_amount": 1}), (Method.BALANCE, {})):
            with pytest.raises(PayerTokenInvalid):
                other.pay_combined(method, payer_token=made.token, **wish)

        assert other.footprint() == before
        assert made.agreement().spent_amount == 30_00

    def test_of_yesterday_gives_today_nothing(self, channel: ScriptedChannel, clock: VirtualClock):
        made = setting(balance=200_00, max_per_day=30_00)
        made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
        clock.advance(24 * 3_600)
        answer(made.trade, DECLINED)
        today = made.another_trade()
        assert today.pay_combined(payer_token=made.token, balance_amount=30_00).status == "PAYING"
        assert made.agreement().spent_amount == 30_00

        with pytest.raises(PayerTokenInvalid):
            made.another_trade().pay_combined(payer_token=made.token, balance_amount=1)

        assert made.agreement().spent_amount == 30_00

    @pytest.mark.parametrize("wish", [{}, {"balance_amount": 10_00}, {"use_balance": True}])
    def test_no_day_begins_twice_for_who_began_before_midnight(
        self, channel: ScriptedChannel, clock: VirtualClock, wish: dict[str, object]
    ):
        """The time of a transaction is that of its beginning: it may come after one of the next day."""
        made = setting(balance=200_00, max_per_day=30_00)
        clock.advance(24 * 3_600)
        made.another_trade(amount=20_00).pay(Method.BALANCE, payer_token=made.token)
        after_midnight = made.agreement()
        early, late = made.another_trade(amount=30_00), made.another_trade(amount=20_00)

        clock.advance(-24 * 3_600)
        if wish:
            assert early.pay_combined(payer_token=made.token, **wish).status == "PAYING"
            answer(early, DECLINED)
            assert early.pay_combined(payer_token=made.token, **wish).status == "PAYING"
        else:
            with pytest.raises(PayerTokenInvalid):
                early.pay(Method.BALANCE, payer_token=made.token)
        clock.advance(24 * 3_600)
        with pytest.raises(PayerTokenInvalid):
            late.pay(Method.BALANCE, payer_token=made.token)

        taken = 30_00 if wish else 20_00
        agreement = made.agreement()
        assert (agreement.spent_date, agreement.spent_amount) == (after_midnight.spent_date, taken)


def test_a_plain_balance_payment_still_takes_two_round_trips(channel: ScriptedChannel):
    """Agreements with combined payments behind them, and holds on the balance, cost the hot path nothing."""
    made = setting(balance=500_00)
    made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
    made.another_trade().pay(Method.BALANCE, payer_token=made.token)
    order = made.another_trade()
    with counting_round_trips() as seen:
        order.pay(Method.BALANCE, payer_token=made.token)
    assert seen.statements == ["read_payable", "pay_from_balances"]
    assert seen.on_the_wire == 2


def test_what_is_held_cannot_be_spent_twice(channel: ScriptedChannel):
    made = setting(balance=50_00)
    made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
    other = made.another_trade(amount=20_01)

    assert other.pay(Method.BALANCE, payer_token=made.token).status == "FAILED"
    top_up(payer_no=made.payer_no, amount=1)
    assert other.pay(Method.BALANCE, payer_token=made.token).status == "PAID"

    assert held_of(made.payer_no) == (30_00, 30_00)
    assert open_holds_of(made.payer_no) == 30_00
    collect(made.trade, 70_00)
    with pytest.raises(OrderAlreadyPaid):
        made.trade.pay_combined(payer_token=made.token, balance_amount=30_00)
    assert held_of(made.payer_no) == (0, 0)
    assert balance_of(f"L20:{made.trade.merchant.merchant_no}:CNY") == AMOUNT + 20_01
