"""Combined payments against everything else: one winner, and the balance's part ends with the payment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from acquiring.contracts import (
    Method,
    PayerTokenInvalid,
    PaymentInProgress,
)
from engine.contracts import Cause
from engine.services.inquiries import query_attempt
from engine.services.outcomes import apply_attempt_outcome
from engine.services.submission import submit_attempt
from tests.barrier import Racers, failures, racers, run_together
from tests.clock import VirtualClock
from tests.concurrency.conftest import Rounds
from tests.concurrency.institution import WordKeeper
from tests.concurrency.sides import close_of, pay_at
from tests.concurrency.test_ending import check_ends, expire_all
from tests.makers import make_payer, make_payer_token
from tests.trading import Trade, held_of, make_identity, make_trade, open_holds_of, rows

_AT_ONCE = 4
_MOMENTS = ("at once", "query", "close")
_PART = 4_00
_RACERS = 64


@dataclass(frozen=True)
class Purse:
    """A payer and the token he gave to one merchant."""

    payer_no: str
    token: str

    def check(self, balance: int) -> None:
        """Held is what open holds add up to, and nothing is open any more."""
        assert open_holds_of(self.payer_no) == 0
        assert held_of(self.payer_no) == (balance, 0)


def purse_for(merchant_no: str, *, balance: int, **limits: int) -> Purse:
    payer_no = make_payer(balance=balance)
    token = make_payer_token(payer_no=payer_no, merchant_no=merchant_no, **limits)
    return Purse(payer_no, token)


def check_hold(trade: Trade, *, charged: bool) -> None:
    """Captured with the success, given back with the close."""
    assert [row["status"] for row in trade.holds()] == ["CAPTURED" if charged else "RELEASED"]
    assert [row["status"] for row in trade.details()] == (
        ["DONE", "DONE"] if charged else ["RELEASED", "FAILED"]
    )


def race_ends(
    rounds: Rounds,
    keeper: WordKeeper,
    racing: Racers,
    *,
    closed_by: str,
    enders: Callable[[list[Trade]], list[Callable[[], object]]],
    **order: int,
) -> None:
    """Play rounds of payers against enders, with a hold on every payment."""
    merchant = make_identity()
    count = rounds.count // 5
    purse = purse_for(merchant.merchant_no, balance=count * _PART)
    charged = 0
    for number in range(0, count, _AT_ONCE):
        dice = rounds.random_of(number)
        trades = [make_trade(merchant=merchant, **order) for _ in range(_AT_ONCE)]
        for trade in trades:
            paid = trade.pay_combined(payer_token=purse.token, balance_amount=_PART)
            assert paid.status == "PAYING"

        outcomes = racing.run(
            [pay_at(dice.choice(_MOMENTS), trade, keeper) for trade in trades] + enders(trades)
        )

        assert failures(outcomes) == [], rounds
        for trade in trades:
            won = bool(check_ends([trade], keeper, closed_by))
            check_hold(trade, charged=won)
            charged += won
    purse.check((count - charged) * _PART)
    assert trades[0].merchant_balance() == charged * 10_00
    assert 0 < charged < count, f"{rounds}: one side always won; nothing was raced"


def test_close_against_success_of_a_combined_payment(rounds: Rounds, keeper: WordKeeper):
    def enders(trades: list[Trade]) -> list[Callable[[], object]]:
        (attempt,) = trades[0].attempts()
        inquiry = lambda: query_attempt(attempt_no=attempt["attempt_no"])  # noqa: E731
        return [*(close_of(trade) for trade in trades), inquiry]

    with racers(2 * _AT_ONCE + 1) as racing:
        race_ends(rounds, keeper, racing, closed_by="MERCHANT", enders=enders)


def test_expiry_against_success_of_a_combined_payment(
    rounds: Rounds, keeper: WordKeeper, clock: VirtualClock
):
    def enders(_trades: list[Trade]) -> list[Callable[[], object]]:
        clock.advance(61)
        return [expire_all, expire_all]

    with racers(_AT_ONCE + 2) as racing:
        race_ends(rounds, keeper, racing, closed_by="EXPIRED", enders=enders, expires_in=60)


def test_64_debits_and_holds_of_one_balance_never_take_more_than_there_is(keeper: WordKeeper):
    """Half pay from the balance, half hold a part of it; then every hold ends. No update is lost."""
    merchant = make_identity()
    trades = [make_trade(merchant=merchant) for _ in range(_RACERS)]
    balance = 20 * 10_00 + 3
    purse = purse_for(merchant.merchant_no, balance=balance)

    def race(number: int) -> str:
        trade = trades[number]
        if number % 2:
            return trade.pay(Method.BALANCE, payer_token=purse.token).status
        return trade.pay_combined(payer_token=purse.token, balance_amount=9_99).status

    with racers(_RACERS) as racing:
        first = racing.run([lambda n=n: race(n) for n in range(_RACERS)])
        assert failures(first) == []
        wholes, parts = first[1::2].count("PAID"), first[0::2].count("PAYING")
        assert held_of(purse.payer_no) == (balance - wholes * 10_00, parts * 9_99)
        assert open_holds_of(purse.payer_no) == parts * 9_99
        left = balance - wholes * 10_00 - parts * 9_99
        assert 0 <= left < 10_00, "somebody was refused although there was enough"

        for trade in trades:  # those that found every channel slot taken are a worker's to send
            for attempt in trade.attempts():
                submit_attempt(attempt_no=attempt["attempt_no"])
        holding = [trade for trade, said in zip(trades, first, strict=True) if said == "PAYING"]
        second = racing.run(
            [
                pay_at("at once", trade, keeper) if number % 3 else close_of(trade)
                for number, trade in enumerate(holding)
            ]
        )
    assert failures(second) == []
    captured = check_ends(holding, keeper, "MERCHANT")
    for trade in holding:
        check_hold(trade, charged=trade.order()["status"] == "SUCCESS")
    purse.check(balance - wholes * 10_00 - captured * 9_99)
    assert trades[0].merchant_balance() == (wholes + captured) * 10_00


def test_64_that_take_the_balance_first_share_it_to_the_last_cent(keeper: WordKeeper):
    """Plans made from an outdated reading are made again; what is held is never more than there is."""
    merchant = make_identity()
    trades = [make_trade(merchant=merchant) for _ in range(_RACERS)]
    purse = purse_for(merchant.merchant_no, balance=25_00)

    answers = run_together(
        [
            lambda trade=trade: trade.pay_combined(payer_token=purse.token, use_balance=True)
            for trade in trades
        ]
    )

    assert failures(answers) == []
    allowed = {("PAYING", None), ("PAID", None), ("FAILED", "insufficient_balance")}
    assert {(answer.status, answer.failure_code) for answer in answers} <= allowed
    balance, held = held_of(purse.payer_no)
    paid = [answer.status for answer in answers].count("PAID")
    assert balance == 25_00 - paid * 10_00
    assert held == open_holds_of(purse.payer_no) <= balance
    for trade, answer in zip(trades, answers, strict=True):
        parts = [row["amount"] for row in trade.details() if row["payment_id"] == answer.payment_no]
        assert sum(parts) == 10_00


def test_the_days_limit_holds_when_whole_and_combined_payments_race(keeper: WordKeeper):
    merchant = make_identity()
    trades = [make_trade(merchant=merchant) for _ in range(16)]
    purse = purse_for(merchant.merchant_no, balance=1_000_00, max_per_day=35_00)

    def race(number: int) -> str:
        if number % 2:
            return trades[number].pay(Method.BALANCE, payer_token=purse.token).status
        wish = {"payer_token": purse.token, "balance_amount": 5_00}
        return trades[number].pay_combined(**wish).status

    answers = run_together([lambda n=n: race(n) for n in range(16)])

    refused = failures(answers)
    assert all(isinstance(error, PayerTokenInvalid) for error in refused)
    taken = answers.count("PAID") * 10_00 + answers.count("PAYING") * 5_00
    assert 35_00 - 10_00 < taken <= 35_00
    (agreement,) = rows(
        "SELECT spent_amount FROM checkout_payer_agreement WHERE payer_id = %s", purse.payer_no
    )
    assert agreement["spent_amount"] == taken
    balance, held = held_of(purse.payer_no)
    assert 1_000_00 - balance + held == taken


def list_live(trade: Trade) -> list[dict[str, Any]]:
    """The trade's payments that are under way."""
    return [row for row in trade.payments() if row["status"] == "PAYING"]


def test_two_tabs_one_combined_one_plain_charge_once(rounds: Rounds, keeper: WordKeeper):
    """At most one lives. Whoever is told to ask again does, as a client would, and then finds one or starts one."""
    merchant = make_identity()
    count = rounds.count // 10
    purse = purse_for(merchant.merchant_no, balance=count * _PART)
    combined = 0
    with racers(2) as racing:
        for _ in range(count):
            trade = make_trade(merchant=merchant)
            presses = (
                trade.pay,
                lambda t=trade: t.pay_combined(payer_token=purse.token, balance_amount=_PART),
            )
            answers = racing.run(presses)
            assert all(isinstance(error, PaymentInProgress) for error in failures(answers))
            if not list_live(trade):
                # One was closed before it was sent, for the other, who could not wait for that.
                refused = [isinstance(answer, PaymentInProgress) for answer in answers]
                assert sorted(refused) == [False, True], rounds
                assert presses[refused.index(True)]().status == "PAYING"
            (live,) = list_live(trade)
            (attempt_no,) = [row["attempt_no"] for row in trade.attempts() if row["live_detail_no"]]
            submit_attempt(attempt_no=attempt_no)  # a worker's, if the press did not come to it
            said = keeper.charge(attempt_no)
            assert said is not None
            apply_attempt_outcome(attempt_no=attempt_no, answer=said, cause=Cause.CALLBACK)
            assert trade.order()["status"] == "SUCCESS"
            assert [row["status"] for row in trade.payments()].count("PAID") == 1
            combined += live["payer_no"] is not None
            assert not any(row["status"] == "OPEN" for row in trade.holds())
    purse.check((count - combined) * _PART)
    assert trade.merchant_balance() == count * 10_00
