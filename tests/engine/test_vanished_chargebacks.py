"""A corrected file of the day no longer has a chargeback that was booked: a difference for two people."""

from __future__ import annotations

import random
from typing import Any

import pytest

from engine.contracts import Resolution
from engine.models import Discrepancy
from engine.services.discrepancies import list_resolutions
from engine.services.reconciliation import reconcile_statement
from engine.statement_contracts import STANDING, ResolutionNotPossible
from paymentplatform.kernel import numbers
from tests.barrier import failures, run_together
from tests.console import trades
from tests.engine.statement_days import (
    AMOUNT,
    CHANNEL,
    Day,
    found,
    kinds,
    line_of,
    moved,
    paid,
    resolve,
)
from tests.engine.test_chargebacks import (
    LEFT,
    PULLED,
    assert_refunds_stop_at,
    borne,
    end_pulled_back,
    kept,
    left_of,
    left_with,
    pulled_line,
)
from tests.makers import make_merchant
from tests.statements import Line
from tests.trading import balance_of

pytestmark = pytest.mark.usefixtures("nothing_is_left_unexplained")
LOSS = "X90:platform:CNY"


class TestVanished:
    """A corrected file of the day no longer has a chargeback that was booked: a difference for two people."""

    @pytest.fixture(params=[True, False], ids=["fetched", "resolved"])
    def gone(self, request: Any, today: Day, books: dict[str, int]) -> tuple[trades.Trade, Line]:
        """A chargeback that its merchant bears, and whose day has been corrected."""
        trade = paid()
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line, verified=request.param)
        if not request.param:
            resolve(found(line.trade_no)[0], Resolution.CHARGED)
        assert (borne(trade), moved(books)) == (PULLED, (LEFT, 0, 0))
        today.reconcile(line_of(trade), verified=request.param)
        return trade, line

    def test_is_found_once_and_nothing_is_given_by_itself(
        self, gone: tuple[trades.Trade, Line], today: Day, books: dict[str, int]
    ):
        trade, line = gone
        for _run in range(2):
            (*_before, row) = found(line.trade_no)
            assert len(found(line.trade_no)) == 2
            assert (row["kind"], row["status"], row["difference"]) == (
                "PLATFORM_ONLY",
                "OPEN",
                PULLED,
            )
            assert (row["object_no"], row["merchant_no"], row["statement_date"]) == (
                kept(line)[0].chargeback_no,
                trade.merchant["merchant_no"],
                today.date,
            )
            assert (borne(trade), left_of(trade)) == (PULLED, LEFT)
            assert moved(books) == (AMOUNT, 0, PULLED)
            assert today.again().unresolved

    def test_two_people_give_it_back_and_the_whole_charge_can_be_refunded(
        self, gone: tuple[trades.Trade, Line], today: Day, books: dict[str, int]
    ):
        trade, line = gone
        row = found(line.trade_no)[-1]
        with pytest.raises(ResolutionNotPossible):
            resolve(row, Resolution.RECOVERED)
        assert moved(books) == (AMOUNT, 0, PULLED)
        pending = f"L20:{trade.merchant['merchant_no']}:CNY"
        before = balance_of(pending)
        resolve(row, Resolution.CREDITED)
        assert (moved(books), balance_of(pending)) == ((AMOUNT, 0, 0), before + PULLED)
        for _run in range(2):
            today.again()
        assert len(found(line.trade_no)) == 2
        assert_refunds_stop_at(trade, AMOUNT)

    def test_two_people_keep_it(
        self, gone: tuple[trades.Trade, Line], today: Day, books: dict[str, int]
    ):
        trade, line = gone
        resolve(found(line.trade_no)[-1], Resolution.WITHDRAWN)
        for _run in range(2):
            today.again()
        assert len(found(line.trade_no)) == 2
        assert (borne(trade), moved(books)) == (PULLED, (LEFT, 0, 0))
        assert_refunds_stop_at(trade, LEFT)

    def test_in_another_days_file_it_is_found_and_lost_again_with_that(
        self, gone: tuple[trades.Trade, Line], today: Day, books: dict[str, int]
    ):
        trade, line = gone
        today.next()
        verified = kept(line)[0].discrepancy_no is None
        today.reconcile(line, verified=verified)
        assert found(line.trade_no)[-1]["resolution"] == "FOUND_LATER"
        assert (borne(trade), moved(books)) == (PULLED, (LEFT, 0, 0))
        today.reconcile(verified=verified)
        assert kinds(line.trade_no)[-1] == ("PLATFORM_ONLY", "OPEN", PULLED)
        assert moved(books) == (AMOUNT, 0, PULLED)

    @pytest.mark.parametrize("gone", [True], indirect=True, ids=["fetched"])
    def test_given_back_then_again_in_the_file_then_gone_again(
        self, gone: tuple[trades.Trade, Line], today: Day, books: dict[str, int]
    ):
        trade, line = gone
        for _round in range(2):
            assert kinds(line.trade_no)[-1] == ("PLATFORM_ONLY", "OPEN", PULLED)
            resolve(found(line.trade_no)[-1], Resolution.CREDITED)
            today.reconcile(line_of(trade), line, verified=True)
            assert kinds(line.trade_no)[-1] == ("AMOUNT_OVER", "OPEN", -PULLED)
            resolve(found(line.trade_no)[-1], Resolution.CHARGED)
            assert (moved(books), left_of(trade), len(kept(line))) == ((LEFT, 0, 0), LEFT, 1)
            today.reconcile(line_of(trade), verified=True)
        assert moved(books) == (AMOUNT, 0, PULLED)

    def test_of_which_a_part_was_short_gives_back_that_part_too(
        self, today: Day, books: dict[str, int]
    ):
        trade = trades.refunded(paid(), amount=AMOUNT - 2_00)
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line, verified=True)
        resolve(found(line.trade_no)[-1], Resolution.WRITTEN_OFF)
        assert (borne(trade), left_of(trade)) == (2_00, 0)
        today.reconcile(line_of(trade), verified=True)
        row = found(line.trade_no)[-1]
        assert (row["kind"], row["difference"], row["our_amount"]) == (
            "PLATFORM_ONLY",
            PULLED,
            PULLED,
        )
        loss, pending = LOSS, f"L20:{trade.merchant['merchant_no']}:CNY"
        before = (balance_of(loss), balance_of(pending))
        resolve(row, Resolution.RECOVERED)
        assert (balance_of(loss), balance_of(pending)) == (before[0] - 4_00, before[1] + 2_00)
        assert_refunds_stop_at(trade, 2_00)

    def test_with_an_undecided_rest_leaves_only_what_was_booked(
        self, today: Day, books: dict[str, int]
    ):
        trade = trades.refunded(paid(), amount=AMOUNT - 2_00)
        line = pulled_line(trade)
        today.reconcile(line_of(trade), line, verified=True)
        today.reconcile(line_of(trade), verified=True)
        *_booked, rest, row = found(line.trade_no)
        assert (rest["resolution"], row["kind"], row["difference"]) == (
            "FILE_CORRECTED",
            "PLATFORM_ONLY",
            2_00,
        )
        resolve(row, Resolution.CREDITED)
        assert_refunds_stop_at(trade, 2_00)

    def test_is_decided_once_by_two_at_the_same_moment(
        self, gone: tuple[trades.Trade, Line], books: dict[str, int]
    ):
        _trade, line = gone
        row = found(line.trade_no)[-1]
        done = run_together(
            [
                lambda: resolve(row, Resolution.CREDITED),
                lambda: resolve(row, Resolution.WITHDRAWN),
            ]
        )
        assert len(failures(done)) == 1
        kept_it = found(line.trade_no)[-1]["resolution"] == "WITHDRAWN"
        assert moved(books) == (LEFT if kept_it else AMOUNT, 0, 0)


@pytest.mark.parametrize("kind", ["CHARGEBACK", "REFUND"])
def test_what_is_none_of_ours_and_was_written_off_is_recovered_when_its_file_has_lost_it(
    today: Day, books: dict[str, int], kind: str
):
    loss = balance_of(LOSS)
    name = numbers.new_number("trd")
    line = Line(name, name, PULLED, kind=kind, fee=0)
    for _round in range(2):
        today.reconcile(line, verified=True)
        assert kinds(line.trade_no)[-1] == ("CHANNEL_ONLY", "OPEN", -PULLED)
        resolve(found(line.trade_no)[-1], Resolution.WRITTEN_OFF)
        assert (balance_of(LOSS), moved(books)) == (loss + PULLED, (-PULLED, 0, 0))
        today.reconcile(verified=True)
        before = found(line.trade_no)
        today.again()
        assert (found(line.trade_no), moved(books)) == (before, (0, 0, PULLED))
        assert kinds(line.trade_no)[-1] == ("PLATFORM_ONLY", "OPEN", PULLED)
        resolve(before[-1], Resolution.RECOVERED)
        assert (balance_of(LOSS), moved(books)) == (loss, (0, 0, 0))


class TestLateMoneyThatMadeGood:
    """Late money has made good the loss of a chargeback, which its channel then takes back: no gain of the platform."""

    def late(self, today: Day) -> tuple[trades.Trade, Line]:
        """Late money, all of which was pulled back; two people have written that off."""
        trade = trades.paid_too_late(merchant=make_merchant(late_money_policy="HOLD"))
        line = pulled_line(trade, amount=AMOUNT)
        today.reconcile(line_of(trade), line, verified=True)
        resolve(found(line.trade_no)[0], Resolution.WRITTEN_OFF)
        return trade, line

    @pytest.mark.parametrize("left", [0, PULLED], ids=["gone", "less"])
    def test_what_its_payer_has_lost_waits_and_is_nobodys_gain(
        self, today: Day, books: dict[str, int], left: int
    ):
        loss = balance_of(LOSS)
        trade, line = self.late(today)
        end_pulled_back(trade)
        assert (balance_of(LOSS), moved(books)) == (loss, (0, 0, 0))
        said = [line.but(amount=left)] if left else []
        today.reconcile(line_of(trade), *said, verified=True)
        row = found(line.trade_no)[-1]
        assert (row["status"], row["difference"]) == ("OPEN", AMOUNT - left)
        waiting = (AMOUNT - left, 0, AMOUNT - left)
        for resolution in (Resolution.RECOVERED, Resolution.CREDITED):
            with pytest.raises(ResolutionNotPossible, match="by WITHDRAWN"):
                resolve(row, resolution)
            assert (balance_of(LOSS), moved(books)) == (loss, waiting)
        resolve(row, Resolution.WITHDRAWN)
        assert (balance_of(LOSS), moved(books)) == (loss, (0, 0, 0))

    def test_before_it_has_made_good_the_loss_is_recovered_and_the_rest_stays_its_payers(
        self, today: Day, books: dict[str, int]
    ):
        loss = balance_of(LOSS)
        trade, line = self.late(today)
        today.reconcile(line_of(trade), line.but(amount=PULLED), verified=True)
        resolve(found(line.trade_no)[-1], Resolution.RECOVERED)
        assert (balance_of(LOSS), moved(books)) == (loss + PULLED, (LEFT, 0, AMOUNT))
        end_pulled_back(trade)
        assert (balance_of(LOSS), moved(books)) == (loss, (LEFT, 0, LEFT))


def test_a_rest_that_people_decide_while_the_file_is_compared_counts(
    today: Day, books: dict[str, int]
):
    """Written off between reading and writing: what the file has lost is found anew, with that."""
    trade = trades.refunded(paid(), amount=AMOUNT - 2_00)
    line = pulled_line(trade)
    today.reconcile(line_of(trade), line, verified=True)
    undecided = iter([found(line.trade_no)[-1]])
    today.bring(line_of(trade), verified=True)

    def decide(step: str) -> None:
        if step == "match":
            for row in undecided:
                resolve(row, Resolution.WRITTEN_OFF)

    reconcile_statement(channel_code=CHANNEL, statement_date=today.date, on_step=decide)
    assert kinds(line.trade_no)[-1] == ("PLATFORM_ONLY", "OPEN", PULLED)
    assert moved(books)[1:] == (0, PULLED)
    resolve(found(line.trade_no)[-1], Resolution.RECOVERED)
    assert_refunds_stop_at(trade, 2_00)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_and_goes_the_channel_owes_what_its_file_says(
    today: Day, books: dict[str, int], seed: int
):
    """Any order of files, refunds and decisions that stand: A10 is the file, merchant and loss bear the rest.

    Refunds stop at what neither they nor the file have taken.
    """
    dice = random.Random(seed)
    trade = paid()
    loss = balance_of(LOSS)
    line = pulled_line(trade)
    refunded = 0
    for _turn in range(6):
        if dice.random() < 0.5 and left_of(trade):
            amount = dice.randint(1, left_of(trade))
            trades.refunded(trade, amount=amount)
            refunded += amount
        pulled = dice.choice([0, 0, 3_00, PULLED, 8_00])
        said = [line.but(amount=pulled)] if pulled else []
        today.reconcile(line_of(trade), *said, verified=True)
        assert moved(books)[0] == AMOUNT - pulled
        for row in found(line.trade_no):
            if row["resolved_at"] is None:
                fits = list_resolutions(Discrepancy.objects.get(pk=row["discrepancy_no"]))
                resolve(row, dice.choice([one for one in fits if one in STANDING]))
        today.again()
        assert moved(books) == (AMOUNT - pulled, 0, 0)
        lost = balance_of(LOSS) - loss
        assert AMOUNT - left_with(trade) + lost == pulled + refunded
        assert lost >= 0 <= left_with(trade)
        assert left_of(trade) == max(0, AMOUNT - pulled - refunded)
