"""A file is corrected after two people have decided: what differs then is found, booked, and goes to who bore it."""

from __future__ import annotations

import itertools
import random

import pytest

from engine.contracts import Resolution
from engine.models import Discrepancy, Statement
from engine.services.discrepancies import list_resolutions
from engine.services.reconciliation import reconcile_statement
from engine.statement_contracts import ResolutionNotPossible
from paymentplatform.kernel import numbers
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
from tests.engine.test_chargebacks import borne, kept, left_of, pulled_line
from tests.statements import Line
from tests.trading import balance_of

pytestmark = pytest.mark.usefixtures("nothing_is_left_unexplained")
LOSS = "X90:platform:CNY"
BOTH = pytest.mark.parametrize(
    ("bears", "gets_it"),
    [
        (Resolution.WRITTEN_OFF, Resolution.RECOVERED),
        (Resolution.CHARGED, Resolution.CREDITED),
    ],
)


def decided(today: Day, trade: trades.Trade, under: int, resolution: Resolution) -> None:
    """A file says so much less, and two people have decided who bears it."""
    today.reconcile(line_of(trade, amount=AMOUNT - under))
    resolve(found(trade.trade_no)[-1], resolution)


def of_merchant(trade: trades.Trade) -> int:
    """All that its merchant has."""
    merchant_no = trade.merchant["merchant_no"]
    return sum(balance_of(f"{kind}:{merchant_no}:CNY") for kind in ("L20", "L21"))


@BOTH
@pytest.mark.parametrize("corrected", [0, 2])
def test_what_comes_after_all_is_found_and_goes_back_to_who_bore_it(
    today: Day, books: dict[str, int], bears: Resolution, gets_it: Resolution, corrected: int
):
    trade = paid()
    loss, whole = balance_of(LOSS), of_merchant(trade)
    decided(today, trade, 5, bears)
    for _run in range(2):
        today.reconcile(line_of(trade, amount=AMOUNT - corrected))
    came = found(trade.trade_no)[-1]
    assert kinds(trade.trade_no) == [
        ("AMOUNT_UNDER", "RESOLVED", -5),
        ("AMOUNT_OVER", "OPEN", 5 - corrected),
    ]
    assert moved(books) == (AMOUNT - corrected, 0, 5 - corrected)
    wrong = ({Resolution.RECOVERED, Resolution.CREDITED} - {gets_it}).pop()
    with pytest.raises(ResolutionNotPossible):
        resolve(came, wrong)
    resolve(came, gets_it)
    today.reconcile(
        line_of(trade, amount=AMOUNT - corrected), Line(numbers.new_number("trd"), "", 1)
    )
    assert len(found(trade.trade_no)) == 2
    assert moved(books) == (AMOUNT - corrected + 1, 0, 1)
    left_with = {Resolution.RECOVERED: (corrected, 0), Resolution.CREDITED: (0, corrected)}[gets_it]
    assert (balance_of(LOSS) - loss, whole - of_merchant(trade)) == left_with


@pytest.mark.parametrize("first", [Resolution.WRITTEN_OFF, Resolution.CHARGED])
@pytest.mark.parametrize("second", [Resolution.WRITTEN_OFF, Resolution.CHARGED])
def test_only_by_how_much_more_it_is_short_is_borne_again(
    today: Day, books: dict[str, int], first: Resolution, second: Resolution
):
    trade = paid()
    loss, whole = balance_of(LOSS), of_merchant(trade)
    decided(today, trade, 5, first)
    today.reconcile(line_of(trade, amount=AMOUNT - 7))
    assert kinds(trade.trade_no)[1:] == [("AMOUNT_UNDER", "OPEN", -2)]
    assert moved(books) == (AMOUNT - 7, 2, 0)
    resolve(found(trade.trade_no)[-1], second)
    platform = 5 * (first == Resolution.WRITTEN_OFF) + 2 * (second == Resolution.WRITTEN_OFF)
    assert (balance_of(LOSS) - loss, whole - of_merchant(trade)) == (platform, 7 - platform)
    assert moved(books) == (AMOUNT - 7, 0, 0)


def test_what_comes_beyond_the_loss_is_the_merchants(today: Day, books: dict[str, int]):
    trade = paid()
    loss, whole = balance_of(LOSS), of_merchant(trade)
    decided(today, trade, 5, Resolution.WRITTEN_OFF)
    today.reconcile(line_of(trade, amount=AMOUNT + 3))
    resolve(found(trade.trade_no)[-1], Resolution.RECOVERED)
    assert (balance_of(LOSS), of_merchant(trade)) == (loss, whole + 3)
    assert moved(books) == (AMOUNT + 3, 0, 0)


def test_what_its_merchant_got_and_was_not_there_is_short(today: Day, books: dict[str, int]):
    trade = paid()
    whole = of_merchant(trade)
    decided(today, trade, -5, Resolution.CREDITED)
    today.reconcile(line_of(trade))
    assert kinds(trade.trade_no)[1:] == [("AMOUNT_UNDER", "OPEN", -5)]
    resolve(found(trade.trade_no)[-1], Resolution.CHARGED)
    assert (of_merchant(trade), moved(books)) == (whole, (AMOUNT, 0, 0))


@BOTH
def test_a_refund_that_was_smaller_after_all(
    today: Day, books: dict[str, int], bears: Resolution, gets_it: Resolution
):
    trade = trades.refund_answered(trades.refunded(paid()), trades.Outcome.SUCCEEDED)
    loss, whole = balance_of(LOSS), of_merchant(trade)
    line = Line(numbers.new_number("trd"), str(trade.refund), trades.REFUNDED, "REFUND", fee=0)
    today.reconcile(line_of(trade), line.but(amount=trades.REFUNDED + 4))
    resolve(found(str(trade.refund))[0], bears)
    today.reconcile(line_of(trade), line)
    assert kinds(str(trade.refund))[1:] == [("AMOUNT_UNDER", "OPEN", 4)]
    resolve(found(str(trade.refund))[1], gets_it)
    assert (balance_of(LOSS), of_merchant(trade)) == (loss, whole)
    assert moved(books) == (AMOUNT - trades.REFUNDED, 0, 0)


def test_a_chargeback_that_was_smaller_after_all_is_the_merchants_again(
    today: Day, books: dict[str, int]
):
    trade = paid()
    line = pulled_line(trade)
    today.reconcile(line_of(trade), line, verified=True)
    whole = of_merchant(trade)
    today.reconcile(line_of(trade), line.but(amount=5_00), verified=True)
    assert kinds(line.trade_no)[1:] == [("AMOUNT_UNDER", "OPEN", 1_00)]
    resolve(found(line.trade_no)[1], Resolution.CREDITED)
    assert (of_merchant(trade), left_of(trade)) == (whole + 1_00, AMOUNT - 5_00)
    assert moved(books) == (AMOUNT - 5_00, 0, 0)
    assert (len(kept(line)), borne(trade)) == (1, 6_00)


def test_another_currency_that_was_ours_after_all(today: Day, books: dict[str, int]):
    trade = paid()
    loss = balance_of(LOSS)
    foreign = line_of(trade, currency="USD", amount=1, fee=0)
    today.reconcile(foreign)
    short = next(row for row in found(trade.trade_no) if row["kind"] == "CURRENCY_MISMATCH")
    resolve(short, Resolution.WRITTEN_OFF)
    today.again()
    assert kinds(trade.trade_no) == [("CURRENCY_MISMATCH", "RESOLVED", -AMOUNT)]
    today.reconcile(line_of(trade))
    assert kinds(trade.trade_no)[1:] == [("AMOUNT_OVER", "OPEN", AMOUNT)]
    assert moved(books) == (AMOUNT, 0, AMOUNT)
    resolve(found(trade.trade_no)[1], Resolution.RECOVERED)
    assert (balance_of(LOSS), moved(books)) == (loss, (AMOUNT, 0, 0))


def test_an_unknown_refund_that_grew_is_short_by_what_it_grew(today: Day, books: dict[str, int]):
    """Nothing of ours stands behind it: what was written off is all that we have booked of it."""
    line = Line(numbers.new_number("trd"), numbers.new_number("rfd"), 50, "REFUND", fee=0)
    today.reconcile(line)
    resolve(found(line.request_no)[0], Resolution.WRITTEN_OFF)
    today.again()
    assert kinds(line.request_no) == [("CHANNEL_ONLY", "RESOLVED", -50)]
    today.reconcile(line.but(amount=60))
    assert kinds(line.request_no)[1:] == [("CHANNEL_ONLY", "OPEN", -10)]
    assert moved(books) == (-60, 10, 0)
    resolve(found(line.request_no)[1], Resolution.WRITTEN_OFF)


def test_what_was_found_before_a_decision_counts_without_it_and_is_refused(
    today: Day, books: dict[str, int]
):
    """Two days' files have it, each the first that was read: borne once, whichever is decided first."""
    line = Line(numbers.new_number("trd"), numbers.new_number("rfd"), 50, "REFUND", fee=0)
    first = today.date
    today.bring(day=first)
    today.next()
    today.reconcile(line)
    today.reconcile(line, day=first)
    both = found(line.request_no)
    assert kinds(line.request_no) == [("CHANNEL_ONLY", "OPEN", -50)] * 2
    resolve(both[1], Resolution.WRITTEN_OFF)
    with pytest.raises(ResolutionNotPossible, match="again"):
        resolve(both[0], Resolution.WRITTEN_OFF)
    today.again(day=first)
    today.again()
    waiting = [row["kind"] for row in found(line.request_no) if row["resolved_at"] is None]
    assert waiting == ["DUPLICATE"], "said twice, by two days' files; no money"
    assert moved(books) == (-50, 0, 0)


def test_what_people_decide_while_the_file_is_compared_is_ours(today: Day, books: dict[str, int]):
    """Two people write off, between reading and writing, what the file before said: the correction is found anew."""
    trade = paid()
    today.reconcile(line_of(trade, amount=AMOUNT - 5))
    (short,) = found(trade.trade_no)
    first = today.date
    today.next()
    today.bring(line_of(trade), day=first)
    undecided = iter([short])

    def decide(step: str) -> None:
        if step == "match":
            for row in undecided:
                resolve(row, Resolution.WRITTEN_OFF)

    reconcile_statement(channel_code=CHANNEL, statement_date=first, on_step=decide)
    assert kinds(trade.trade_no) == [
        ("AMOUNT_UNDER", "RESOLVED", -5),
        ("AMOUNT_OVER", "OPEN", 5),
    ]
    assert moved(books) == (AMOUNT, 0, 5)
    resolve(found(trade.trade_no)[1], Resolution.RECOVERED)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_corrected_and_decided_the_channel_owes_what_its_file_says(
    today: Day, books: dict[str, int], seed: int
):
    """Any order of files and decisions that stand: A10 is the file, and loss and merchant bear the rest."""
    dice = random.Random(seed)
    trade = paid()
    loss, whole = balance_of(LOSS), of_merchant(trade)
    file = AMOUNT
    for turn in itertools.count():
        file = AMOUNT + dice.choice([-9, -7, -4, 0, 3, 6])
        today.reconcile(line_of(trade, amount=file), Line(numbers.new_number("trd"), "", 1))
        extra = 1
        assert moved(books)[0] == file + extra
        open_ones = [row for row in found(trade.trade_no) if row["resolved_at"] is None]
        assert len(open_ones) <= 1
        for row in open_ones:
            fits = list_resolutions(Discrepancy.objects.get(pk=row["discrepancy_no"]))
            stands = [one for one in fits if one not in (Resolution.WITHDRAWN, Resolution.PROMISED)]
            if turn >= 5 or dice.random() < 0.7:
                resolve(row, dice.choice(stands))
        if turn >= 5:
            break
    today.reconcile(line_of(trade, amount=file))
    assert all(row["resolved_at"] is not None for row in found(trade.trade_no))
    assert moved(books) == (file, 0, 0)
    assert (loss - balance_of(LOSS)) + (of_merchant(trade) - whole) == file - AMOUNT


def test_a_correction_that_the_institution_takes_back_counts_no_more(
    today: Day, books: dict[str, int]
):
    trade = paid()
    first = [line_of(trade, amount=AMOUNT - 5)]
    today.reconcile(*first, verified=True)
    today.reconcile(line_of(trade), verified=True)
    assert moved(books) == (AMOUNT, 0, 0)
    for _run in range(2):
        today.reconcile(*first, verified=True)
    assert [kind for kind in kinds(trade.trade_no) if kind[1] == "OPEN"] == [
        ("AMOUNT_UNDER", "OPEN", -5)
    ]
    assert moved(books) == (AMOUNT - 5, 5, 0)
    versions = Statement.objects.filter(statement_date=today.date).order_by("version")
    assert [one.superseded_at is None for one in versions] == [False, False, True]


def test_an_operators_old_file_again_changes_nothing(today: Day, books: dict[str, int]):
    trade = paid()
    today.reconcile(line_of(trade, amount=AMOUNT - 5))
    today.reconcile(line_of(trade))
    today.reconcile(line_of(trade, amount=AMOUNT - 5))
    assert moved(books) == (AMOUNT, 0, 0)
    assert Statement.objects.filter(statement_date=today.date).count() == 2
