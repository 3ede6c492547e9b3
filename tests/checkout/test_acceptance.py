"""Acceptance: balance payments, agreements, payment passwords, and what is refused."""

from __future__ import annotations

import pytest

from acquiring.contracts import (
    Method,
    OrderAlreadyPaid,
    OrderClosed,
    PayerTokenInvalid,
)
from checkout.contracts import (
    MethodUnavailable,
    PaymentPasswordLocked,
    WrongPaymentPassword,
)
from checkout.models import PayerAgreement
from checkout.services.acceptance import pay_from_cashier
from checkout.services.agreements import revoke_agreement
from checkout.services.wallets import MAX_WRONG_TRIES, hash_token, verify_payment_password
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from tests.barrier import run_together
from tests.clock import VirtualClock
from tests.makers import PASSWORD, make_payer, make_payer_token
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, balance_of, make_identity, make_trade


def paying(
    *, balance: int = 100_00, amount: int = 10_00, fee_rate_ppm: int = 0, **limits: int
) -> tuple[Trade, str, str]:
    """A trade, a payer and his token for the trade's merchant."""
    merchant = make_identity(fee_rate_ppm=fee_rate_ppm)
    payer_no = make_payer(balance=balance)
    token = make_payer_token(payer_no=payer_no, merchant_no=merchant.merchant_no, **limits)
    return make_trade(amount=amount, merchant=merchant), payer_no, token


class TestBalancePayment:
    def test_moves_the_money_and_the_fee(self):
        trade, payer_no, token = paying(fee_rate_ppm=6_000)
        assert trade.pay(Method.BALANCE, payer_token=token).status == "PAID"
        assert balance_of(f"L10:{payer_no}:CNY") == 90_00
        assert trade.merchant_balance() == 10_00 - 6
        assert trade.event_types() == ["order.success"]
        assert trade.moves() == [("", "INIT"), ("INIT", "PAYING"), ("PAYING", "SUCCESS")]

    def test_takes_two_round_trips(self):
        trade, _, token = paying()
        other = make_trade(merchant=trade.merchant)
        other.pay(Method.BALANCE, payer_token=token)
        with counting_round_trips() as seen:
            trade.pay(Method.BALANCE, payer_token=token)
        assert seen.statements == ["read_payable", "pay_from_balances"]
        assert seen.on_the_wire == 2

    def test_without_enough_money_fails_and_opens_the_order_again(self):
        trade, payer_no, token = paying(balance=9_99)
        result = trade.pay(Method.BALANCE, payer_token=token)
        assert (result.status, result.failure_code) == ("FAILED", "insufficient_balance")
        assert trade.order()["status"] == "INIT"
        assert balance_of(f"L10:{payer_no}:CNY") == 9_99
        assert trade.merchant_balance() == 0
        assert trade.event_types() == []

    def test_fails_the_order_with_the_last_try(self):
        merchant = make_identity(max_tries=1)
        payer_no = make_payer(balance=1)
        token = make_payer_token(payer_no=payer_no, merchant_no=merchant.merchant_no)
        trade = make_trade(merchant=merchant)
        trade.pay(Method.BALANCE, payer_token=token)
        assert trade.order()["status"] == "FAILED"
        assert trade.event_types() == ["order.failed"]

    def test_pressed_many_times_at_once_pays_once(self):
        trade, payer_no, token = paying()
        answers = run_together([lambda: trade.pay(Method.BALANCE, payer_token=token)] * 8)
        paid = [answer for answer in answers if not isinstance(answer, Exception)]
        assert len(paid) == 1
        assert all(isinstance(answer, OrderAlreadyPaid) for answer in answers if answer not in paid)
        assert balance_of(f"L10:{payer_no}:CNY") == 90_00
        assert len(trade.payments()) == 1

    def test_by_many_orders_at_once_never_overdraws(self):
        merchant = make_identity()
        payer_no = make_payer(balance=55_00)
        token = make_payer_token(payer_no=payer_no, merchant_no=merchant.merchant_no)
        trades = [make_trade(merchant=merchant) for _ in range(12)]
        answers = run_together(
            [lambda trade=trade: trade.pay(Method.BALANCE, payer_token=token) for trade in trades]
        )
        statuses = [answer.status for answer in answers]
        assert statuses.count("PAID") == 5
        assert statuses.count("FAILED") == 7
        assert balance_of(f"L10:{payer_no}:CNY") == 5_00
        assert balance_of(f"L20:{merchant.merchant_no}:CNY") == 50_00

    def test_after_the_deadline_is_refused(self, clock: VirtualClock):
        trade, _, token = paying()
        clock.advance(901)
        before = trade.footprint()
        with pytest.raises(OrderClosed):
            trade.pay(Method.BALANCE, payer_token=token)
        assert trade.footprint() == before


class TestPayerToken:
    def test_of_another_merchant_wrong_or_revoked_is_refused(self):
        trade, payer_no, token = paying()
        foreign = make_payer_token(payer_no=payer_no, merchant_no=make_identity().merchant_no)
        agreement = PayerAgreement.objects.get(token_hash=hash_token(token))
        revoke_agreement(agreement_no=agreement.agreement_no)
        before = trade.footprint()
        for bad in (foreign, token, "pt_nonsense"):
            with pytest.raises(PayerTokenInvalid):
                trade.pay(Method.BALANCE, payer_token=bad)
        assert trade.footprint() == before
        assert balance_of(f"L10:{payer_no}:CNY") == 100_00

    def test_is_required_from_a_merchant(self):
        trade, _, _ = paying()
        before = trade.footprint()
        with pytest.raises(InvalidRequest):
            trade.pay(Method.BALANCE)
        assert trade.footprint() == before

    def test_limit_per_payment_holds(self):
        trade, _, token = paying(max_per_payment=9_99)
        before = trade.footprint()
        with pytest.raises(PayerTokenInvalid):
            trade.pay(Method.BALANCE, payer_token=token)
        assert trade.footprint() == before

    def test_limit_per_day_holds_under_a_race_and_ends_at_midnight(self, clock: VirtualClock):
        trade, payer_no, token = paying(max_per_day=35_00)
        trades = [trade, *(make_trade(merchant=trade.merchant) for _ in range(7))]
        answers = run_together(
            [lambda t=t: t.pay(Method.BALANCE, payer_token=token) for t in trades]
        )
        assert sum(not isinstance(answer, Exception) for answer in answers) == 3
        assert balance_of(f"L10:{payer_no}:CNY") == 70_00
        clock.advance(24 * 3_600)
        fresh = make_trade(merchant=trade.merchant)
        assert fresh.pay(Method.BALANCE, payer_token=token).status == "PAID"

    def test_a_failed_payment_does_not_use_up_the_day(self):
        trade, payer_no, token = paying(balance=5_00, max_per_day=10_00)
        assert trade.pay(Method.BALANCE, payer_token=token).status == "FAILED"
        small = make_trade(amount=5_00, merchant=trade.merchant)
        assert small.pay(Method.BALANCE, payer_token=token).status == "PAID"
        assert balance_of(f"L10:{payer_no}:CNY") == 0


class TestPaymentPassword:
    def test_opens_the_wallet_from_the_cashier(self):
        trade, payer_no, _ = paying()
        result = pay_from_cashier(
            token=cashier_token(trade),
            method="BALANCE",
            options={},
            payer_no=payer_no,
            payment_password=PASSWORD,
            terminal="WEB",
        )
        assert result.status == "PAID"
        assert trade.order()["status"] == "SUCCESS"

    def test_is_locked_after_five_wrong_tries_in_parallel(self, clock: VirtualClock):
        payer_no = make_payer(balance=0)
        answers = run_together(
            [lambda: verify_payment_password(payer_no=payer_no, password="wrong")] * 20
        )
        wrong = [a for a in answers if isinstance(a, WrongPaymentPassword)]
        locked = [a for a in answers if isinstance(a, PaymentPasswordLocked)]
        assert (len(wrong), len(locked)) == (MAX_WRONG_TRIES, 20 - MAX_WRONG_TRIES)
        with pytest.raises(PaymentPasswordLocked):
            verify_payment_password(payer_no=payer_no, password=PASSWORD)
        clock.advance(3 * 3_600 + 1)
        verify_payment_password(payer_no=payer_no, password=PASSWORD)

    def test_right_one_forgets_the_wrong_tries(self):
        payer_no = make_payer(balance=0)
        for _round in range(3):
            for _wrong in range(MAX_WRONG_TRIES - 1):
                with pytest.raises(WrongPaymentPassword):
                    verify_payment_password(payer_no=payer_no, password="wrong")
            verify_payment_password(payer_no=payer_no, password=PASSWORD)

    def test_of_nobody_is_answered_like_a_wrong_one(self):
        with pytest.raises(WrongPaymentPassword):
            verify_payment_password(payer_no="pyr_nobody", password=PASSWORD)

    def test_wrong_changes_nothing_in_the_trade(self):
        trade, payer_no, _ = paying()
        before = trade.footprint()
        with pytest.raises(WrongPaymentPassword):
            pay_from_cashier(
                token=cashier_token(trade),
                method="BALANCE",
                options={},
                payer_no=payer_no,
                payment_password="wrong",
                terminal="WEB",
            )
        assert trade.footprint() == before


class TestMethods:
    def test_not_allowed_by_the_merchant_is_refused(self):
        trade = make_trade(allowed_methods=[Method.BALANCE])
        before = trade.footprint()
        with pytest.raises(MethodUnavailable):
            trade.pay(Method.QR_CODE)
        assert trade.footprint() == before

    @pytest.mark.parametrize(
        ("method", "name"),
        [(Method.NET_BANKING, "bank_code"), (Method.WALLET, "wallet_code")],
    )
    def test_with_a_bank_or_wallet_nobody_knows_is_refused(self, method, name):
        trade = make_trade()
        before = trade.footprint()
        with pytest.raises(InvalidRequest) as refusal:
            trade.pay(method, **{name: "NO_SUCH"})
        (error,) = refusal.value.errors
        assert error.field == f"options.{name}"
        assert "ICBC" in error.detail if name == "bank_code" else "BLUE_WALLET" in error.detail
        assert trade.footprint() == before

    @pytest.mark.parametrize(
        ("method", "option"),
        [
            (Method.QR_CODE, {"bank_code": "ICBC"}),
            (Method.NET_BANKING, {"wallet_code": "BLUE_WALLET"}),
            (Method.WALLET, {"card_token": "tok_success"}),
            (Method.BANK_CARD, {"card_token": ""}),
        ],
    )
    def test_with_an_option_of_another_or_an_empty_one_is_refused(self, method, option):
        trade = make_trade()
        before = trade.footprint()
        with pytest.raises(InvalidRequest) as refusal:
            trade.pay(method, **option)
        assert [error.field for error in refusal.value.errors] == [f"options.{next(iter(option))}"]
        assert trade.footprint() == before

    def test_of_another_merchants_order_is_not_found(self):
        trade = make_trade()
        stranger = Trade(make_identity(), trade.order_no)
        before = trade.footprint()
        with pytest.raises(NotFound):
            stranger.pay(Method.QR_CODE)
        assert trade.footprint() == before


def cashier_token(trade: Trade) -> str:
    """The token of the order's cashier link."""
    return trade.order_no[4:] + str(trade.order()["cashier_secret"])
