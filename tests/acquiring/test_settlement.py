"""Settlement: what is due becomes available once, refunds and failures included, whoever runs it and how often."""

from __future__ import annotations

import csv
import io
import json
import secrets
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from acquiring import api as acquiring
from acquiring.business_calendar import find_cutoff, find_due_date, is_business_day
from acquiring.models import BusinessDay, FeeContract
from acquiring.release_plan import ItemClaim, plan_release
from acquiring.services import settlement, settlement_release
from acquiring.settlement_books import write_batch_details
from acquiring.settlement_contracts import (
    HoldNotActive,
    InsufficientAvailable,
    MerchantOnHold,
    PayoutNotOpen,
)
from engine.channels.base import Outcome
from engine.contracts import InsufficientMerchantBalance
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from tests.acquiring.settling import LONG, Seller, end_refund, make_seller
from tests.barrier import failures, run_together
from tests.clock import VirtualClock
from tests.trading import balance_of, rows

SATURDAY, SUNDAY, MONDAY = date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9)
FRIDAY, TUESDAY = date(2026, 3, 6), date(2026, 3, 10)


class TestCalendar:
    @pytest.mark.parametrize(
        ("paid_on", "days", "due"),
        [
            (FRIDAY, 0, FRIDAY),
            (FRIDAY, 1, MONDAY),
            (SATURDAY, 0, MONDAY),
            (SATURDAY, 1, MONDAY),
            (SUNDAY, 2, TUESDAY),
            (MONDAY, 5, date(2026, 3, 16)),
        ],
    )
    def test_counts_business_days(self, paid_on, days, due):
        assert find_due_date(paid_on, settlement_days=days, calendar={}) == due

    def test_holidays_and_worked_weekends_are_data(self):
        calendar = {MONDAY: False, SATURDAY: True}
        assert find_due_date(FRIDAY, settlement_days=1, calendar=calendar) == SATURDAY
        assert find_due_date(SATURDAY, settlement_days=1, calendar=calendar) == TUESDAY
        assert not is_business_day(MONDAY, calendar)

    @given(
        day=st.dates(date(2025, 1, 1), date(2027, 1, 1)),
        days=st.integers(0, 40),
        closed=st.sets(st.integers(-60, 20), max_size=20),
    )
    def test_cutoff_is_the_last_day_that_is_due(self, day, days, closed):
        calendar = {day + timedelta(days=n): False for n in closed}
        cutoff = find_cutoff(day, settlement_days=days, calendar=calendar)

        def due(paid_on: date) -> date:
            return find_due_date(paid_on, settlement_days=days, calendar=calendar)

        assert due(cutoff) <= day < due(cutoff + timedelta(days=1))
        assert all(due(cutoff - timedelta(days=n)) <= day for n in range(10))


def claim(number: str, kind: str = "PAYMENT", **changes: Any) -> ItemClaim:
    values = {
        "payment_no": number,
        "amount": 100,
        "fee": 1,
        "refunded": 0,
        "returned_fee": 0,
        "released": 0,
        "was_released": False,
    }
    return ItemClaim(journal_no=f"j{number}{kind}", kind=kind, **values | changes)


class TestPlan:
    def test_a_failed_refund_releases_what_its_payment_could_not(self):
        planned = plan_release([claim("a", "REFUND_FAILED", released=60, was_released=True)])
        assert [one.amount for one in planned] == [39]

    def test_a_failed_refund_waits_for_its_payment_and_adds_nothing_beside_it(self):
        assert plan_release([claim("a", "REFUND_FAILED")]) == []
        planned = plan_release([claim("a"), claim("a", "REFUND_FAILED")])
        assert [one.amount for one in planned] == [99, 0]

    def test_what_a_kept_fee_took_from_others_is_netted_as_far_as_it_goes(self):
        short = {"refunded": 100}
        assert plan_release([claim("a", **short)]) == []
        planned = plan_release([claim("a", **short), claim("b")])
        assert [one.amount for one in planned] == [-1, 99]

    @given(
        st.lists(
            st.builds(
                claim,
                st.uuids().map(str),
                amount=st.integers(1, 1_000),
                fee=st.integers(0, 300),
                refunded=st.integers(0, 1_000),
            )
        )
    )
    def test_never_releases_less_than_nothing_nor_leaves_a_positive_claim(self, claims):
        planned = {one.journal_no: one.amount for one in plan_release(claims)}
        assert sum(planned.values()) >= 0
        for one in claims:
            assert planned.get(one.journal_no, one.entitlement) == one.entitlement
            assert one.journal_no in planned or one.entitlement < 0


class TestRelease:
    def test_what_is_due_becomes_available_once_and_is_paid_out(self, clock: VirtualClock):
        seller = make_seller(fee_rate_ppm=6_000)
        first, _ = seller.sell(10_00), seller.sell(20_00)
        first.refund(4_00)
        assert seller.settle().batches == []
        assert seller.balances() == (10_00 - 6 - 4_00 + 2 + 20_00 - 12, 0, 0)

        clock.advance(LONG)
        net = 25_84
        run = seller.settle()
        assert [(batch.items, batch.released) for batch in run.batches] == [(2, net)]
        assert seller.balances() == (0, net, 0)
        (batch,) = seller.batches()
        assert (batch["status"], batch["item_count"], batch["part_count"]) == ("CLOSED", 2, 1)
        assert (batch["gross_amount"], batch["fee_amount"]) == (30_00, 18)
        assert (batch["refunded_amount"], batch["returned_fee_amount"]) == (4_00, 2)
        assert batch["net_amount"] == net
        assert [payout.amount for payout in run.payouts] == [net]

        before = seller.footprint()
        again = seller.settle()
        assert (again.batches, again.payouts) == ([], [])
        assert seller.footprint()[:4] == before[:4]

        (payout,) = run.payouts
        seller.pay_out(payout.payout_no)
        assert seller.balances() == (0, 0, net)
        seller.end(payout.payout_no, bank_reference=f"bank-{secrets.token_hex(4)}")
        assert seller.balances() == (0, 0, 0)
        assert [row["status"] for row in seller.payouts()] == ["PAID"]

    def test_not_before_its_business_day(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell()
        paid_on = acquiring_day(clock)
        calendar = dict(BusinessDay.objects.values_list("day", "is_open"))
        due = find_due_date(paid_on, settlement_days=1, calendar=calendar)
        clock.advance(LONG)
        assert seller.settle(due - timedelta(days=1)).batches == []
        assert [batch.released for batch in seller.settle(due).batches] == [10_00]
        (batch,) = seller.batches()
        assert batch["settlement_date"] == due

    def test_the_contract_says_after_how_many_days(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell()
        with transaction.atomic():
            acquiring.make_fee_contract(
                new=acquiring.NewFeeContract(seller.number, rate_ppm=0, settlement_days=200)
            )
        clock.advance(LONG)
        assert seller.settle().batches == []
        clock.advance(300 * 86_400)
        assert len(seller.settle().batches) == 1

    def test_a_day_to_come_is_refused(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell()
        before = seller.footprint()
        with pytest.raises(InvalidRequest, match="has not come yet"):
            seller.settle(acquiring_day(clock) + timedelta(days=1))
        assert seller.footprint() == before

    def test_a_rehearsal_says_it_all_and_writes_nothing(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell()
        clock.advance(LONG)
        before = seller.footprint()
        rehearsed = seller.settle(dry_run=True)
        assert seller.footprint() == before
        assert [(batch.batch_no, batch.released) for batch in rehearsed.batches] == [(None, 10_00)]
        assert [payout.amount for payout in rehearsed.payouts] == [10_00]
        assert [batch.released for batch in seller.settle().batches] == [10_00]

    def test_many_parts_make_one_batch(self, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(settlement_release, "PART", 2)
        seller = make_seller()
        for _ in range(5):
            seller.sell(1_00)
        clock.advance(LONG)
        run = seller.settle()
        assert [(batch.items, batch.released) for batch in run.batches] == [(5, 5_00)]
        (batch,) = seller.batches()
        assert (batch["part_count"], batch["item_count"]) == (3, 5)
        journals = rows(
            "SELECT event_id FROM ledger_journal WHERE event_type = 'merchant_release' AND event_id LIKE %s",
            f"{batch['batch_no']}.%",
        )
        assert len(journals) == 3

    def test_an_order_that_somebody_holds_is_left_for_the_next_run(
        self, clock: VirtualClock, owner_connection: Any
    ):
        seller = make_seller()
        held, free = seller.sell(1_00), seller.sell(2_00)
        clock.advance(LONG)
        with owner_connection.transaction():
            owner_connection.execute(
                "SELECT 1 FROM acquiring_trade_order WHERE order_no = %s FOR UPDATE",
                [held.order_no],
            )
            assert [batch.released for batch in seller.settle().batches] == [2_00]
        assert [batch.released for batch in seller.settle().batches] == [1_00]
        assert len({row["batch_no"] for row in seller.items()}) == 2
        assert free.order()["status"] == "SUCCESS"

    def test_late_money_that_was_honoured_is_released_too(self, clock: VirtualClock):
        seller = make_seller()
        journal = seller.honour_late_money(7_00, fee=5)
        clock.advance(LONG)
        seller.settle()
        (item,) = seller.items()
        assert (item["journal_no"], item["kind"]) == (journal, "OTHER")
        assert (item["released_amount"], seller.balances()) == (6_95, (0, 6_95, 0))

    def test_an_open_batch_of_a_run_that_died_is_finished(
        self, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(settlement_release, "PART", 1)
        seller = make_seller()
        seller.sell(1_00), seller.sell(2_00)
        clock.advance(LONG)

        def die(_name: str, _order_no: str = "") -> None:
            if _name == "release_committed":
                raise KeyboardInterrupt

        monkeypatch.setattr("acquiring.services.settlement.failpoint", die)
        with pytest.raises(KeyboardInterrupt):
            seller.settle()
        monkeypatch.undo()
        (batch,) = seller.batches()
        assert (batch["status"], batch["net_amount"]) == ("OPEN", 1_00)
        assert seller.balances() == (2_00, 1_00, 0)
        clock.advance(86_400)
        seller.settle()
        assert [(row["status"], row["net_amount"]) for row in seller.batches()] == [
            ("CLOSED", 1_00),
            ("CLOSED", 2_00),
        ]
        assert seller.balances() == (0, 3_00, 0)


def acquiring_day(clock: VirtualClock) -> date:
    (row,) = rows("SELECT (platform_now() AT TIME ZONE 'Asia/Shanghai')::date AS day")
    assert clock is not None
    return row["day"]


class TestRefunds:
    def test_after_the_release_they_come_out_of_available_money(self, clock: VirtualClock):
        seller = make_seller(fee_rate_ppm=10_000)
        trade = seller.sell(10_00)
        clock.advance(LONG)
        seller.settle()
        refund = trade.refund(4_00)
        assert refund["status"] == "SUCCESS"
        assert [row["source"] for row in trade.refunds()] == ["L21"]
        assert seller.balances() == (0, 9_90 - 4_00 + 4, 0)

    def test_released_money_that_was_paid_out_refuses_them(self, clock: VirtualClock):
        seller = make_seller()
        trade = seller.sell(10_00)
        clock.advance(LONG)
        (payout,) = seller.settle().payouts
        seller.pay_out(payout.payout_no)
        seller.sell(50_00)
        before = (seller.footprint(), trade.footprint())
        with pytest.raises(InsufficientMerchantBalance):
            trade.refund(1)
        assert (seller.footprint(), trade.footprint()) == before

    def test_one_on_its_way_is_not_released_and_is_when_it_failed(
        self, clock: VirtualClock, channels: Any
    ):
        seller = make_seller(fee_rate_ppm=10_000)
        trade = seller.sell_by_channel(channels[0], 10_00)
        refund = trade.refund(4_00)
        assert refund["status"] == "PROCESSING"
        clock.advance(LONG)
        assert [batch.released for batch in seller.settle().batches] == [5_94]
        end_refund(refund["refund_no"], Outcome.FAILED)
        assert seller.balances() == (3_96, 5_94, 0)
        assert seller.settle().batches == []
        clock.advance(LONG)
        assert [batch.released for batch in seller.settle().batches] == [3_96]
        assert seller.balances() == (0, 9_90, 0)
        kinds = [(row["kind"], row["released_amount"]) for row in seller.items()]
        assert kinds == [("PAYMENT", 5_94), ("REFUND_FAILED", 3_96)]

    def test_one_that_failed_before_the_release_changes_nothing(
        self, clock: VirtualClock, channels: Any
    ):
        seller = make_seller()
        trade = seller.sell_by_channel(channels[0], 10_00)
        end_refund(trade.refund(4_00)["refund_no"], Outcome.FAILED)
        clock.advance(LONG)
        seller.settle()
        kinds = [(row["kind"], row["released_amount"]) for row in seller.items()]
        assert kinds == [("PAYMENT", 10_00), ("REFUND_FAILED", 0)]
        assert seller.balances() == (0, 10_00, 0)

    def test_a_fee_that_is_kept_is_netted_by_the_next_sale(self, clock: VirtualClock):
        seller = make_seller(fee_rate_ppm=10_000)
        seller.sell(1_00)
        keep_fees(seller, clock)
        # Another sale pays for the fee that is kept; without one the refund would be refused.
        trade = seller.sell(10_00)
        clock.advance(1)
        seller.sell(20)
        trade.refund(10_00)
        assert seller.balances() == (99 + 20 - 10, 0, 0)
        clock.advance(LONG)
        seller.settle()
        assert [row["released_amount"] for row in seller.items()] == [99, -10, 20]
        assert seller.balances() == (0, 1_09, 0)

    @pytest.mark.parametrize("why", ["not due", "on hold"])
    def test_a_fee_that_is_kept_of_an_order_that_waits_is_netted_by_what_is_due(
        self, clock: VirtualClock, why: str
    ):
        seller = make_seller(fee_rate_ppm=10_000)
        keep_fees(seller, clock)
        seller.sell(10_00)
        clock.advance(LONG if why == "not due" else 1)
        trade = seller.sell(10_00)
        trade.refund(10_00)
        if why == "on hold":
            place(seller, trade.order_no)
            clock.advance(LONG)
        assert [batch.released for batch in seller.settle().batches] == [9_80]
        assert seller.balances() == (0, 9_80, 0)
        assert [row["released_amount"] for row in seller.items()] == [9_90, -10]
        clock.advance(LONG)
        assert seller.settle().batches == []


def keep_fees(seller: Seller, clock: VirtualClock) -> None:
    """From now on the seller's orders cost 1 %, also when they are refunded."""
    FeeContract.objects.create(
        contract_no=f"fee_{secrets.token_hex(6)}",
        merchant_id=seller.number,
        rate_ppm=10_000,
        returned_on_refund=False,
        valid_from=clock.now(),
    )
    clock.advance(1)


class TestPayouts:
    def test_a_failed_one_returns_the_money_and_the_next_run_tries_again(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell(10_00)
        clock.advance(LONG)
        (payout,) = seller.settle().payouts
        seller.pay_out(payout.payout_no)
        seller.end(payout.payout_no, failure_code="account_closed")
        assert seller.balances() == (0, 10_00, 0)
        (second,) = seller.settle().payouts
        assert (second.amount, second.status) == (10_00, "CREATED")
        assert [row["status"] for row in seller.payouts()] == ["FAILED", "CREATED"]

    def test_what_is_below_zero_is_netted_before_anything_is_paid_out(self, clock: VirtualClock):
        seller = make_seller()
        seller.charge_back(3_00, f"cb-{secrets.token_hex(4)}")
        seller.sell(2_00)
        clock.advance(LONG)
        assert seller.settle().payouts == []
        assert seller.balances() == (0, -1_00, 0)
        seller.sell(5_00)
        clock.advance(LONG)
        assert [payout.amount for payout in seller.settle().payouts] == [4_00]

    def test_one_that_waits_follows_what_is_available_until_it_is_proposed(
        self, clock: VirtualClock
    ):
        seller = make_seller()
        seller.sell(2_00)
        clock.advance(LONG)
        (first,) = seller.settle().payouts
        seller.charge_back(50, f"cb-{secrets.token_hex(4)}")
        (second,) = seller.settle().payouts
        assert second.amount == 1_50
        assert [row["status"] for row in seller.payouts()] == ["CANCELLED", "CREATED"]
        with transaction.atomic():
            acquiring.propose_payout(payout_no=second.payout_no)
        seller.charge_back(50, f"cb-{secrets.token_hex(4)}")
        assert seller.settle().payouts == []
        before = seller.footprint()
        with pytest.raises(InsufficientAvailable), transaction.atomic():
            acquiring.send_payout(payout_no=second.payout_no)
        assert seller.footprint() == before
        with transaction.atomic():
            acquiring.drop_payout_proposal(payout_no=second.payout_no)
        assert [payout.amount for payout in seller.settle().payouts] == [1_00]
        assert first.payout_no != second.payout_no

    @pytest.mark.parametrize(
        ("state", "act"),
        [
            ("CREATED", "send_payout"),
            ("CREATED", "end_payout"),
            ("SENT", "send_payout"),
            ("SENT", "preview_payout_sending"),
            ("PAID", "end_payout"),
            ("SENT", "propose_payout"),
        ],
    )
    def test_nothing_is_done_out_of_turn(self, clock: VirtualClock, state: str, act: str):
        seller = make_seller()
        seller.sell()
        clock.advance(LONG)
        (payout,) = seller.settle().payouts
        number = {"payout_no": payout.payout_no}
        if state != "CREATED":
            seller.pay_out(payout.payout_no)
        if state == "PAID":
            seller.end(payout.payout_no, bank_reference=payout.payout_no)
        before = seller.footprint()
        result = {"bank_reference": "", "failure_code": "x"} if act == "end_payout" else {}
        with pytest.raises(PayoutNotOpen), transaction.atomic():
            getattr(acquiring, act)(**number, **result)
        assert seller.footprint() == before

    @pytest.mark.parametrize(
        ("bank_reference", "failure_code"), [("", ""), ("a", "b"), ("x" * 129, ""), ("\n", "")]
    )
    def test_a_result_is_one_of_two_things(
        self, clock: VirtualClock, bank_reference: str, failure_code: str
    ):
        seller = make_seller()
        seller.sell()
        clock.advance(LONG)
        (payout,) = seller.settle().payouts
        seller.pay_out(payout.payout_no)
        before = seller.footprint()
        with pytest.raises(InvalidRequest):
            seller.end(payout.payout_no, bank_reference=bank_reference, failure_code=failure_code)
        assert seller.footprint() == before

    def test_one_bank_transfer_pays_one_payout(self, clock: VirtualClock):
        sellers = [make_seller(), make_seller()]
        for seller in sellers:
            seller.sell()
        clock.advance(LONG)
        payouts = [seller.settle().payouts[0] for seller in sellers]
        for seller, payout in zip(sellers, payouts, strict=True):
            seller.pay_out(payout.payout_no)
        sellers[0].end(payouts[0].payout_no, bank_reference=payouts[0].payout_no)
        before = sellers[1].footprint()
        with pytest.raises(InvalidRequest, match="of another payout"):
            sellers[1].end(payouts[1].payout_no, bank_reference=payouts[0].payout_no)
        assert sellers[1].footprint() == before

    def test_unknown_ones_are_not_found(self):
        for act in (acquiring.preview_payout_sending, acquiring.send_payout):
            with pytest.raises(NotFound), transaction.atomic():
                act(payout_no="pyo_x")


class TestHolds:
    def test_an_order_on_hold_stays_pending_until_it_is_lifted(self, clock: VirtualClock):
        seller = make_seller()
        held, _ = seller.sell(1_00), seller.sell(2_00)
        number = place(seller, held.order_no)
        assert place(seller, held.order_no) == number
        clock.advance(LONG)
        assert [batch.released for batch in seller.settle().batches] == [2_00]
        assert seller.settle().batches == []
        with transaction.atomic():
            acquiring.lift_settlement_hold(hold_no=number, operator="bob", reason="checked")
        assert [batch.released for batch in seller.settle().batches] == [1_00]
        before = seller.footprint()
        with pytest.raises(HoldNotActive), transaction.atomic():
            acquiring.lift_settlement_hold(hold_no=number, operator="bob", reason="again")
        assert seller.footprint() == before

    def test_a_merchant_on_hold_gets_nothing_released_and_nothing_paid(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell(1_00)
        clock.advance(LONG)
        (payout,) = seller.settle().payouts
        seller.sell(2_00)
        place(seller, None)
        clock.advance(LONG)
        run = seller.settle()
        assert (run.batches, run.payouts) == ([], [])
        before = seller.footprint()
        with pytest.raises(MerchantOnHold), transaction.atomic():
            acquiring.preview_payout_sending(payout_no=payout.payout_no)
        assert seller.footprint() == before

    def test_only_its_own_orders_and_only_with_a_reason(self):
        seller, other = make_seller(), make_seller()
        order = other.sell()
        before = seller.footprint()
        for order_no, reason in ((order.order_no, "x"), (None, " ")):
            with pytest.raises((NotFound, InvalidRequest)):
                place(seller, order_no, reason=reason)
        assert seller.footprint() == before


def place(seller: Seller, order_no: str | None, *, reason: str = "looks stolen") -> str:
    return acquiring.place_settlement_hold(
        merchant_no=seller.number, order_no=order_no, operator="alice", reason=reason
    )


def test_no_merchant_is_always_the_last():
    """A run that ends by its time limit before it is done leaves others behind than the run before."""
    sellers = [make_seller() for _ in range(3)]
    for seller in sellers:
        seller.sell()
    orders = [settlement._list_owners(None) for _ in range(40)]
    assert len({tuple(sorted(owners)) for owners in orders}) == 1
    assert len({owners[0] for owners in orders}) > 1
    assert {(seller.number, "CNY") for seller in sellers} <= set(orders[0])


class TestRaces:
    def test_settling_at_once_releases_once(self, clock: VirtualClock):
        seller = make_seller()
        for _ in range(6):
            seller.sell(1_00)
        clock.advance(LONG)
        outcomes = run_together([seller.settle] * 4)
        assert failures(outcomes) == []
        seller.settle()
        assert seller.balances() == (0, 6_00, 0)
        assert sum(row["net_amount"] for row in seller.batches()) == 6_00
        assert [row["amount"] for row in seller.payouts() if row["status"] == "CREATED"] == [6_00]

    @pytest.mark.parametrize("round_no", range(4))
    def test_a_refund_beside_a_release_comes_out_of_where_its_money_is(
        self, clock: VirtualClock, round_no: int
    ):
        seller = make_seller()
        trades = [seller.sell(1_00) for _ in range(4)]
        clock.advance(LONG)
        assert round_no >= 0
        refunds = [lambda trade=trade: trade.refund(1_00) for trade in trades]
        outcomes = run_together([seller.settle, *refunds, seller.settle])
        assert failures(outcomes) == []
        seller.settle()
        assert seller.balances() == (0, 0, 0)
        released = {row["order_no"]: row["released_amount"] for row in seller.items()}
        for trade in trades:
            (refund,) = trade.refunds()
            expected = {"L20": 0, "L21": 1_00}[refund["source"]]
            assert released[trade.order_no] == expected

    def test_a_chargeback_beside_a_payout_is_never_lost(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell(10_00)
        clock.advance(LONG)
        (payout,) = seller.settle().payouts
        number = f"cb-{secrets.token_hex(4)}"
        outcomes = run_together(
            [
                lambda: seller.pay_out(payout.payout_no),
                lambda: seller.charge_back(4_00, number),
                seller.settle,
            ]
        )
        expected = (InsufficientAvailable, PayoutNotOpen)
        assert [one for one in failures(outcomes) if not isinstance(one, expected)] == []
        _, available, flight = seller.balances()
        assert available + flight == 6_00
        assert flight in (0, 10_00)


class TestFiles:
    def test_the_detail_file_adds_up_and_has_an_end(self, clock: VirtualClock):
        seller = make_seller(fee_rate_ppm=10_000)
        trade = seller.sell(10_00)
        seller.sell(2_00)
        trade.refund(5_00)
        clock.advance(LONG)
        (batch,) = seller.settle().batches
        text = b"".join(write_batch_details(batch_no=str(batch.batch_no))).decode("ascii")
        records = list(csv.DictReader(io.StringIO(text, newline="")))
        kinds = [record["record"] for record in records]
        assert kinds == ["BATCH", "LINE", "LINE", "TOTAL", "TOTAL", "END"]
        lines = [record for record in records if record["record"] == "LINE"]
        assert [int(line["released"]) for line in lines] == [4_95, 1_98]
        assert lines[0]["order_no"] == trade.order_no
        assert (lines[0]["refunded"], lines[0]["returned_fee"]) == ("500", "5")
        assert records[-2]["kind"] == "ALL"
        assert (
            int(records[-2]["released"]) == batch.released == balance_of(f"L21:{seller.number}:CNY")
        )
        assert records[-1]["count"] == "2"

    def test_there_is_none_of_a_batch_that_is_open_or_unknown(self):
        with pytest.raises(NotFound):
            write_batch_details(batch_no="stb_x")


class TestCommand:
    def settle(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        out = io.StringIO()
        try:
            call_command("settle_merchants", *arguments, "--json", stdout=out)
        except SystemExit as leaving:
            return int(leaving.code or 0), json.loads(out.getvalue())
        return 0, json.loads(out.getvalue())

    def test_rehearses_settles_and_says_what_it_did(self, clock: VirtualClock):
        seller = make_seller()
        seller.sell()
        now = clock.advance(LONG)
        arguments = ("--merchant", seller.number, "--date", f"{now:%Y-%m-%d}")
        code, said = self.settle(*arguments, "--dry-run")
        assert (code, said["dry_run"], said["batches"][0]["released"]) == (0, True, 10_00)
        assert seller.balances() == (10_00, 0, 0)
        code, said = self.settle(*arguments)
        assert (code, said["batches"][0]["released"], said["payouts"][0]["amount"]) == (
            0,
            10_00,
            10_00,
        )
        assert self.settle(*arguments)[1]["batches"] == []

    def test_wrong_use(self, clock: VirtualClock):
        seller = make_seller()
        before = seller.footprint()
        tomorrow = clock.now() + timedelta(days=2)
        code, said = self.settle("--date", f"{tomorrow:%Y-%m-%d}", "--merchant", seller.number)
        assert (code, said["error"]["code"]) == (2, "invalid_request")
        assert seller.footprint() == before

    def test_a_merchant_whose_books_are_broken_fails_alone(
        self, clock: VirtualClock, owner_connection: Any
    ):
        seller = make_seller()
        seller.sell()
        clock.advance(LONG)
        owner_connection.execute("ALTER TABLE acquiring_settlement_item DISABLE TRIGGER USER")
        seller.settle(acquiring_day(clock) - timedelta(days=10))
        owner_connection.execute(
            "UPDATE acquiring_settlement_item SET kind = 'OTHER', amount = amount + 1 WHERE merchant_no = %s",
            [seller.number],
        )
        owner_connection.execute("ALTER TABLE acquiring_settlement_item ENABLE TRIGGER USER")
        code, said = self.settle("--merchant", seller.number)
        assert code == 1
        assert "InsufficientBalance" in said["failures"][0]["problem"]
        assert seller.balances() == (10_00, 0, 0)
        owner_connection.execute(
            "ALTER TABLE acquiring_settlement_item DISABLE TRIGGER USER;"
            "UPDATE acquiring_settlement_item SET kind = 'PAYMENT', amount = amount - 1 WHERE merchant_no ="
            f" '{seller.number}'; ALTER TABLE acquiring_settlement_item ENABLE TRIGGER USER"
        )
        assert self.settle("--merchant", seller.number)[0] == 0
