"""What the cashier's pages read, always our own truth."""

from __future__ import annotations

from typing import Final, NamedTuple

from acquiring import api as acquiring
from acquiring.contracts import CashierOrder, CashierStyle
from checkout.contracts import PayAction, PayResult
from engine import api as engine
from paymentplatform.kernel.cache import StampedCache
from paymentplatform.kernel.errors import NotFound

_REMEMBERED: Final = 5_000
"""Orders whose waiting pages a process remembers."""


class CashierStatus(NamedTuple):
    """What a waiting page must know: the order, and the payer's next action of the payment under way."""

    found: CashierOrder
    action: PayAction


_statuses: StampedCache[str, CashierStatus] = StampedCache(name="cashier_status", limit=_REMEMBERED)


def get_cashier_order(*, token: str) -> CashierOrder:
    """Return the order that a cashier link opens. Raises NotFound."""
    return acquiring.get_order_by_cashier_token(token=token)


def get_style(found: CashierOrder) -> CashierStyle:
    """Return how the pages of this order look; at most some seconds old."""
    return acquiring.find_cashier_style(merchant_no=found.merchant_no)


def get_status(*, token: str) -> CashierStatus:
    """Return how an order stands now, and let the janitor ask the channel soon, because the payer is waiting.

    One round trip while nothing changes. ``expires_in_s`` is of the last change: only whether it is over counts.
    Raises NotFound.
    """
    stamp, forward_payment_no = acquiring.get_cashier_stamp(token=token)
    if forward_payment_no is not None:
        engine.bring_inquiry_forward(payment_no=forward_payment_no)
    return _statuses.get(token, stamp=stamp, load=lambda: _load_status(token))


def get_payment_action(found: CashierOrder, *, payment_no: str) -> PayResult:
    """Return how a payment of this order stands and what the payer does next. Raises NotFound."""
    progress = engine.get_payment_progress(payment_no=payment_no)
    if progress.order_no != found.order.order_no:
        raise NotFound
    return build_pay_result(progress)


def bring_inquiry_forward(found: CashierOrder) -> None:
    """Let the janitor ask the channel soon, because the payer is waiting; at most every 5 s."""
    order = found.order
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


def _load_status(token: str) -> CashierStatus:
    found = get_cashier_order(token=token)
    payment = found.order.payment
    if payment is None or found.order.status != "PAYING":
        return CashierStatus(found, PayAction(type="none"))
    return CashierStatus(found, get_payment_action(found, payment_no=payment.payment_no).action)
