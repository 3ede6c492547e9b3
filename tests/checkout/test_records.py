"""What explains decisions is forgotten after its time, and not a day earlier, whoever asks."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from checkout.models import BalanceUse, ConsultDecision, RiskDecision
from checkout.services.records import RECORDS, forget_old_records
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from tests.trading import rows

Days = dict[str, int]
SETTINGS = {kept.table: kept.setting for kept in RECORDS}


def write(table: str, at: datetime) -> Any:
    """Write one record of this time; returns its key."""
    order_no = numbers.new_number(numbers.ORDER)
    if table == "checkout_risk_decision":
        made: Any = RiskDecision.objects.create(
            order_no=order_no,
            outcome="ALLOW",
            reason="",
            facts={},
            fired=[],
            rules_version=1,
            at=at,
        )
    elif table == "checkout_consult_decision":
        made = ConsultDecision.objects.create(
            order_no=order_no,
            digest="d",
            asked_by="api",
            terminal="WEB",
            locale="en",
            catalogue_revision=1,
            book_version=0,
            methods=[],
            created_at=at,
        )
    else:
        made = BalanceUse.objects.create(
            payment_no=numbers.new_number(numbers.PAYMENT),
            merchant_no="mch_1",
            payer_ref="somebody",
            created_at=at,
        )
    return made.pk


def is_kept(table: str, key: Any) -> bool:
    (kept,) = [kept for kept in RECORDS if kept.table == table]
    return bool(rows(f"SELECT 1 FROM {table} WHERE {kept.key} = %s", key))


@pytest.fixture(params=sorted(SETTINGS))
def table(request: pytest.FixtureRequest, settings: Any) -> str:
    """A table whose time is 40 days, the others' a hundred years."""
    for name, setting in SETTINGS.items():
        setattr(settings, setting, 40 if name == request.param else 36_500)
    return str(request.param)


def test_it_is_forgotten_after_its_time_alone(table: str) -> None:
    now = database_now()
    old, young = (
        write(table, now - timedelta(days=days, minutes=minutes))
        for days, minutes in ((40, 1), (39, 1_400))
    )
    while forget_old_records(batch_size=1_000_000):
        pass
    assert (is_kept(table, old), is_kept(table, young)) == (False, True)


def test_a_batch_is_no_larger_than_it_may_be(table: str) -> None:
    for _ in range(3):
        write(table, database_now() - timedelta(days=4_000))
    assert forget_old_records(batch_size=1) <= 1


def test_a_setting_under_thirty_days_means_thirty(table: str, settings: Any) -> None:
    setattr(settings, SETTINGS[table], 0)
    young = write(table, database_now() - timedelta(days=29))
    forget_old_records(batch_size=1_000_000)
    assert is_kept(table, young)


def test_the_database_refuses_to_forget_or_change_the_latest(table: str) -> None:
    young = write(table, database_now() - timedelta(days=29))
    (kept,) = [kept for kept in RECORDS if kept.table == table]
    for act in (
        "DELETE FROM {0} WHERE {1} = %s RETURNING 1",
        "UPDATE {0} SET {1} = {1} WHERE {1} = %s RETURNING 1",
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            rows(act.format(table, kept.key), young)
    assert is_kept(table, young)
