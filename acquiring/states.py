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

MACHINES = (TRADE_ORDER, DELIVERY)
