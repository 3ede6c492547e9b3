"""Questions to the engine's tables; ``lock_…`` returns rows locked for update, in lock order."""

from __future__ import annotations

from engine.contracts import PaymentProgress, PaymentStatus
from engine.models import ChannelAttempt, LateMoney, PaymentDetail, PaymentOrder
from paymentplatform.kernel.errors import NotFound


def lock_payment(*, payment_no: str) -> PaymentOrder:
    """Return the payment locked for update. The owner must be locked already."""
    return PaymentOrder.objects.select_for_update().get(payment_no=payment_no)


def lock_detail(*, detail_no: str) -> PaymentDetail:
    """Return the detail locked for update, after its payment."""
    return PaymentDetail.objects.select_for_update().get(detail_no=detail_no)


def lock_attempt(*, attempt_no: str) -> ChannelAttempt:
    """Return the attempt locked for update, after its detail."""
    return ChannelAttempt.objects.select_for_update().get(attempt_no=attempt_no)


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


def has_late_money(*, order_no: str) -> bool:
    """Tell whether money came too late for this order."""

    return LateMoney.objects.filter(order_no=order_no).exists()
