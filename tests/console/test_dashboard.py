"""The dashboard: roll-ups that follow late results, and figures that agree with the tables."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.urls import reverse

from engine.channels.base import Outcome
from engine.models import Case, PaymentOrder
from paymentplatform.console.dashboard import read_dashboard
from paymentplatform.console.models import Volume
from paymentplatform.console.services.volumes import roll_up_volumes
from paymentplatform.kernel import numbers
from paymentplatform.kernel.roles import Role
from tests.barrier import run_together
from tests.console import proposals, trades
from tests.console.test_admin import log_in


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
    assert ">sandbox<" in shown
    assert f"{found.open_cases:,}" in shown


def test_who_may_not_look_at_payments_sees_no_figure(unit_database):
    nobody = log_in(User.objects.create_user(username=numbers.new_number("op"), is_staff=True))
    assert "canvas" not in nobody.get(reverse("admin:index")).content.decode()


def test_it_asks_few_questions(unit_database, django_assert_max_num_queries):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with django_assert_max_num_queries(8):
        read_dashboard(period="week")
