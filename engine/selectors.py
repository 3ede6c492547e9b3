"""Questions to the engine's tables; ``lock_…`` returns rows locked for update, in lock order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count, F, Q, Sum

from engine.contracts import (
    LateMoneyState,
    LateMoneyStatus,
    LateMoneyTotal,
    PaymentProgress,
    PaymentStatus,
    RefundProgress,
    RefundStatus,
)
from engine.models import (
    ChannelAttempt,
    Chargeback,
    Discrepancy,
    LateMoney,
    PaymentDetail,
    PaymentOrder,
    Refund,
)
from engine.statement_contracts import STANDING, Resolution
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound

_LATE_MONEY_ORDER: Final = (
    LateMoneyStatus.OPEN,
    LateMoneyStatus.REFUNDING,
    LateMoneyStatus.HONOURED,
    LateMoneyStatus.REFUNDED,
)


def lock_payment(*, payment_no: str) -> PaymentOrder:
    """Return the payment locked for update. The owner must be locked already."""
    return PaymentOrder.objects.select_for_update().get(payment_no=payment_no)


def lock_details(*, payment_no: str) -> list[PaymentDetail]:
    """Return all details of a payment locked for update, after it, in the order of their numbers."""
    return list(
        PaymentDetail.objects.select_for_update()
        .filter(payment_id=payment_no)
        .order_by("detail_no")
    )


def lock_attempt(*, attempt_no: str) -> ChannelAttempt:
    """Return the attempt locked for update, after its detail."""
    return ChannelAttempt.objects.select_for_update().get(attempt_no=attempt_no)


def lock_refund(*, refund_no: str) -> Refund:
    """Return the refund locked for update, after its payment's details."""
    return Refund.objects.select_for_update().get(refund_no=refund_no)


def get_refund(*, refund_no: str) -> Refund:
    """Return one refund, unlocked. Raises NotFound."""
    refund = Refund.objects.filter(refund_no=refund_no).first()
    if refund is None:
        raise NotFound
    return refund


def get_refund_progress(*, refund_no: str) -> RefundProgress:
    """Tell how a refund of an order stands. Raises NotFound."""
    refund = get_refund(refund_no=refund_no)
    if refund.purpose != Refund.Purpose.ORDER:
        raise NotFound
    return describe_refund(refund)


def find_refund(*, merchant_no: str, merchant_refund_no: str) -> RefundProgress | None:
    """Return the refund that has this number of the merchant's, if there is one."""
    refund = Refund.objects.filter(
        merchant_no=merchant_no, merchant_refund_no=merchant_refund_no
    ).first()
    return describe_refund(refund) if refund is not None else None


def count_live_refunds(*, order_no: str) -> int:
    """Return how many refunds of an order are done or on their way (those that failed do not count)."""
    refunds = Refund.objects.filter(order_no=order_no, purpose=Refund.Purpose.ORDER)
    return refunds.exclude(status="FAILED").count()


def sum_chargebacks(*, payment_no: str, order_no: str) -> int:
    """Return how much of a payment its channel has pulled back, in minor units; stable while its owner is locked.

    One in another currency than the payment's counts as all of it: what that leaves is for people.
    """
    pulled = list(Chargeback.objects.filter(order_no=order_no, payment_no=payment_no))
    if not pulled:
        return 0
    payment = PaymentOrder.objects.get(payment_no=payment_no)
    if any(row.currency != payment.currency for row in pulled):
        return int(payment.amount)
    return sum_pulled(pulled)


def sum_pulled(pulled: Sequence[Chargeback], *, asking: str | None = None) -> int:
    """Return what these chargebacks have taken back, in minor units, with what people have decided about them since.

    What of one is not booked counts too, for its payer has it, while the channel says so: as long as the newest
    difference about it is the rest. Not of the one that ``asking`` names, whose own difference asks how much is left.
    """
    decided: dict[str | None, int] = defaultdict(int)
    has_rest: dict[str | None, bool] = {}
    said = Discrepancy.objects.filter(
        object_no__in=[row.chargeback_no for row in pulled],
        match_key__in=[row.channel_trade_no for row in pulled],
        line_kind="CHARGEBACK",
    ).order_by("discrepancy_no")
    for number, kind, resolution, difference in said.values_list(
        "object_no", "kind", "resolution", "difference"
    ):
        if resolution in STANDING:
            decided[number] += difference
        has_rest[number] = kind == "AMOUNT_OVER" and resolution != Resolution.FILE_CORRECTED
    total = 0
    for row in pulled:
        number = row.chargeback_no
        taken = row.booked - decided[number]
        counts_whole = row.booked_amount is not None and has_rest.get(number) and number != asking
        total += max(taken, row.amount) if counts_whole else taken
    return total


def list_refund_numbers(
    *,
    merchant_no: str,
    limit: int,
    before: str | None = None,
    merchant_refund_no: str | None = None,
    order_no: str | None = None,
    status: RefundStatus | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> list[str]:
    """Return up to ``limit`` numbers of a merchant's refunds of orders, newest first."""
    wanted = {
        "refund_no__lt": before,
        "merchant_refund_no": merchant_refund_no,
        "order_no": order_no,
        "status": status,
        "created_at__gte": created_from,
        "created_at__lt": created_to,
    }
    refunds = Refund.objects.filter(
        merchant_no=merchant_no,
        purpose=Refund.Purpose.ORDER,
        **{name: value for name, value in wanted.items() if value is not None},
    )
    return list(refunds.order_by("-refund_no").values_list("refund_no", flat=True)[:limit])


def describe_refund(refund: Refund) -> RefundProgress:
    """Copy a refund of an order into what may leave the engine."""
    return RefundProgress(
        refund_no=refund.refund_no,
        merchant_refund_no=refund.merchant_refund_no or "",
        order_no=refund.order_no,
        merchant_no=refund.merchant_no,
        status=RefundStatus(refund.status),
        amount=refund.amount,
        currency=refund.currency,
        reason=refund.reason,
        failure_code=refund.failure_code,
    )


def find_latest_payment_no(*, order_no: str) -> str | None:
    """Return the number of an order's live payment, else of its latest one."""
    return (
        PaymentOrder.objects.filter(order_no=order_no)
        .order_by(F("live_order_no").asc(nulls_last=True), "-payment_no")
        .values_list("payment_no", flat=True)
        .first()
    )


def find_live_attempt(*, payment_no: str) -> ChannelAttempt | None:
    """Return the attempt that may still take money, if there is one."""
    return ChannelAttempt.objects.filter(
        payment_no=payment_no, live_detail_no__isnull=False
    ).first()


def get_attempt(*, attempt_no: str) -> ChannelAttempt:
    """Return one attempt, unlocked. Raises NotFound."""
    attempt = ChannelAttempt.objects.filter(attempt_no=attempt_no).first()
    if attempt is None:
        raise NotFound
    return attempt


def get_payment_progress(*, payment_no: str) -> PaymentProgress:
    """Tell how a payment stands, with the payer's next action while it lives. Raises NotFound."""
    payment = PaymentOrder.objects.filter(payment_no=payment_no).first()
    if payment is None:
        raise NotFound
    action = None
    if payment.live_order_no is not None and not payment.closing:
        live = find_live_attempt(payment_no=payment_no)
        action = live.action if live else None
    return PaymentProgress(
        payment_no=payment.payment_no,
        order_no=payment.order_no,
        status=PaymentStatus(payment.status),
        method=payment.method,
        failure_code=payment.failure_code,
        options_digest=payment.options_digest,
        action=action,
    )


def list_failed_payments(*, payment_nos: Collection[str]) -> list[str]:
    """Return which of these payments are FAILED: certainly not charged, for good."""
    return list(
        PaymentOrder.objects.filter(
            payment_no__in=payment_nos, status=PaymentStatus.FAILED
        ).values_list("payment_no", flat=True)
    )


def find_late_money_status(*, order_no: str) -> LateMoneyStatus | None:
    """Return the state of the money that came too late for this order, None when none did.

    Of several the one that is furthest from its end: OPEN, REFUNDING, HONOURED, REFUNDED.
    """
    found = LateMoney.objects.filter(order_no=order_no).values_list("status", flat=True)
    return min(map(LateMoneyStatus, found), key=_LATE_MONEY_ORDER.index, default=None)


def get_late_money(*, late_money_no: str) -> LateMoney:
    """Return one late receipt, unlocked. Raises NotFound."""
    late = LateMoney.objects.filter(late_money_no=late_money_no).first()
    if late is None:
        raise NotFound
    return late


def get_late_money_state(*, late_money_no: str) -> LateMoneyState:
    """Return one late receipt as others may see it. Raises NotFound."""
    return describe_late_money(get_late_money(late_money_no=late_money_no))


def lock_late_money(*, late_money_no: str) -> LateMoney:
    """Return the late receipt locked for update, after the attempt it came for."""
    return LateMoney.objects.select_for_update().get(late_money_no=late_money_no)


def list_late_money(
    *,
    merchant_no: str,
    limit: int,
    before: str | None = None,
    order_no: str | None = None,
    status: LateMoneyStatus | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> list[LateMoneyState]:
    """Return up to ``limit`` late receipts of a merchant, newest first."""
    wanted = {
        "late_money_no__lt": before,
        "order_no": order_no,
        "status": status,
        "created_at__gte": created_from,
        "created_at__lt": created_to,
    }
    found = LateMoney.objects.filter(
        merchant_no=merchant_no,
        **{name: value for name, value in wanted.items() if value is not None},
    )
    return [describe_late_money(late) for late in found.order_by("-late_money_no")[:limit]]


def describe_late_money(late: LateMoney) -> LateMoneyState:
    """Copy a row into what may leave the engine."""
    return LateMoneyState(
        **{field.name: getattr(late, field.name) for field in fields(LateMoneyState)}
    )


def total_late_money() -> list[LateMoneyTotal]:
    """Return what has not ended, by channel and currency; ``overdue`` is older than LATE_MONEY_SLA_HOURS."""
    late = Q(created_at__lt=sla_border())
    rows = (
        LateMoney.objects.filter(resolved_at__isnull=True)
        .values("channel_code", "currency")
        .annotate(
            count=Count("pk"),
            amount=Sum(F("amount") - F("pulled_back_amount")),
            overdue=Count("pk", filter=late),
        )
    )
    return [LateMoneyTotal(**row) for row in rows.order_by("channel_code", "currency")]


def sla_border() -> datetime:
    """Return the time before which late money that has not ended is overdue."""
    return database_now() - timedelta(hours=settings.LATE_MONEY_SLA_HOURS)
