"""The dashboard: roll-ups that follow late results, and figures that agree with the tables."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.urls import reverse

from acquiring import api as acquiring
from acquiring.models import BusinessDay, Payout, SettlementItem, TradeOrder
from engine.channels.base import Outcome
from engine.models import Case, Discrepancy, PaymentOrder
from paymentplatform.console.dashboard import read_dashboard
from paymentplatform.console.models import Volume
from paymentplatform.console.services.volumes import roll_up_volumes
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import business_date, database_now
from paymentplatform.kernel.money import format_amount
from paymentplatform.kernel.roles import Role
from tests.barrier import run_together
from tests.console import proposals, trades
from tests.console.differences import extra
from tests.console.test_admin import log_in, page
from tests.waiting import wait_until


def rows() -> list[dict[str, object]]:
    return list(Volume.objects.order_by("bucket_at", "dimension", "name", "currency").values())


def counted(name: str) -> tuple[int, int, int]:
    """What the roll-ups know of one method or channel."""
    found = Volume.objects.filter(name=name)
    return (
        sum(row.begun for row in found),
        sum(row.paid for row in found),
        sum(row.open for row in found),
    )


def test_roll_ups_follow_what_happens_and_agree_with_the_tables(unit_database):
    trade = trades.paying()
    roll_up_volumes()
    begun, paid, still_open = counted("sandbox")
    trades.answered(trade, Outcome.SUCCEEDED)
    trades.paid_by_balance()
    roll_up_volumes()
    assert counted("sandbox") == (begun, paid + 1, still_open - 1)
    for status, column in (("PAID", "paid"), ("FAILED", "failed"), ("PAYING", "open")):
        since = numbers.first_number(
            numbers.PAYMENT, Volume.objects.earliest("bucket_at").bucket_at
        )
        in_table = PaymentOrder.objects.filter(payment_no__gte=since, status=status).count()
        assert in_table == sum(
            getattr(row, column) for row in Volume.objects.filter(dimension="METHOD")
        )


def test_many_at_once_count_nothing_twice(unit_database):
    trades.paid_by_balance()
    roll_up_volumes()
    before = rows()
    run_together([roll_up_volumes] * 4)
    assert [row | {"id": 0} for row in rows()] == [row | {"id": 0} for row in before]


@pytest.mark.parametrize("period", ["hour", "day", "week", "century"])
def test_the_page_shows_what_waits_and_how_it_went(unit_database, period):
    trade = trades.paid_by_channel()
    Case.objects.create(
        case_no=numbers.new_number(numbers.CASE),
        kind="amount_mismatch",
        object_no=trade.attempt,
        detail="",
    )
    roll_up_volumes()
    found = read_dashboard(period=period)
    assert sum(point.paid for point in found.points) >= 1
    assert found.open_cases >= 1
    client = log_in(User.objects.get(username=proposals.operator(Role.VIEWER)))
    shown = client.get(reverse("admin:index"), {"period": period}).content.decode()
    assert 'data-type="bar"' in shown
    for colour in ("#16a34a", "#dc2626", "#2563eb"):
        assert f'fill="{colour}"' in shown, "a bar's part is named"
    assert ">sandbox<" in shown
    assert f"{found.open_cases:,}" in shown


def test_who_may_not_look_at_payments_sees_no_figure(unit_database):
    nobody = log_in(User.objects.create_user(username=numbers.new_number("op"), is_staff=True))
    assert "canvas" not in nobody.get(reverse("admin:index")).content.decode()


def test_it_asks_few_questions(unit_database, django_assert_max_num_queries):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with django_assert_max_num_queries(12):
        read_dashboard(period="week")


def due() -> tuple[int, int, int]:
    """Merchants, payments and amount of what is due in CNY."""
    found = [row for row in acquiring.list_settlement_due() if row.currency == "CNY"]
    return (found[0].merchants, found[0].items, found[0].amount) if found else (0, 0, 0)


def test_what_is_due_to_merchants_is_shown_until_it_is_released(unit_database):
    trade, today = trades.paid_by_balance(), business_date(database_now())
    merchant_no = trade.merchant["merchant_no"]
    BusinessDay.objects.get_or_create(day=today, defaults={"is_open": True, "name": "today"})
    contract = acquiring.NewFeeContract(merchant_no, rate_ppm=0, settlement_days=0)
    held = {"merchant_no": merchant_no, "operator": "ann", "reason": "looks odd"}
    with transaction.atomic():
        acquiring.make_fee_contract(new=contract)
    hold_no = acquiring.place_settlement_hold(order_no=None, **held)
    before = due()

    def settle() -> SettlementItem | None:
        acquiring.settle_merchants(merchant_no=merchant_no)
        return SettlementItem.objects.filter(merchant_no=merchant_no).first()

    item = wait_until(settle, what="the item")  # other tests' transactions hold settlement up
    net = item.amount - item.fee_amount
    assert due() == (before[0] + 1, before[1] + 1, before[2] + net)
    client = log_in(User.objects.get(username=proposals.operator(Role.VIEWER)))
    shown = client.get(reverse("admin:index"), headers={"Accept-Language": "en"}).content.decode()
    assert "Settlement due to merchants" in shown
    assert f"{format_amount(before[2] + net, 'CNY')} CNY" in shown
    with transaction.atomic():
        acquiring.lift_settlement_hold(hold_no=hold_no, operator="bob", reason="seen")
    acquiring.settle_merchants(merchant_no=merchant_no)
    assert due() == before


def test_a_tile_leads_to_what_it_counts():
    """Orders past their time, cases and differences that have not ended: also those that wait for a second person."""
    trades.paid_too_late()
    extra()
    late, in_time = str(trades.placed().order), str(trades.placed().order)
    TradeOrder.objects.filter(pk=late).update(due_at=database_now() - timedelta(minutes=2))
    viewer = log_in(User.objects.get(username=proposals.operator(Role.VIEWER)))
    shown = viewer.get(reverse("admin:index")).content.decode()
    address = f"{reverse('admin:acquiring_tradeorder_changelist')}?overdue=yes"
    assert f'href="{address}"' in shown
    listed = viewer.get(address).content.decode()
    assert (late in listed, in_time in listed) == (True, False)
    for model, ended in ((Case, "resolved_at"), (Discrepancy, "resolved_at"), (Payout, "ended_at")):
        address = f"{page(model, 'changelist')}?unended=yes"
        assert f'href="{address}"' in shown
        found = viewer.get(address).context["cl"].result_list
        wanted = model.objects.filter(**{ended: None}).order_by("-pk")[:50]
        assert [row.pk for row in found] == [row.pk for row in wanted]
