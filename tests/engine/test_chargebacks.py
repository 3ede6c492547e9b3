"""Chargebacks, whoever brings the file: booked once, counted once, and refunds of their order are limited by them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from acquiring.admin.refunding import count_left
from acquiring.contracts import RefundExceedsPaid
from acquiring.models import TradeOrder
from engine import api as engine
from engine.channels.base import ChannelAnswer
from engine.contracts import (
    Cause,
    HeldDecision,
    LateMoneyDecision,
    Resolution,
)
from engine.invariants import _LATE_MONEY_GOES_ONE_WAY
from engine.late_money import LateMoneyNotPulledBack, LateMoneyPulledBack
from engine.models import Chargeback, Discrepancy
from engine.services.discrepancies import resolve_discrepancy
from engine.services.late_money_settling import _send_back_when_due
from engine.services.pulled_back import list_pulled_back
from engine.services.reconciliation import settle_booked_differences
from engine.services.refund_outcomes import apply_refund_outcome
from engine.statement_contracts import ResolutionNotPossible, StatementRefused
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import DomainError
from tests.console import trades
from tests.engine.statement_days import (
    AMOUNT,
    CHANNEL,
    L90,
    Day,
    found,
    kinds,
    line_of,
    moved,
    paid,
    resolve,
)
from tests.makers import make_merchant
from tests.statements import Line
from tests.trading import balance_of, rows
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("nothing_is_left_unexplained")
PULLED = 6_00
LEFT = AMOUNT - PULLED


def pulled_line(trade: trades.Trade, **changes: Any) -> Line:
    """The line of a chargeback of this trade."""
    name = numbers.new_number("trd")
    return Line(name, trade.attempt, PULLED, kind="CHARGEBACK", fee=0).but(**changes)


def kept(line: Line) -> list[Chargeback]:
    """What is written down of a chargeback."""
    return list(Chargeback.objects.filter(channel_trade_no=line.trade_no))


def borne(trade: trades.Trade) -> int:
    """What its merchant bears; he has nothing else available."""
    return -balance_of(f"L21:{trade.merchant['merchant_no']}:CNY")


def left_of(trade: trades.Trade) -> int:
    """What the page of the order says is left to refund."""
    return count_left(TradeOrder.objects.get(pk=trade.order))


def assert_refunds_stop_at(trade: trades.Trade, left: int) -> None:
    """One more than is left is refused and changes nothing; what is left goes back."""
    assert left_of(trade) == left
    before = rows("SELECT * FROM engine_refund WHERE order_no = %s", trade.order)
    with pytest.raises(RefundExceedsPaid):
        trades.refunded(trade, amount=left + 1)
    assert rows("SELECT * FROM engine_refund WHERE order_no = %s", trade.order) == before
    if left:
        assert trades.refunded(trade, amount=left).refund
        assert left_of(trade) == 0


@pytest.mark.parametrize(
    ("resolution", "borne_by_merchant", "left"),
    [
        (Resolution.CHARGED, PULLED, LEFT),
        (Resolution.WRITTEN_OFF, 0, LEFT),
        (Resolution.PROMISED, 0, AMOUNT),
    ],
)
def test_what_two_people_say_of_an_operators_line_limits_refunds(
    today: Day, books: dict[str, int], resolution: Resolution, borne_by_merchant: int, left: int
):
    trade = paid()
    line = pulled_line(trade)
    today.reconcile(line_of(trade), line)
    assert (kept(line), left_of(trade)) == ([], AMOUNT)
    (row,) = found(line.trade_no)
    resolve(row, resolution)
    stands = resolution != Resolution.PROMISED
    assert [one.discrepancy_no for one in kept(line)] == [row["discrepancy_no"]] * stands
    assert borne(trade) == borne_by_merchant
    assert moved(books) == (AMOUNT - PULLED * stands, 0, 0)
    assert_refunds_stop_at(trade, left)


class TestBothWaysOfArrival:
    """The operator's file and the institution's own: one chargeback, in whichever order they come."""

    @pytest.mark.parametrize("another_file", [True, False], ids=["another-file", "the-same-file"])
    def test_resolved_then_fetched(self, today: Day, books: dict[str, int], another_file: bool):
        trade = paid()
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line)
        resolve(found(line.trade_no)[0], Resolution.CHARGED)
        extra = [Line(numbers.new_number("trd"), "", 1)] if another_file else []
        for _run in range(2):
            today.reconcile(line_of(trade), line, *extra, verified=True)
        assert (len(kept(line)), len(found(line.trade_no))) == (1, 1)
        assert borne(trade) == PULLED
        assert moved(books) == (LEFT + another_file, 0, int(another_file))
        assert_refunds_stop_at(trade, LEFT)

    def test_resolved_then_fetched_in_the_file_of_an_earlier_day(
        self, today: Day, books: dict[str, int]
    ):
        trade = paid()
        line = pulled_line(trade)
        today.bring(line_of(trade))
        first = today.date
        today.next()
        today.reconcile(line)
        resolve(found(line.trade_no)[0], Resolution.WRITTEN_OFF)
        today.reconcile(line_of(trade), line, verified=True, day=first)
        assert (len(kept(line)), len(found(line.trade_no))) == (1, 1)
        assert (borne(trade), moved(books)) == (0, (LEFT, 0, 0))
        assert left_of(trade) == LEFT

    def test_fetched_then_brought_is_refused(self, today: Day, books: dict[str, int]):
        trade = paid()
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line, verified=True)
        with pytest.raises(StatementRefused):
            today.bring(line_of(trade), line, Line(numbers.new_number("trd"), "", 1))
        today.again()
        assert [one.discrepancy_no for one in kept(line)] == [None]
        assert [row["resolution"] for row in found(line.trade_no)] == ["BOOKED_SINCE"]
        assert (borne(trade), moved(books)) == (PULLED, (LEFT, 0, 0))
        assert_refunds_stop_at(trade, LEFT)

    @pytest.mark.parametrize("resolution", [Resolution.CHARGED, Resolution.WRITTEN_OFF])
    def test_fetched_while_two_people_decide(
        self, today: Day, books: dict[str, int], resolution: Resolution, monkeypatch: Any
    ):
        """The institution's file of an earlier day comes first: what they agree on is booked already."""
        trade = paid()
        line = pulled_line(trade)
        first = today.date
        today.next()
        today.reconcile(line)
        (row,) = found(line.trade_no)
        with monkeypatch.context() as undone:
            target = "engine.services.reconciliation.settle_booked_differences"
            undone.setattr(target, lambda channel_code: 0)  # the run ends here
            today.reconcile(line_of(trade), line, verified=True, day=first)
        before = (moved(books), borne(trade), found(line.trade_no))
        with pytest.raises(ResolutionNotPossible):
            resolve(row, resolution)
        assert (moved(books), borne(trade), found(line.trade_no)) == before
        settle_booked_differences(channel_code=CHANNEL)
        assert {one["resolution"] for one in found(line.trade_no)} == {"BOOKED_SINCE"}
        assert len(kept(line)) == 1
        assert (borne(trade), moved(books)) == (PULLED, (LEFT, 0, 0))


class TestCorrectedFiles:
    """A newer version of a day says something else of a chargeback."""

    def test_gone_before_it_was_decided_limits_nothing(self, today: Day, books: dict[str, int]):
        trade = paid()
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line)
        today.reconcile(line_of(trade))
        assert [row["resolution"] for row in found(line.trade_no)] == ["FILE_CORRECTED"]
        assert (kept(line), moved(books)) == ([], (AMOUNT, 0, 0))
        assert_refunds_stop_at(trade, AMOUNT)

    def test_of_the_institutions_own_file_only_its_own_correction_counts(self, today: Day):
        trade = trades.paid_too_late(merchant=make_merchant(late_money_policy="HOLD"))
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line, verified=True)
        before = found(line.trade_no)
        with pytest.raises(StatementRefused, match="own file"):
            today.bring(line_of(trade))
        today.again()
        assert found(line.trade_no) == before
        today.reconcile(line_of(trade), verified=True)
        assert [row["resolution"] for row in found(line.trade_no)] == ["FILE_CORRECTED"]

    @pytest.mark.parametrize("verified", [True, False], ids=["fetched-first", "resolved-first"])
    @pytest.mark.parametrize("resolution", [Resolution.CHARGED, Resolution.WRITTEN_OFF])
    def test_a_larger_one_limits_refunds_by_what_it_is_larger(
        self, today: Day, books: dict[str, int], verified: bool, resolution: Resolution
    ):
        trade = paid()
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line, verified=verified)
        if not verified:
            resolve(found(line.trade_no)[0], Resolution.CHARGED)
        today.reconcile(line_of(trade), line.but(amount=PULLED + 1_00), verified=verified)
        assert left_of(trade) == LEFT
        resolve(found(line.trade_no)[-1], resolution)
        charged = resolution == Resolution.CHARGED
        assert borne(trade) == PULLED + charged * 1_00
        assert (len(kept(line)), moved(books)) == (1, (LEFT - 1_00, 0, 0))
        assert_refunds_stop_at(trade, LEFT - 1_00)


def test_one_in_another_currency_leaves_nothing_to_refund_by_itself(today: Day):
    trade = paid()
    line = pulled_line(trade, currency="USD", amount=1)
    today.reconcile(line_of(trade), line)
    resolve(found(line.trade_no)[0], Resolution.CHARGED)
    assert_refunds_stop_at(trade, 0)


def test_what_a_merchant_has_given_back_already_is_not_charged_to_him_again(today: Day):
    trade = trades.refunded(paid(), amount=AMOUNT)
    line = pulled_line(trade)
    today.reconcile(line_of(trade), line)
    (row,) = found(line.trade_no)
    with pytest.raises(ResolutionNotPossible):
        resolve(row, Resolution.CHARGED)
    assert (found(line.trade_no), kept(line), borne(trade)) == ([row], [], 0)
    resolve(row, Resolution.WRITTEN_OFF)
    assert (left_of(trade), borne(trade)) == (0, 0)


def test_of_money_that_no_merchant_got_no_merchant_is_charged(today: Day, books: dict[str, int]):
    """The charge came too late and waits in suspense, or went back: its chargeback is for people."""
    trade = trades.paid_too_late()
    line = pulled_line(trade)
    today.reconcile(line_of(trade), line, verified=True)
    (row,) = found(line.trade_no)
    assert (row["kind"], row["status"], row["posted_at"] is not None) == (
        "CHANNEL_ONLY",
        "OPEN",
        True,
    )
    assert (kept(line), borne(trade)) == ([], 0)
    assert moved(books)[1] == PULLED
    with pytest.raises(ResolutionNotPossible):
        resolve(row, Resolution.CHARGED)
    assert (found(line.trade_no), kept(line), borne(trade)) == ([row], [], 0)
    resolve(row, Resolution.WRITTEN_OFF)
    assert borne(trade) == 0


def test_of_a_charge_that_failed_no_merchant_is_charged(today: Day):
    trade = trades.answered(trades.paying(), trades.Outcome.FAILED)
    line = pulled_line(trade)
    today.reconcile(line)
    (row,) = found(line.trade_no)
    with pytest.raises(ResolutionNotPossible):
        resolve(row, Resolution.CHARGED)
    assert (found(line.trade_no), kept(line), borne(trade)) == ([row], [], 0)


def _at_once(*acts: Callable[[], Any]) -> list[str]:
    """Do all of them at the same moment; returns the codes of what was refused."""
    start, refused = threading.Barrier(len(acts)), []

    def do(act: Callable[[], Any]) -> None:
        try:
            start.wait()
            act()
        except DomainError as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return refused


def test_a_refund_and_a_resolution_at_once_follow_one_another(today: Day):
    """Whichever is second is refused: together they would be more than the charge."""
    trade = paid()
    line = pulled_line(trade)
    today.reconcile(line_of(trade), line)
    (row,) = found(line.trade_no)
    refused = _at_once(
        lambda: resolve(row, Resolution.CHARGED), lambda: trades.refunded(trade, amount=AMOUNT)
    )
    gone = rows("SELECT created_at FROM engine_refund WHERE order_no = %s", trade.order)
    if gone:
        assert (refused, kept(line)) == (["resolution_not_possible"], [])
        assert (left_of(trade), borne(trade)) == (0, 0)
    else:
        assert (refused, left_of(trade), borne(trade)) == (["refund_exceeds_paid"], LEFT, PULLED)


def _holds_up_somebody() -> bool:
    """Whether another connection waits for what this transaction has locked."""
    (row,) = rows(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))) AS waits"
    )
    return bool(row["waits"])


def test_a_refund_waits_for_a_resolution_that_holds_its_order(today: Day):
    trade = paid()
    line = pulled_line(trade)
    today.reconcile(line_of(trade), line)
    (row,) = found(line.trade_no)
    held, refused = threading.Event(), []

    def refund() -> None:
        try:
            held.wait()
            trades.refunded(trade, amount=AMOUNT)
        except DomainError as error:
            refused.append(error.code)
        finally:
            connections.close_all()

    thread = threading.Thread(target=refund)
    thread.start()
    with transaction.atomic():
        resolve_discrepancy(
            discrepancy_no=row["discrepancy_no"],
            resolution=Resolution.CHARGED,
            decided_by="proposal:x",
        )
        held.set()
        wait_until(lambda: _holds_up_somebody() or not thread.is_alive(), what="the refund waits")
        assert refused == []
    thread.join()
    assert refused == ["refund_exceeds_paid"]


def test_two_differences_of_one_chargeback_resolved_at_once_are_booked_once(today: Day):
    """Two days' files have it, each the first that was read."""
    trade = paid()
    line = pulled_line(trade)
    first = today.date
    today.bring(line_of(trade))
    today.next()
    today.reconcile(line)
    today.reconcile(line_of(trade), line, day=first)
    both = found(line.trade_no)
    assert [row["kind"] for row in both] == ["CHANNEL_ONLY"] * 2
    refused = _at_once(*(lambda row=row: resolve(row, Resolution.CHARGED) for row in both))  # type: ignore[misc]
    assert refused == ["resolution_not_possible"]
    assert (len(kept(line)), borne(trade)) == (1, PULLED)
    assert Discrepancy.objects.filter(match_key=line.trade_no, resolved_at=None).count() == 1


class TestLateMoney:
    """Money that came too late, and that its channel has pulled back since, goes to nobody a second time."""

    @pytest.mark.parametrize("pulled", [AMOUNT, PULLED], ids=["all", "a-part"])
    @pytest.mark.parametrize("is_written_off", [True, False], ids=["written-off", "waiting"])
    def test_is_neither_honoured_nor_refunded_by_people(
        self, today: Day, pulled: int, is_written_off: bool
    ):
        trade = late_and_pulled_back(today, "HOLD", pulled, is_written_off=is_written_off)
        before = all_of(trade)
        for decision in (HeldDecision.HONOUR, HeldDecision.REFUND):
            with pytest.raises(LateMoneyPulledBack), transaction.atomic():
                engine.decide_held_late_money(
                    late_money_no=late_no(trade), decision=decision, decided_by="proposal:x"
                )
            with pytest.raises(LateMoneyPulledBack), transaction.atomic():
                engine.preview_held_late_money(late_money_no=late_no(trade), decision=decision)
        assert all_of(trade) == before

    def test_is_neither_honoured_nor_refunded_by_its_merchant(self, today: Day):
        trade = late_and_pulled_back(today, "ASK", AMOUNT)
        before = all_of(trade)
        for decision in LateMoneyDecision:
            with pytest.raises(LateMoneyPulledBack):
                engine.decide_late_money(
                    late_money_no=late_no(trade),
                    merchant_no=trade.merchant["merchant_no"],
                    decision=decision,
                    cause=Cause.API,
                )
        assert all_of(trade) == before

    def test_is_left_to_people_when_its_policy_is_due(self, today: Day):
        trade = late_and_pulled_back(today, "REFUND", AMOUNT)
        _send_back_when_due(late_money_no=late_no(trade))
        ((late,), refunds, ((kind, status),), *_rest) = all_of(trade)
        assert (late["status"], late["due_at"], refunds) == ("OPEN", None, [])
        assert (kind, status) == ("late_money", "OPEN")

    def test_makes_good_what_two_people_have_written_off(self, today: Day, books: dict[str, int]):
        loss = balance_of("X90:platform:CNY")
        trade = late_and_pulled_back(today, "HOLD", AMOUNT)
        assert moved(books) == (0, 0, AMOUNT)
        end_pulled_back(trade)
        assert moved(books) == (0, 0, 0)
        assert balance_of("X90:platform:CNY") == loss
        ((late,), refunds, cases, *_rest) = all_of(trade)
        assert (late["status"], late["decided_by"], refunds) == ("REFUNDED", "proposal:x", [])
        assert cases == [("late_money", "RESOLVED")]
        assert late["late_money_no"] not in broken()

    @pytest.mark.parametrize("decision", [HeldDecision.REFUND, HeldDecision.HONOUR])
    def test_a_part_makes_good_as_much_and_the_rest_is_decided(
        self, today: Day, books: dict[str, int], decision: HeldDecision
    ):
        loss = balance_of("X90:platform:CNY")
        trade = late_and_pulled_back(today, "HOLD", PULLED)
        assert (moved(books), balance_of("X90:platform:CNY")) == ((LEFT, 0, AMOUNT), loss + PULLED)
        end_pulled_back(trade)
        ((late,), refunds, cases, *_rest) = all_of(trade)
        assert (late["status"], late["pulled_back_amount"], refunds) == ("OPEN", PULLED, [])
        assert cases == [("late_money", "OPEN")]
        assert (moved(books), balance_of("X90:platform:CNY")) == ((LEFT, 0, LEFT), loss)
        before = all_of(trade)
        with pytest.raises(LateMoneyNotPulledBack):
            end_pulled_back(trade)
        assert all_of(trade) == before
        decide(trade, decision)
        ((late,), refunds, *_rest) = all_of(trade)
        if decision == HeldDecision.REFUND:
            assert [(one["amount"], one["external_amount"]) for one in refunds] == [(LEFT, LEFT)]
            answer = ChannelAnswer(outcome=trades.Outcome.SUCCEEDED, amount=LEFT, currency="CNY")
            apply_refund_outcome(
                refund_no=str(refunds[0]["refund_no"]), answer=answer, cause=Cause.INQUIRY
            )
            assert moved(books) == (0, 0, 0)
        else:
            (journal,) = rows(
                "SELECT sum(p.amount) AS amount FROM ledger_journal AS j JOIN ledger_posting AS p USING (journal_no)"
                " JOIN ledger_account AS a ON a.id = p.debit_account_id AND a.kind = 'L90'"
                " WHERE j.event_type = 'late_money_honoured' AND j.event_id = %s",
                late_no(trade),
            )
            assert (journal["amount"], moved(books)) == (LEFT, (LEFT, 0, 0))
        assert late["late_money_no"] not in broken()

    def test_two_parts_are_booked_one_after_the_other(self, today: Day, books: dict[str, int]):
        trade = late_and_pulled_back(today, "HOLD", PULLED)
        end_pulled_back(trade)
        again = pulled_line(trade, amount=LEFT)
        today.next()
        today.reconcile(again, verified=True)
        for decision in (HeldDecision.REFUND, HeldDecision.HONOUR):
            with pytest.raises(LateMoneyPulledBack):
                decide(trade, decision)
        resolve(found(again.trade_no)[0], Resolution.WRITTEN_OFF)
        end_pulled_back(trade)
        ((late,), refunds, cases, *_rest) = all_of(trade)
        assert (late["status"], late["pulled_back_amount"], refunds) == ("REFUNDED", AMOUNT, [])
        assert (cases, moved(books)) == ([("late_money", "RESOLVED")], (0, 0, 0))
        assert list_pulled_back(late_no(trade)) == [late_no(trade), f"{late_no(trade)}/{PULLED}"]
        assert late["late_money_no"] not in broken()

    @pytest.mark.parametrize("pulled", [AMOUNT, PULLED], ids=["one-of-them", "a-part-of-one"])
    def test_of_two_of_one_attempt_as_much_stays_as_was_pulled_back(
        self, today: Day, books: dict[str, int], pulled: int
    ):
        """It is not said which one: whoever is first may go, for the other still holds enough."""
        trade = two_late(today, pulled)
        first, second = numbers_of(trade)
        loss = balance_of("X90:platform:CNY")
        for number in (first, second):
            _send_back_when_due(late_money_no=number)
        assert states(trade) == {first: ("REFUNDING", 0), second: ("OPEN", 0)}
        with pytest.raises(LateMoneyPulledBack):
            decide(trade, HeldDecision.REFUND, second)
        decide(trade, HeldDecision.PULLED_BACK, second)
        assert balance_of("X90:platform:CNY") == loss - pulled
        if pulled < AMOUNT:
            decide(trade, HeldDecision.REFUND, second)
        end = "REFUNDING" if pulled < AMOUNT else "REFUNDED"
        assert states(trade) == {first: ("REFUNDING", 0), second: (end, pulled)}
        assert moved(books)[1:] == (0, 0)
        assert not broken() & {first, second}

    def test_of_two_nothing_goes_when_both_were_pulled_back(
        self, today: Day, books: dict[str, int]
    ):
        trade = two_late(today, AMOUNT, AMOUNT)
        for number in numbers_of(trade):
            _send_back_when_due(late_money_no=number)
            with pytest.raises(LateMoneyPulledBack):
                decide(trade, HeldDecision.HONOUR, number)
        for number in numbers_of(trade):
            decide(trade, HeldDecision.PULLED_BACK, number)
        assert set(states(trade).values()) == {("REFUNDED", AMOUNT)}
        assert moved(books) == (0, 0, 0)

    def test_of_two_that_are_due_at_once_one_goes(self, today: Day):
        trade = two_late(today, AMOUNT)
        _at_once(
            *(
                lambda number=number: _send_back_when_due(late_money_no=number)  # type: ignore[misc]
                for number in numbers_of(trade)
            )
        )
        assert sorted(status for status, _part in states(trade).values()) == ["OPEN", "REFUNDING"]

    @pytest.mark.parametrize("pulled", [AMOUNT, 0], ids=["not-written-off", "not-pulled-back"])
    def test_that_cost_nobody_anything_makes_good_nothing(self, today: Day, pulled: int):
        hold = make_merchant(late_money_policy="HOLD")
        trade = (
            late_and_pulled_back(today, "HOLD", pulled, is_written_off=False)
            if pulled
            else trades.paid_too_late(merchant=hold)
        )
        before = all_of(trade)
        with pytest.raises(LateMoneyNotPulledBack):
            end_pulled_back(trade)
        assert all_of(trade) == before

    def test_of_a_second_charge_is_for_people_to_decide_either_way(self, today: Day):
        """Its merchant has borne the chargeback of one of two charges; which one it was, only people know."""
        hold = make_merchant(late_money_policy="HOLD")
        trade = trades.paid_by_channel(merchant=hold)
        twice = trades.answered(trade, trades.Outcome.SUCCEEDED)
        line = pulled_line(trade, amount=AMOUNT)
        today.reconcile(line_of(trade), line_of(twice), line, verified=True)
        assert borne(trade) == AMOUNT
        before = all_of(trade)
        with pytest.raises(LateMoneyNotPulledBack):
            end_pulled_back(trade)
        assert all_of(trade) == before
        with transaction.atomic():
            engine.decide_held_late_money(
                late_money_no=late_no(trade),
                decision=HeldDecision.HONOUR,
                decided_by="proposal:x",
            )
        ((late,), *_rest) = all_of(trade)
        assert late["status"] == "HONOURED"


def decide(trade: trades.Trade, decision: HeldDecision, number: str | None = None) -> None:
    """What the approval of a proposal does."""
    with transaction.atomic():
        engine.decide_held_late_money(
            late_money_no=number or late_no(trade), decision=decision, decided_by="proposal:x"
        )


def end_pulled_back(trade: trades.Trade) -> None:
    decide(trade, HeldDecision.PULLED_BACK)


def broken() -> set[str]:
    """Late money that breaks what is promised of it."""
    return {row["subject"] for row in rows(_LATE_MONEY_GOES_ONE_WAY)}


def two_late(today: Day, *pulled: int) -> trades.Trade:
    """Two late moneys of one failed attempt; of them the channel pulls so much back, and people write it off."""
    trade = trades.paid_too_late(merchant=make_merchant(late_money_policy="REFUND"))
    twice = trades.answered(trade, trades.Outcome.SUCCEEDED)
    lines = [pulled_line(trade, amount=amount) for amount in pulled]
    today.reconcile(line_of(trade), line_of(twice), *lines, verified=True)
    for line in lines:
        resolve(found(line.trade_no)[0], Resolution.WRITTEN_OFF)
    return trade


def numbers_of(trade: trades.Trade) -> list[str]:
    late = trades.LateMoney.objects.filter(attempt_no=trade.attempt).order_by("pk")
    return [str(number) for number in late.values_list("pk", flat=True)]


def states(trade: trades.Trade) -> dict[str, tuple[str, int]]:
    """State of each, and how much of it was pulled back."""
    late = trades.LateMoney.objects.filter(attempt_no=trade.attempt)
    return {one.pk: (one.status, one.pulled_back_amount) for one in late}


def late_and_pulled_back(
    today: Day, policy: str, pulled: int, *, is_written_off: bool = True
) -> trades.Trade:
    """Late money of a merchant with this policy, of which the channel's file has pulled so much back."""
    trade = trades.paid_too_late(merchant=make_merchant(late_money_policy=policy))
    line = pulled_line(trade, amount=pulled)
    today.reconcile(line_of(trade), line, verified=True)
    if is_written_off:
        resolve(found(line.trade_no)[0], Resolution.WRITTEN_OFF)
    assert len(kept(line)) == is_written_off
    return trade


def late_no(trade: trades.Trade) -> str:
    return str(trades.LateMoney.objects.get(attempt_no=trade.attempt).pk)


def all_of(trade: trades.Trade) -> tuple[Any, ...]:
    """What late money is, what went back, who is asked, and all that its merchant has."""
    late = rows("SELECT * FROM engine_late_money WHERE attempt_no = %s", trade.attempt)
    number = late[0]["late_money_no"]
    cases = rows("SELECT kind, status FROM engine_case WHERE object_no = %s", number)
    merchant_no = trade.merchant["merchant_no"]
    return (
        late,
        rows("SELECT * FROM engine_refund WHERE late_money_no = %s", number),
        [(case["kind"], case["status"]) for case in cases],
        balance_of(L90),
        [balance_of(f"{kind}:{merchant_no}:CNY") for kind in ("L20", "L21")],
    )


def left_with(trade: trades.Trade) -> int:
    """What its merchant still has of the charge, the fee aside, whichever way it went back: never less than nothing."""
    merchant_no = trade.merchant["merchant_no"]
    (fee,) = rows(
        "SELECT p.fee_amount - (SELECT COALESCE(sum(r.returned_fee), 0) FROM engine_refund AS r WHERE"
        " r.payment_no = p.payment_no AND r.status <> 'FAILED')::bigint AS kept FROM engine_payment_order AS p"
        " WHERE p.payment_no = %s",
        trade.payment,
    )
    held = sum(balance_of(f"{kind}:{merchant_no}:CNY") for kind in ("L20", "L21"))
    return held + int(fee["kept"])


def rests(*lines: Line) -> list[tuple[str, str, int]]:
    """What of these chargebacks is nobody's yet."""
    return [one for line in lines for one in kinds(line.trade_no) if one[0] == "AMOUNT_OVER"]


class TestMoreThanTheCharge:
    """Chargebacks and refunds together take no more from a merchant than his charge was; the rest is for people."""

    @pytest.mark.parametrize("files", ["one-file", "two-days", "the-later-day-first"])
    def test_two_chargebacks_of_one_charge(self, today: Day, books: dict[str, int], files: str):
        trade = paid()
        lines = [pulled_line(trade), pulled_line(trade)]
        first = today.date
        if files == "one-file":
            today.reconcile(line_of(trade), *lines, verified=True)
        elif files == "two-days":
            today.reconcile(line_of(trade), lines[0], verified=True)
            today.next()
            today.reconcile(lines[1], verified=True)
        else:
            today.next()
            today.reconcile(lines[0], verified=True)
            today.reconcile(line_of(trade), lines[1], verified=True, day=first)
        assert left_with(trade) == 0
        assert moved(books) == (LEFT - PULLED, PULLED - LEFT, 0)
        assert [(one.amount, one.booked_amount) for line in lines for one in kept(line)] == [
            (PULLED, None),
            (PULLED, LEFT),
        ]
        assert rests(*lines) == [("AMOUNT_OVER", "OPEN", LEFT - PULLED)]
        said = rows(
            "SELECT detail FROM engine_case WHERE kind = 'chargeback' AND object_no = ANY(%s)",
            [trade.attempt, kept(lines[1])[0].pk],
        )
        assert sorted("is the rest" in case["detail"] for case in said) == [False, True]
        before = (found(*(line.trade_no for line in lines)), moved(books), left_with(trade))
        today.again()
        today.again(day=first)
        assert (found(*(line.trade_no for line in lines)), moved(books), left_with(trade)) == before
        assert_refunds_stop_at(trade, 0)
        with pytest.raises(ResolutionNotPossible):
            resolve(found(lines[1].trade_no)[-1], Resolution.CHARGED)
        resolve(found(lines[1].trade_no)[-1], Resolution.WRITTEN_OFF)
        assert (left_with(trade), moved(books)) == (0, (LEFT - PULLED, 0, 0))

    def test_a_refund_before_a_chargeback(self, today: Day, books: dict[str, int]):
        """What is on its way counts; when it comes to nothing there is more that its merchant can bear."""
        trade = trades.refunded(paid(), amount=5_00)
        line = pulled_line(trade, amount=AMOUNT)
        today.reconcile(line_of(trade), line, verified=True)
        assert (borne(trade), left_with(trade)) == (5_00, 0)
        assert rests(line) == [("AMOUNT_OVER", "OPEN", -5_00)]
        rest = found(line.trade_no)[-1]
        with pytest.raises(ResolutionNotPossible):
            resolve(rest, Resolution.CHARGED)
        trades.refund_answered(trade, trades.Outcome.FAILED)
        assert_refunds_stop_at(trade, 0)
        resolve(rest, Resolution.CHARGED)
        assert (borne(trade), left_with(trade)) == (AMOUNT, 0)
        assert_refunds_stop_at(trade, 0)

    def test_a_refund_between_two_chargebacks(self, today: Day, books: dict[str, int]):
        trade = paid()
        lines = [pulled_line(trade), pulled_line(trade, amount=1_00)]
        today.reconcile(line_of(trade), lines[0], verified=True)
        assert_refunds_stop_at(trade, LEFT)
        today.next()
        today.reconcile(lines[1], verified=True)
        assert (borne(trade), left_with(trade)) == (PULLED, 0)
        assert [one.booked_amount for one in kept(lines[1])] == [0]
        assert rests(lines[1]) == [("AMOUNT_OVER", "OPEN", -1_00)]
        resolve(found(lines[1].trade_no)[-1], Resolution.PROMISED)
        today.again()
        assert (left_with(trade), moved(books)) == (0, (LEFT, 0, 0))

    def test_what_people_charge_beyond_the_charge_is_the_platforms(
        self, today: Day, books: dict[str, int]
    ):
        """An operator's file: the journal that two people see has both shares."""
        trade = trades.refunded(paid(), amount=5_00)
        line = pulled_line(trade)
        loss = balance_of("X90:platform:CNY")
        today.reconcile(line_of(trade), line)
        resolve(found(line.trade_no)[0], Resolution.CHARGED)
        assert (borne(trade), left_with(trade)) == (5_00, 0)
        assert balance_of("X90:platform:CNY") == loss + 1_00
        assert moved(books) == (LEFT, 0, 0)

    def test_corrected_to_less_it_takes_the_rest_back(self, today: Day, books: dict[str, int]):
        trade = trades.refunded(paid(), amount=5_00)
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line, verified=True)
        today.reconcile(line_of(trade), line.but(amount=5_00), verified=True)
        assert rests(line) == [("AMOUNT_OVER", "RESOLVED", -1_00)]
        assert (left_with(trade), moved(books)) == (0, (AMOUNT - 5_00, 0, 0))

    def test_who_dies_behind_it_leaves_the_rest_booked_once(
        self, today: Day, books: dict[str, int], monkeypatch: pytest.MonkeyPatch
    ):
        trade = trades.refunded(paid(), amount=5_00)
        line = pulled_line(trade)

        def die(**_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as undone:
            undone.setattr("engine.services.statement_voices._mark_voiced", die)
            with pytest.raises(KeyboardInterrupt):
                today.reconcile(line_of(trade), line, verified=True)
        assert kinds(line.trade_no) == [
            ("CHANNEL_ONLY", "OPEN", -PULLED),
            ("AMOUNT_OVER", "OPEN", -1_00),
        ]
        with pytest.raises(ResolutionNotPossible):
            resolve(found(line.trade_no)[0], Resolution.ACCEPTED)
        assert moved(books) == (LEFT, 1_00, 0)
        for _run in range(2):
            today.again()
        assert kinds(line.trade_no) == [
            ("CHANNEL_ONLY", "RESOLVED", -PULLED),
            ("AMOUNT_OVER", "OPEN", -1_00),
        ]
        assert (left_with(trade), moved(books)) == (0, (LEFT, 1_00, 0))

    def test_a_refund_at_the_same_moment(self, today: Day):
        """Whichever takes the order's lock first, the other counts it."""
        trade = paid()
        line = pulled_line(trade)
        today.bring(line_of(trade), line, verified=True)
        refused = _at_once(today.again, lambda: trades.refunded(trade, amount=AMOUNT))
        (pulled,) = kept(line)
        if refused:
            assert (refused, pulled.booked, left_with(trade)) == (
                ["refund_exceeds_paid"],
                PULLED,
                LEFT,
            )
        else:
            assert (pulled.booked, left_with(trade)) == (0, 0)
