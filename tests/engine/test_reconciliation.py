"""A channel's statement beside our books: what differs is found, booked, settled by itself or by two people."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from acquiring.contracts import RefundExceedsPaid
from engine import reconciliation_queries as queries
from engine.contracts import Resolution
from engine.models import ChannelAttempt, Discrepancy, Statement
from engine.services.discrepancies import list_resolutions
from engine.services.reconciliation import READING, reconcile_statement
from engine.services.reconciliation_runs import Run, RunWish, reconcile_channel
from engine.services.statements import StatementFile, import_statement
from engine.statement_contracts import (
    DiscrepancyNotOpen,
    ResolutionNotPossible,
    StatementMissing,
    StatementRefused,
)
from ledger import api as ledger
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import InvalidRequest
from tests.console import trades
from tests.console.trades import Outcome
from tests.engine.statement_days import (
    A10,
    A90,
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
from tests.statements import Line, write_statement
from tests.trading import balance_of, rows
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("nothing_is_left_unexplained")


def refunded() -> trades.Trade:
    """4.00 of it given back by the channel."""
    return trades.refund_answered(trades.refunded(paid()), Outcome.SUCCEEDED)


def test_what_agrees_is_no_difference(today: Day):
    charge, back = paid(), refunded()
    before = [balance_of(code) for code in (A10, A90, L90)]
    done = today.reconcile(
        line_of(charge),
        line_of(back),
        Line("SBR", back.refund, trades.REFUNDED, kind="REFUND"),
    )
    assert found(charge.trade_no, back.trade_no, back.refund) == []
    assert (done.summary["agreed"], done.summary["lines"], done.summary["differences"]) == (
        3,
        3,
        {},
    )
    assert [balance_of(code) for code in (A10, A90, L90)] == before


def _unknown_charge() -> tuple[Line, str]:
    name = numbers.new_number("trd")
    return Line(name, "", 7_77), name


def _over() -> tuple[Line, str]:
    trade = paid()
    return line_of(trade, amount=AMOUNT + 3), trade.trade_no


def _under() -> tuple[Line, str]:
    trade = paid()
    return line_of(trade, amount=AMOUNT - 3), trade.trade_no


def _currency() -> tuple[Line, str]:
    trade = paid()
    return line_of(trade, currency="USD"), trade.trade_no


def _fee() -> tuple[Line, str]:
    trade = paid()
    return line_of(trade, fee=5), trade.trade_no


def _unknown_refund() -> tuple[Line, str]:
    name = numbers.new_number("rfd")
    return Line("SBR", name, 2_22, kind="REFUND"), name


def _refund_over() -> tuple[Line, str]:
    trade = refunded()
    return Line("SBR", trade.refund, trades.REFUNDED + 1, kind="REFUND"), trade.refund


def _refund_failed() -> tuple[Line, str]:
    trade = trades.refund_answered(trades.refunded(paid()), Outcome.FAILED)
    return Line("SBR", trade.refund, trades.REFUNDED, kind="REFUND"), trade.refund


def _failed_charge() -> tuple[Line, str]:
    trade = trades.answered(trades.paying(), Outcome.FAILED)
    name = numbers.new_number("trd")
    return Line(name, trade.attempt, AMOUNT), name


@pytest.mark.parametrize(
    ("plant", "kind", "difference", "books_move"),
    [
        (_unknown_charge, "CHANNEL_ONLY", 7_77, (7_77, 0, 7_77)),
        (_over, "AMOUNT_OVER", 3, (3, 0, 3)),
        (_under, "AMOUNT_UNDER", -3, (-3, 3, 0)),
        (_currency, "CURRENCY_MISMATCH", -AMOUNT, (-AMOUNT, AMOUNT, 0)),
        (_fee, "FEE_MISMATCH", 0, (0, 0, 0)),
        (_unknown_refund, "CHANNEL_ONLY", -2_22, (-2_22, 2_22, 0)),
        (_refund_over, "AMOUNT_OVER", -1, (-1, 1, 0)),
        (_refund_failed, "STATUS_MISMATCH", -4_00, (-4_00, 4_00, 0)),
        (_failed_charge, "STATUS_MISMATCH", AMOUNT, (AMOUNT, 0, AMOUNT)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_difference_is_found_and_booked_once(
    today: Day, plant: Any, kind: str, difference: int, books_move: tuple[int, int, int]
):
    line, name = plant()
    before = {code: balance_of(code) for code in (A10, A90, L90)}
    done = today.reconcile(line)
    assert kinds(name) == [(kind, "OPEN", difference)]
    assert moved(before) == books_move
    assert done.unresolved >= 1
    again = today.again()
    assert (again.summary["new"], again.summary["settled"]) == (0, 0)
    assert kinds(name) == [(kind, "OPEN", difference)]
    assert moved(before) == books_move


PLANTS = (
    *(_unknown_charge, _over, _under, _currency, _fee),
    *(_unknown_refund, _refund_over, _refund_failed, _failed_charge),
)


def test_what_agrees_and_what_differs_is_the_file_to_the_minor_unit(today: Day):
    """Every kind at once, some twice, one with a fee that differs, too: each line is in exactly one class."""
    lines = [plant()[0] for plant in PLANTS] + [line_of(paid()), _over()[0].but(fee=9)]
    lines += [lines[0], lines[5], lines[3]]
    done = today.reconcile(*lines)
    expected: dict[str, int] = {}
    for line in lines:
        signed = line.amount if line.kind == "CHARGE" else -line.amount
        expected[line.currency] = expected.get(line.currency, 0) + signed
    totals = done.summary["totals"]
    assert {code: total["file"] for code, total in totals.items()} == expected
    assert totals["CNY"]["agreed"] == AMOUNT
    assert {code: one["agreed"] + one["differing"] for code, one in totals.items()} == expected


def test_a_run_that_loses_a_line_keeps_nothing(today: Day, books: dict[str, int], monkeypatch: Any):
    line, name = _unknown_charge()
    today.bring(line)
    lossy = queries.DIFFERENCES.replace("WHERE j.difference_kind IS NOT NULL", "WHERE false")
    reading = [
        (step, table, lossy if table == "rec_difference" else text) for step, table, text in READING
    ]
    with monkeypatch.context() as broken:
        broken.setattr("engine.services.reconciliation.READING", reading)
        with pytest.raises(AssertionError, match="the file has 777, what agrees 0"):
            today.again()
    assert (found(name), moved(books)) == ([], (0, 0, 0))
    assert Statement.objects.get(statement_date=today.date).reconciled_at is None


def test_a_line_that_stands_twice_counts_once(today: Day, books: dict[str, int]):
    trade = paid()
    booked = dict(books) | {A10: books[A10] + AMOUNT}
    today.reconcile(line_of(trade), line_of(trade), line_of(trade))
    assert kinds(trade.trade_no) == [("DUPLICATE", "OPEN", 0)] * 2
    today.next()
    today.reconcile(line_of(trade))
    assert kinds(trade.trade_no) == [("DUPLICATE", "OPEN", 0)] * 3
    assert moved(booked) == (0, 0, 0)


class TestPool:
    """Ours that the day's file does not show waits for the files of three more days."""

    def test_found_the_next_day_is_no_difference(self, today: Day, books: dict[str, int]):
        trade = paid()
        assert today.reconcile().summary["waiting"] >= 1
        today.next()
        assert today.reconcile(line_of(trade)).summary["found"] >= 1
        for _day in range(4):
            today.next()
            today.reconcile()
        assert found(trade.trade_no) == []
        assert moved(books) == (AMOUNT, 0, 0)

    def test_short_after_the_grace_and_found_later(self, today: Day, books: dict[str, int]):
        trade = paid()
        of_day = today.date
        for _day in range(3):
            today.reconcile()
            assert found(trade.trade_no) == []
            today.next()
        today.reconcile()
        assert kinds(trade.trade_no) == [("PLATFORM_ONLY", "OPEN", -AMOUNT)]
        assert found(trade.trade_no)[0]["statement_date"] == of_day
        assert moved(books) == (0, AMOUNT, 0)
        today.next()
        today.reconcile(line_of(trade))
        (row,) = found(trade.trade_no)
        assert (row["status"], row["resolution"]) == ("RESOLVED", "FOUND_LATER")
        assert moved(books) == (AMOUNT, 0, 0)

    def test_a_day_without_a_file_does_not_count(self, today: Day):
        trade = paid()
        today.reconcile()
        today.next(5)
        today.reconcile()
        assert found(trade.trade_no) == []

    def test_a_refund_that_the_channel_does_not_show_is_long(
        self, today: Day, books: dict[str, int]
    ):
        trade = refunded()
        lines = [line_of(trade)]
        for _day in range(4):
            today.reconcile(*lines)
            lines = []
            today.next()
        assert kinds(trade.refund) == [("PLATFORM_ONLY", "OPEN", trades.REFUNDED)]
        assert moved(books) == (AMOUNT, 0, trades.REFUNDED)

    def test_what_comes_after_it_was_written_off_is_new_money(
        self, today: Day, books: dict[str, int]
    ):
        trade = paid()
        for _day in range(4):
            today.reconcile()
            today.next()
        resolve(found(trade.trade_no)[0], Resolution.WRITTEN_OFF)
        assert moved(books) == (0, 0, 0)
        today.reconcile(line_of(trade))
        assert kinds(trade.trade_no) == [
            ("PLATFORM_ONLY", "RESOLVED", -AMOUNT),
            ("CHANNEL_ONLY", "OPEN", AMOUNT),
        ]
        assert moved(books) == (AMOUNT, 0, AMOUNT)
        loss = balance_of("X90:platform:CNY")
        came = found(trade.trade_no)[1]
        with pytest.raises(ResolutionNotPossible):
            resolve(came, Resolution.CREDITED)
        assert (moved(books), found(trade.trade_no)[1]) == ((AMOUNT, 0, AMOUNT), came)
        resolve(came, Resolution.RECOVERED)
        assert moved(books) == (AMOUNT, 0, 0)
        assert balance_of("X90:platform:CNY") == loss - AMOUNT

    def test_what_people_write_off_while_a_file_that_has_it_is_compared_is_new_money_too(
        self, today: Day, books: dict[str, int]
    ):
        trade = paid()
        for _day in range(4):
            today.reconcile()
            today.next()
        (short,) = found(trade.trade_no)
        today.bring(line_of(trade))
        undecided = iter([short])

        def decide(step: str) -> None:
            if step == "match":
                for row in undecided:
                    resolve(row, Resolution.WRITTEN_OFF)

        reconcile_statement(channel_code=CHANNEL, statement_date=today.date, on_step=decide)
        assert kinds(trade.trade_no) == [
            ("PLATFORM_ONLY", "RESOLVED", -AMOUNT),
            ("CHANNEL_ONLY", "OPEN", AMOUNT),
        ]
        assert moved(books) == (AMOUNT, 0, AMOUNT)
        resolve(found(trade.trade_no)[1], Resolution.RECOVERED)

    def test_what_comes_after_its_merchant_bore_it_is_the_merchants(
        self, today: Day, books: dict[str, int]
    ):
        trade = paid()
        for _day in range(4):
            today.reconcile()
            today.next()
        resolve(found(trade.trade_no)[0], Resolution.CHARGED)
        available, pending = (
            f"{kind}:{trade.merchant['merchant_no']}:CNY" for kind in ("L21", "L20")
        )
        before = balance_of(pending)
        assert balance_of(available) == -AMOUNT
        today.reconcile(line_of(trade))
        came = found(trade.trade_no)[1]
        with pytest.raises(ResolutionNotPossible):
            resolve(came, Resolution.RECOVERED)
        resolve(came, Resolution.CREDITED)
        assert (balance_of(pending), moved(books)) == (before + AMOUNT, (AMOUNT, 0, 0))


class TestCorrectedFiles:
    """A newer version of a day replaces what nobody has decided, and nothing else."""

    def test_what_it_no_longer_says_is_settled_and_taken_back(
        self, today: Day, books: dict[str, int]
    ):
        trade, (extra, name) = paid(), _unknown_charge()
        today.reconcile(line_of(trade, amount=AMOUNT + 5), extra)
        today.reconcile(line_of(trade))
        rows_now = found(trade.trade_no, name)
        assert {row["resolution"] for row in rows_now} == {"FILE_CORRECTED"}
        assert moved(books) == (AMOUNT, 0, 0)

    def test_other_figures_are_another_difference(self, today: Day, books: dict[str, int]):
        trade = paid()
        today.reconcile(line_of(trade, amount=AMOUNT + 5))
        today.reconcile(line_of(trade, amount=AMOUNT + 2))
        assert kinds(trade.trade_no) == [
            ("AMOUNT_OVER", "RESOLVED", 5),
            ("AMOUNT_OVER", "OPEN", 2),
        ]
        assert moved(books) == (AMOUNT + 2, 0, 2)

    def test_what_people_have_decided_stays(self, today: Day, books: dict[str, int]):
        trade = paid()
        today.reconcile(line_of(trade, amount=AMOUNT - 5))
        resolve(found(trade.trade_no)[0], Resolution.WRITTEN_OFF)
        today.reconcile(line_of(trade, amount=AMOUNT - 5), Line("SBXother", "", 1))
        assert kinds(trade.trade_no) == [("AMOUNT_UNDER", "RESOLVED", -5)]
        assert moved(books) == (AMOUNT - 5 + 1, 0, 1)

    def test_a_line_that_a_newer_version_dropped_waits_again(self, today: Day):
        trade = paid()
        today.reconcile()
        today.next()
        today.reconcile(line_of(trade))
        today.reconcile(Line("SBXnew", "", 1))
        entry = rows("SELECT * FROM engine_cutoff_entry WHERE match_key = %s", trade.trade_no)
        assert entry[0]["found_at"] is None


class TestVoices:
    """A line says something definite about an open attempt: only the institution's own file is believed."""

    def charge_line(self, trade: trades.Trade, name: str, **changes: Any) -> Line:
        return Line(name, trade.attempt, AMOUNT).but(**changes)

    def test_a_verified_line_pays_an_open_attempt(self, today: Day, books: dict[str, int]):
        trade, name = trades.paying(), numbers.new_number("trd")
        today.reconcile(self.charge_line(trade, name), verified=True)
        attempt = ChannelAttempt.objects.get(attempt_no=trade.attempt)
        assert (attempt.status, attempt.last_outcome_cause) == ("SUCCEEDED", "statement")
        (order,) = rows("SELECT status FROM acquiring_trade_order WHERE order_no = %s", trade.order)
        assert order["status"] == "SUCCESS"
        (row,) = found(name)
        assert (row["kind"], row["resolution"]) == ("STATUS_MISMATCH", "BOOKED_SINCE")
        assert moved(books) == (AMOUNT, 0, 0)

    def test_a_line_that_an_operator_brings_only_makes_us_ask(
        self, today: Day, books: dict[str, int]
    ):
        trade, name = trades.paying(), numbers.new_number("trd")
        ChannelAttempt.objects.filter(attempt_no=trade.attempt).update(
            next_query_at="2999-01-01T00:00:00Z"
        )
        today.clock.advance(60)
        today.reconcile(self.charge_line(trade, name))
        attempt = ChannelAttempt.objects.get(attempt_no=trade.attempt)
        assert attempt.status == "CREATED"
        assert attempt.next_query_at.year < 2999
        assert kinds(name) == [("STATUS_MISMATCH", "OPEN", AMOUNT)]
        assert moved(books) == (0, 0, 0)
        trades.answered(trade, Outcome.SUCCEEDED, trade_no=name)
        today.again()
        (row,) = found(name)
        assert row["resolution"] == "BOOKED_SINCE"
        assert moved(books) == (AMOUNT, 0, 0)

    def test_an_operators_line_does_not_speak_with_the_institutions_voice(
        self, today: Day, books: dict[str, int]
    ):
        """His file comes between the comparison of the institution's own and its speaking."""
        trade, name = trades.paying(), numbers.new_number("trd")
        today.bring(Line(numbers.new_number("trd"), "", 1), verified=True)
        forged = iter([self.charge_line(trade, name)])

        def forge(step: str) -> None:
            if step == "speak":
                for line in forged:
                    with pytest.raises(StatementRefused):
                        today.reconcile(line)

        reconcile_statement(channel_code=CHANNEL, statement_date=today.date, on_step=forge)
        assert ChannelAttempt.objects.get(attempt_no=trade.attempt).status == "CREATED"
        assert kinds(name) == []
        assert moved(books) == (1, 0, 1)

    def test_another_amount_is_only_a_suspicion(self, today: Day, books: dict[str, int]):
        trade, name = trades.paying(), numbers.new_number("trd")
        today.reconcile(self.charge_line(trade, name, amount=AMOUNT + 1), verified=True)
        assert ChannelAttempt.objects.get(attempt_no=trade.attempt).status == "UNKNOWN"
        assert kinds(name) == [("STATUS_MISMATCH", "OPEN", AMOUNT + 1)]
        assert moved(books) == (0, 0, 0)

    def test_a_charge_after_the_end_is_late_money(self, today: Day, books: dict[str, int]):
        trade, name = trades.answered(trades.paying(), Outcome.FAILED), numbers.new_number("trd")
        today.reconcile(self.charge_line(trade, name), verified=True)
        (late,) = rows("SELECT * FROM engine_late_money WHERE channel_trade_no = %s", name)
        assert (late["order_no"], late["amount"]) == (trade.order, AMOUNT)
        assert [row["resolution"] for row in found(name)] == ["BOOKED_SINCE"]
        assert moved(books) == (AMOUNT, 0, AMOUNT)

    def test_a_second_charge_of_a_paid_attempt_is_late_money(
        self, today: Day, books: dict[str, int]
    ):
        trade, name = paid(), numbers.new_number("trd")
        today.reconcile(line_of(trade), self.charge_line(trade, name), verified=True)
        (late,) = rows("SELECT * FROM engine_late_money WHERE channel_trade_no = %s", name)
        assert late["reason"] == "CHARGED_TWICE" or late["reason"]
        assert moved(books) == (2 * AMOUNT, 0, AMOUNT)

    def test_a_refund_on_its_way_is_done(self, today: Day, books: dict[str, int]):
        trade = trades.refunded(paid())
        today.reconcile(
            line_of(trade),
            Line("SBR", trade.refund, trades.REFUNDED, kind="REFUND"),
            verified=True,
        )
        (refund,) = rows("SELECT status FROM engine_refund WHERE refund_no = %s", trade.refund)
        assert refund["status"] == "SUCCESS"
        assert moved(books) == (AMOUNT - trades.REFUNDED, 0, 0)

    def test_a_chargeback_is_the_merchants_and_a_case(self, today: Day, books: dict[str, int]):
        trade, name = paid(), numbers.new_number("cbk")
        line = Line(name, trade.attempt, 6_00, kind="CHARGEBACK", fee=0)
        available = f"L21:{trade.merchant['merchant_no']}:CNY"
        for _run in range(2):
            today.reconcile(line_of(trade), line, verified=True)
        assert balance_of(available) == -6_00
        assert moved(books) == (AMOUNT - 6_00, 0, 0)
        (case,) = rows("SELECT kind FROM engine_case WHERE object_no = %s", trade.attempt)
        assert case["kind"] == "chargeback"
        (order,) = rows("SELECT status FROM acquiring_trade_order WHERE order_no = %s", trade.order)
        assert order["status"] == "SUCCESS"

    def test_what_a_chargeback_brought_back_is_not_refunded_again(self, today: Day):
        trade = paid()
        line = Line(numbers.new_number("cbk"), trade.attempt, 6_00, kind="CHARGEBACK", fee=0)
        today.reconcile(line_of(trade), line, verified=True)
        with pytest.raises(RefundExceedsPaid):
            trades.refunded(trade, amount=AMOUNT - 6_00 + 1)
        assert trades.refunded(trade, amount=AMOUNT - 6_00).refund

    def test_a_chargeback_of_more_than_was_charged_is_short_and_for_people(
        self, today: Day, books: dict[str, int]
    ):
        trade, name = paid(), numbers.new_number("cbk")
        line = Line(name, trade.attempt, AMOUNT + 1, kind="CHARGEBACK", fee=0)
        today.reconcile(line_of(trade), line, verified=True)
        assert kinds(name) == [("CHANNEL_ONLY", "OPEN", -AMOUNT - 1)]
        assert moved(books) == (-1, AMOUNT + 1, 0)
        assert balance_of(f"L21:{trade.merchant['merchant_no']}:CNY") == 0

    def test_a_chargeback_that_an_operator_brings_waits_for_two_people(
        self, today: Day, books: dict[str, int]
    ):
        trade, name = paid(), numbers.new_number("cbk")
        today.reconcile(line_of(trade), Line(name, trade.attempt, 6_00, kind="CHARGEBACK", fee=0))
        assert kinds(name) == [("CHANNEL_ONLY", "OPEN", -6_00)]
        resolve(found(name)[0], Resolution.CHARGED)
        assert balance_of(f"L21:{trade.merchant['merchant_no']}:CNY") == -6_00
        assert moved(books) == (AMOUNT - 6_00, 0, 0)


RESOLUTIONS = [
    (_unknown_charge, Resolution.WITHDRAWN, (0, 0, 0)),
    (_over, Resolution.CREDITED, (3, 0, 0)),
    (_under, Resolution.WRITTEN_OFF, (-3, 0, 0)),
    (_under, Resolution.CHARGED, (-3, 0, 0)),
    (_under, Resolution.PROMISED, (0, 0, 0)),
    (_fee, Resolution.ACCEPTED, (0, 0, 0)),
]


@pytest.mark.parametrize(
    ("plant", "resolution", "books_move"),
    RESOLUTIONS,
    ids=lambda value: getattr(value, "__name__", None),
)
def test_two_people_end_a_difference_once(
    today: Day, plant: Any, resolution: Resolution, books_move: tuple[int, int, int]
):
    line, name = plant()
    before = {code: balance_of(code) for code in (A10, A90, L90)}
    today.reconcile(line)
    (row,) = found(name)
    resolve(row, resolution)
    assert moved(before) == books_move
    with pytest.raises(DiscrepancyNotOpen):
        resolve(row, resolution)
    today.again()
    assert kinds(name) == [(row["kind"], "RESOLVED", row["difference"])]
    assert moved(before) == books_move


@pytest.mark.parametrize(
    ("plant", "resolution", "error"),
    [
        (_over, Resolution.WRITTEN_OFF, ResolutionNotPossible),
        (_under, Resolution.CREDITED, ResolutionNotPossible),
        (_unknown_charge, Resolution.CREDITED, ResolutionNotPossible),
        (_unknown_refund, Resolution.CHARGED, ResolutionNotPossible),
        (_under, Resolution.ACCEPTED, ResolutionNotPossible),
        (_fee, Resolution.WITHDRAWN, ResolutionNotPossible),
        (_over, Resolution.FOUND_LATER, InvalidRequest),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_reason_that_does_not_fit_changes_nothing(
    today: Day, plant: Any, resolution: Resolution, error: type[Exception]
):
    line, name = plant()
    today.reconcile(line)
    before = ({code: balance_of(code) for code in (A10, A90, L90)}, found(name))
    with pytest.raises(error):
        resolve(found(name)[0], resolution)
    assert ({code: balance_of(code) for code in (A10, A90, L90)}, found(name)) == before


def test_four_runs_at_once_write_it_down_once(today: Day, books: dict[str, int]):
    line, name = _unknown_charge()
    today.bring(line)
    start, errors = threading.Barrier(4), []

    def run() -> None:
        try:
            start.wait()
            today.again()
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert kinds(name) == [("CHANNEL_ONLY", "OPEN", 7_77)]
    assert moved(books) == (7_77, 0, 7_77)
    assert Statement.objects.get(statement_date=today.date).run_count == 4


class Died(Exception):
    """The process ended here."""


def dying_at(step: str) -> Any:
    """A listener that dies when this step begins."""

    def listen(name: str) -> None:
        if name == step:
            raise Died

    return listen


class TestDying:
    """Whatever was not committed never was; what was is gone on with."""

    def test_while_comparing_leaves_nothing(self, today: Day, books: dict[str, int]):
        line, name = _unknown_charge()
        today.bring(line)
        with pytest.raises(Died):
            reconcile_statement(
                channel_code=CHANNEL, statement_date=today.date, on_step=dying_at("write")
            )
        assert found(name) == []
        assert Statement.objects.get(statement_date=today.date).reconciled_at is None
        today.again()
        assert kinds(name) == [("CHANNEL_ONLY", "OPEN", 7_77)]
        assert moved(books) == (7_77, 0, 7_77)

    def test_before_the_lines_speak_lets_the_next_run_speak(
        self, today: Day, books: dict[str, int]
    ):
        trade, name = trades.paying(), numbers.new_number("trd")
        today.bring(Line(name, trade.attempt, AMOUNT), verified=True)
        with pytest.raises(Died):
            reconcile_statement(
                channel_code=CHANNEL, statement_date=today.date, on_step=dying_at("speak")
            )
        assert kinds(name) == [("STATUS_MISMATCH", "OPEN", AMOUNT)]
        assert Statement.objects.get(statement_date=today.date).voiced_at is None
        assert moved(books) == (0, 0, 0)
        for _run in range(2):
            today.again()
            assert [row["resolution"] for row in found(name)] == ["BOOKED_SINCE"]
            assert moved(books) == (AMOUNT, 0, 0)

    def test_before_the_lines_speak_leaves_nothing_for_people_to_accept(
        self, today: Day, books: dict[str, int]
    ):
        """Accepted, a chargeback of the institution's own file would never speak, and nobody would bear it."""
        trade, name = paid(), numbers.new_number("cbk")
        line = Line(name, trade.attempt, 6_00, kind="CHARGEBACK", fee=0)
        today.bring(line_of(trade), line, verified=True)
        with pytest.raises(Died):
            reconcile_statement(
                channel_code=CHANNEL, statement_date=today.date, on_step=dying_at("speak")
            )
        (row,) = found(name)
        with pytest.raises(ResolutionNotPossible, match="has yet to be heard"):
            resolve(row, Resolution.ACCEPTED)
        assert found(name) == [row]
        today.again()
        assert [ended["resolution"] for ended in found(name)] == ["BOOKED_SINCE"]
        assert balance_of(f"L21:{trade.merchant['merchant_no']}:CNY") == -6_00
        assert moved(books) == (AMOUNT - 6_00, 0, 0)

    def test_what_was_heard_and_changed_nothing_is_for_people(self, today: Day):
        trade, name = trades.paying(), numbers.new_number("trd")
        today.reconcile(Line(name, trade.attempt, AMOUNT + 1), verified=True)
        resolve(found(name)[0], Resolution.ACCEPTED)
        assert [row["resolution"] for row in found(name)] == ["ACCEPTED"]

    def test_while_reading_leaves_nothing(self, today: Day):
        lines = [Line(f"SBX{today.date}{n}", "", 1) for n in range(10_000)]
        path = write_statement(today.folder, today.date, lines)

        def die(_lines: int) -> None:
            raise Died

        with pytest.raises(Died):
            import_statement(StatementFile(CHANNEL, today.date, path), on_progress=die)
        assert not Statement.objects.filter(statement_date=today.date).exists()
        assert (
            rows("SELECT 1 FROM engine_statement_line WHERE match_key = %s", lines[0].trade_no)
            == []
        )
        assert import_statement(StatementFile(CHANNEL, today.date, path)).line_count == 10_000


def test_roll_ups_go_on_while_a_statement_is_compared(today: Day):
    """Reading holds no transaction open: what is posted meanwhile can be rolled up before the run is over."""
    line, name = _unknown_charge()
    today.bring(line)
    rolled_up: list[str] = []
    tables = "SELECT relname FROM pg_class WHERE pg_table_is_visible(oid) AND relpersistence = 't' AND relkind = 'r'"
    of_others = rows(tables)

    def tail(account: str) -> int:
        (row,) = rows(
            "SELECT count(*) AS tail FROM ledger_posting p JOIN ledger_account a ON a.id = p.credit_account_id"
            " JOIN ledger_roll_up r ON r.account_id = a.id WHERE a.code = %s AND p.xact_id >= r.horizon",
            account,
        )
        return int(row["tail"])

    def listen(step: str) -> None:
        if step not in {"read", "match"}:
            return
        pending = f"L20:{paid().merchant['merchant_no']}:CNY"
        assert tail(pending) == 1
        # Other tests' transactions hold up roll-ups of the whole server, for a moment.
        wait_until(lambda: ledger.roll_up_accounts(limit=1_000) and not tail(pending), what=step)
        rolled_up.append(step)

    reconcile_statement(channel_code=CHANNEL, statement_date=today.date, on_step=listen)
    assert rolled_up == ["read", "match"]
    assert rows(tables) == of_others
    assert kinds(name) == [("CHANNEL_ONLY", "OPEN", 7_77)]


def test_a_file_that_is_corrected_while_it_is_compared_is_compared_anew(
    today: Day, books: dict[str, int]
):
    line, name = _unknown_charge()
    today.bring(line)
    newer = iter([line.but(amount=1)])

    def listen(step: str) -> None:
        if step == "match":
            for other in newer:
                today.bring(other)

    done = reconcile_statement(channel_code=CHANNEL, statement_date=today.date, on_step=listen)
    assert (done.version, kinds(name)) == (2, [("CHANNEL_ONLY", "OPEN", 1)])
    assert moved(books) == (1, 0, 1)


def test_a_dry_run_says_what_would_be_found_and_keeps_nothing(today: Day):
    line, name = _unknown_charge()
    path = write_statement(today.folder, today.date, [line])
    before = {code: balance_of(code) for code in (A10, A90, L90)}
    wish = RunWish(CHANNEL, today.date, file=path, dry_run=True)
    run: Run = reconcile_channel(wish, on_progress=lambda _: None, on_step=lambda _: None)
    assert run.reconciled.summary["differences"]["CHANNEL_ONLY"]["count"] == 1
    assert found(name) == []
    assert not Statement.objects.filter(statement_date=today.date).exists()
    assert moved(before) == (0, 0, 0)


def test_without_a_file_there_is_nothing_to_reconcile(today: Day):
    with pytest.raises(StatementMissing):
        today.again()


def test_what_fits_is_what_the_page_offers(today: Day):
    plants = [plant() for plant in (_over, _under, _fee)]
    today.reconcile(*(line for line, _name in plants))
    offered = [list_resolutions(Discrepancy.objects.get(match_key=name)) for _line, name in plants]
    assert offered == [
        (Resolution.WITHDRAWN, Resolution.CREDITED),
        (Resolution.WRITTEN_OFF, Resolution.CHARGED, Resolution.PROMISED),
        (Resolution.ACCEPTED,),
    ]


def test_a_charge_that_our_books_may_yet_learn_of_is_nobodys_to_credit():
    booked = Discrepancy(
        kind="CHANNEL_ONLY",
        line_kind="CHARGE",
        merchant_no="mch_known",
        difference=7_77,
        posted_at=datetime.now(UTC),
    )
    assert list_resolutions(booked) == (Resolution.WITHDRAWN,)
