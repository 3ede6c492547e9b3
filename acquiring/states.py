"""The state machines of acquiring, declared once (docs/architecture.md shows them drawn). Pure."""

from paymentplatform.kernel.statemachine import Machine

TRADE_ORDER = Machine(
    name="trade_order",
    table="acquiring_trade_order",
    key="order_no",
    initial="INIT",
    moves=(
        ("INIT", "PAYING"),
        ("PAYING", "INIT"),  # rollback: the payment failed and a try is left
        ("PAYING", "SUCCESS"),
        ("PAYING", "FAILED"),  # the payment failed and no try is left
        ("INIT", "CLOSED"),
        ("PAYING", "CLOSED"),  # the live payment is definitely not paid
    ),
    frozen=("order_no", "merchant_no", "merchant_order_no", "amount", "currency", "created_at"),
)

DELIVERY = Machine(
    name="delivery",
    table="acquiring_delivery",
    key="delivery_no",
    initial="DUE",
    moves=(("DUE", "DELIVERED"), ("DUE", "DEAD"), ("DUE", "SKIPPED")),
    frozen=("delivery_no", "event_id", "target", "endpoint_id", "created_at"),
)

SETTLEMENT_BATCH = Machine(
    name="settlement_batch",
    table="acquiring_settlement_batch",
    key="batch_no",
    initial="OPEN",
    moves=(("OPEN", "CLOSED"),),
    frozen=("batch_no", "merchant_no", "currency", "settlement_date", "created_at"),
)

PAYOUT = Machine(
    name="payout",
    table="acquiring_payout",
    key="payout_no",
    initial="CREATED",
    moves=(
        ("CREATED", "PROPOSED"),
        ("PROPOSED", "CREATED"),  # the proposal was refused, withdrawn or has expired
        ("CREATED", "CANCELLED"),  # another amount is available now
        ("PROPOSED", "SENT"),  # approved by a second person
        ("SENT", "PAID"),
        ("SENT", "FAILED"),
    ),
    frozen=("payout_no", "merchant_no", "currency", "amount", "created_at"),
)

SETTLEMENT_HOLD = Machine(
    name="settlement_hold",
    table="acquiring_settlement_hold",
    key="hold_no",
    initial="ACTIVE",
    moves=(("ACTIVE", "LIFTED"),),
    frozen=("hold_no", "merchant_no", "order_no", "reason", "placed_by", "created_at"),
)

MACHINES = (TRADE_ORDER, DELIVERY, SETTLEMENT_BATCH, PAYOUT, SETTLEMENT_HOLD)
