"""Work by the clock. Tasks take no decisions and are safe to run twice, at once."""

from __future__ import annotations

from typing import Any

from celery import shared_task

from checkout.services.agreements import sweep_agreements
from checkout.services.records import forget_old_records
from checkout.services.risk_reviews import sweep_reviews
from checkout.services.wallet_sessions import sweep_sessions


@shared_task(name="checkout.sweep_agreements")
def sweep_agreements_task(**_: Any) -> None:
    """End requests for agreements whose time is over; empty tokens whose time is."""
    for _round in range(20):
        if sweep_agreements() == 0:
            return


@shared_task(name="checkout.sweep_risk_reviews")
def sweep_risk_reviews_task(**_: Any) -> None:
    """End reviews whose order's time is over."""
    for _round in range(20):
        if sweep_reviews() == 0:
            return


@shared_task(name="checkout.sweep_wallet_sessions")
def sweep_wallet_sessions_task(**_: Any) -> None:
    """Forget payers' log-ins that are over."""
    for _round in range(20):
        if sweep_sessions() == 0:
            return


@shared_task(name="checkout.forget_old_records")
def forget_old_records_task(**_: Any) -> None:
    """Forget risk decisions, consults' answers and last uses whose time is over."""
    for _round in range(20):
        if forget_old_records() == 0:
            return
