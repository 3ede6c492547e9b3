"""The state machines of the engine, declared once (docs/architecture.md shows them drawn). Pure."""

from paymentplatform.kernel.statemachine import Machine

PAYMENT_ORDER = Machine(
    name="payment_order",
    table="engine_payment_order",
    key="payment_no",
    initial="INIT",
    moves=(("INIT", "PAYING"), ("INIT", "FAILED"), ("PAYING", "PAID"), ("PAYING", "FAILED")),
    frozen=(
        "payment_no",
        "order_no",
        "merchant_no",
        "payer_no",
        "amount",
        "currency",
        "method",
        "fee_amount",
        "created_at",
    ),
)

PAYMENT_DETAIL = Machine(
    name="payment_detail",
    table="engine_payment_detail",
    key="detail_no",
    initial="INIT",
    moves=(
        ("INIT", "HELD"),  # internal asset held, or external asset collected
        ("INIT", "DONE"),  # balance only
        ("INIT", "FAILED"),
        ("HELD", "DONE"),
        ("HELD", "RELEASED"),
    ),
    frozen=("detail_no", "payment_id", "method", "amount", "currency", "created_at"),
)

_LIVE_ATTEMPT = ("CREATED", "SENT", "PENDING", "UNKNOWN")
_AFTER_SENDING = ("SENT", "PENDING", "UNKNOWN")

CHANNEL_ATTEMPT = Machine(
    name="channel_attempt",
    table="engine_channel_attempt",
    key="attempt_no",
    initial="CREATED",
    moves=(
        *(
            (source, target)
            for source in _LIVE_ATTEMPT
            for target in _AFTER_SENDING
            if source != target
        ),
        *(
            (source, target)
            for source in _LIVE_ATTEMPT
            for target in ("SUCCEEDED", "FAILED", "CLOSED")
        ),
    ),
    frozen=(
        "attempt_no",
        "detail_id",
        "payment_no",
        "order_no",
        "channel_code",
        "method",
        "amount",
        "currency",
        "created_at",
    ),
)

REFUND = Machine(
    name="refund",
    table="engine_refund",
    key="refund_no",
    initial="INIT",
    moves=(("INIT", "PROCESSING"), ("PROCESSING", "SUCCESS"), ("PROCESSING", "FAILED")),
    frozen=(
        "refund_no",
        "purpose",
        "merchant_no",
        "merchant_refund_no",
        "late_money_no",
        "order_no",
        "payment_no",
        "amount",
        "external_amount",
        "balance_amount",
        "currency",
        "channel_code",
        "attempt_no",
        "channel_trade_no",
        "payer_no",
        "source",
        "returned_fee",
        "created_at",
    ),
)

LATE_MONEY = Machine(
    name="late_money",
    table="engine_late_money",
    key="late_money_no",
    initial="OPEN",
    moves=(
        ("OPEN", "REFUNDING"),
        ("REFUNDING", "REFUNDED"),
        ("OPEN", "HONOURED"),
        ("OPEN", "REFUNDED"),  # its channel had pulled it back
        ("REFUNDING", "OPEN"),  # its refund failed
    ),
    frozen=(
        "late_money_no",
        "channel_code",
        "channel_trade_no",
        "attempt_no",
        "payment_no",
        "order_no",
        "merchant_no",
        "policy",
        "amount",
        "currency",
        "created_at",
    ),
)

CASE = Machine(
    name="case",
    table="engine_case",
    key="case_no",
    initial="OPEN",
    moves=(
        ("OPEN", "PROPOSED"),
        ("PROPOSED", "OPEN"),
        ("PROPOSED", "RESOLVED"),
        ("OPEN", "RESOLVED"),  # what happened to the object itself has settled it
    ),
    frozen=("case_no", "kind", "object_no", "created_at"),
)

DISCREPANCY = Machine(
    name="discrepancy",
    table="engine_discrepancy",
    key="discrepancy_no",
    initial="OPEN",
    moves=(
        ("OPEN", "PROPOSED"),
        ("PROPOSED", "OPEN"),
        ("PROPOSED", "RESOLVED"),
        ("OPEN", "RESOLVED"),  # a later file, a corrected one or an answer has settled it
    ),
    frozen=(
        "discrepancy_no",
        "channel_code",
        "statement_date",
        "statement_no",
        "line_no",
        "kind",
        "line_kind",
        "match_key",
        "ordinal",
        "object_no",
        "our_amount",
        "our_currency",
        "channel_amount",
        "channel_currency",
        "difference",
        "currency",
        "created_at",
    ),
)

MACHINES = (
    PAYMENT_ORDER,
    PAYMENT_DETAIL,
    CHANNEL_ATTEMPT,
    REFUND,
    LATE_MONEY,
    CASE,
    DISCREPANCY,
)
