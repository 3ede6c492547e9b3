"""The review queue 人工审核: an operator approves or rejects a wish; the order's time ends what nobody decided."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.conf import settings

from checkout.contracts import ReviewEnded
from checkout.models import RiskReview, Transition
from checkout.states import RISK_REVIEW
from paymentplatform.kernel import context, metrics, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound

SWEEP_TASK: Final = "checkout.sweep_risk_reviews"


@transactions.start
def approve_review(*, review_no: str) -> None:
    """Let the wish pass the review rules when it is repeated; charges nothing (start). Raises NotFound, ReviewEnded."""
    _decide(review_no, "approve")


@transactions.start
def reject_review(*, review_no: str) -> None:
    """Refuse the wish for good; the order is as it was (start). Raises NotFound, ReviewEnded."""
    _decide(review_no, "reject")


@transactions.start
def sweep_reviews(*, batch_size: int | None = None) -> int:
    """End reviews whose order's time is over; return how many (start). Safe to run twice and at once."""
    now = database_now()
    overdue = list(
        RiskReview.objects.select_for_update(skip_locked=True)
        .filter(status=RISK_REVIEW.initial, expires_at__lte=now)
        .order_by("expires_at")[: batch_size or settings.SWEEP_BATCH]
    )
    for row in overdue:
        _apply_move(row, "expire", cause="expiry", now=now)
    metrics.SWEPT_ROWS.labels(SWEEP_TASK).inc(len(overdue))
    return len(overdue)


def _decide(review_no: str, move: str) -> None:
    row = RiskReview.objects.select_for_update().filter(review_no=review_no).first()
    if row is None:
        raise NotFound
    now = database_now()
    if row.status != RISK_REVIEW.initial or row.expires_at <= now:
        raise ReviewEnded
    _apply_move(row, move, cause="operator", now=now)


def _apply_move(row: RiskReview, move: str, *, cause: str, now: datetime) -> None:
    before = row.status
    getattr(row, move)(ended_at=now)
    row.save(update_fields=["status", "ended_at"])
    Transition.objects.create(
        machine=RISK_REVIEW.name,
        object_no=row.review_no,
        from_status=before,
        to_status=row.status,
        cause=cause,
        actor=context.actor.get(),
        request_id=context.request_id.get(),
    )
