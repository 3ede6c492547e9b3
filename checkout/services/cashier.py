"""What the cashier's pages read, always our own truth."""

from __future__ import annotations

from acquiring import api as acquiring
from acquiring.contracts import CashierOrder, CashierStyle
from checkout.contracts import PayAction, PayResult
from engine import api as engine
from paymentplatform.kernel.errors import NotFound


def get_cashier_order(*, token: str) -> CashierOrder:
    """Return the order that a cashier link opens. Raises NotFound."""
    return acquiring.get_order_by_cashier_token(token=token)


def get_style(found: CashierOrder) -> CashierStyle:
    """Return how the pages of this order look; at most some seconds old."""
    return acquiring.find_cashier_style(merchant_no=found.merchant_no)


def get_payment_action(*, token: str, payment_no: str) -> PayResult:
    """Return how a payment of this order stands and what the payer does next. Raises NotFound."""
    order = acquiring.get_order_by_cashier_token(token=token).order
    progress = engine.get_payment_progress(payment_no=payment_no)
    if progress.order_no != order.order_no:
        raise NotFound
    return build_pay_result(progress)


def bring_inquiry_forward(*, token: str) -> None:
    """Let the janitor ask the channel soon, because the payer is waiting; at most every 5 s. Raises NotFound."""
    order = acquiring.get_order_by_cashier_token(token=token).order
    if order.payment is not None and order.status == "PAYING":
        engine.bring_inquiry_forward(payment_no=order.payment.payment_no)


def build_pay_result(progress: engine.PaymentProgress) -> PayResult:
    """Render progress as the Pay object."""
    action = progress.action if progress.is_live else None
    return PayResult(
        payment_no=progress.payment_no,
        status="PAYING" if progress.status == engine.PaymentStatus.INIT else progress.status,
        failure_code=progress.failure_code,
        action=PayAction(**action) if action else PayAction(type="none"),  # type: ignore[arg-type]
    )
