"""Risk holds 风控冻结: money of an order, or of a whole merchant, that must not become available or leave."""

from __future__ import annotations

from acquiring.models import Merchant, SettlementAccount, SettlementHold, TradeOrder
from acquiring.services.settlement_moves import apply_settlement_move, record_birth
from acquiring.settlement_contracts import HoldNotActive
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound


@transactions.start
def place_settlement_hold(
    *, merchant_no: str, order_no: str | None, operator: str, reason: str
) -> str:
    """Hold a merchant's money, or that of one order, and return the hold's number; the first one's again (start).

    Waits for a part of a batch that is being released just now. What is available already stays so: a hold of the
    merchant also stops payouts. Raises NotFound for another's order, InvalidRequest without a reason.
    """
    if not reason.strip():
        raise InvalidRequest("A reason is required.")
    if not Merchant.objects.filter(pk=merchant_no).exists():
        raise NotFound(f"There is no merchant {merchant_no}.")
    if (
        order_no is not None
        and not TradeOrder.objects.filter(order_no=order_no, merchant_no=merchant_no).exists()
    ):
        raise NotFound(f"{merchant_no} has no order {order_no}.")
    accounts = SettlementAccount.objects.select_for_update().filter(merchant_no=merchant_no)
    list(accounts.order_by("id"))
    made = SettlementHold(
        hold_no=numbers.new_number(numbers.SETTLEMENT_HOLD),
        merchant_no=merchant_no,
        order_no=order_no,
        reason=reason.strip(),
        placed_by=operator,
    )
    SettlementHold.objects.bulk_create([made], ignore_conflicts=True)
    standing = SettlementHold.objects.get(
        merchant_no=merchant_no, order_no=order_no, lifted_at__isnull=True
    )
    if standing.hold_no == made.hold_no:
        record_birth(standing, cause="operator")
    return str(standing.hold_no)


@transactions.require
def check_settlement_hold(*, hold_no: str) -> tuple[str, str | None]:
    """Return (merchant, order or None) of an active hold, locked (require). Raises NotFound, HoldNotActive."""
    hold = _lock(hold_no)
    return hold.merchant_no, hold.order_no


@transactions.require
def lift_settlement_hold(*, hold_no: str, operator: str, reason: str) -> str:
    """ACTIVE → LIFTED: its money goes its way with the next run (require). Raises NotFound, HoldNotActive."""
    apply_settlement_move(
        _lock(hold_no),
        "lift",
        cause="operator",
        lifted_by=operator,
        lifted_reason=reason.strip(),
        lifted_at=database_now(),
    )
    return hold_no


def _lock(hold_no: str) -> SettlementHold:
    hold = SettlementHold.objects.select_for_update().filter(hold_no=hold_no).first()
    if hold is None:
        raise NotFound(f"There is no hold {hold_no}.")
    if hold.status != "ACTIVE":
        raise HoldNotActive(f"{hold_no} is {hold.status}.")
    return hold
