"""The state machines of checkout, declared once (docs/architecture.md shows them drawn). Pure."""

from paymentplatform.kernel.statemachine import Machine

AGREEMENT_REQUEST = Machine(
    name="agreement_request",
    table="checkout_agreement_request",
    key="agreement_no",
    initial="PENDING",
    moves=(
        ("PENDING", "ACTIVE"),  # the payer consented
        ("PENDING", "DECLINED"),
        ("PENDING", "EXPIRED"),
        ("PENDING", "REVOKED"),  # the merchant took its request back
        ("ACTIVE", "REVOKED"),
    ),
    frozen=(
        "agreement_no",
        "merchant_no",
        "currency",
        "max_per_payment",
        "max_per_day",
        "subject",
        "payer_ref",
        "return_url",
        "page_secret",
        "expires_at",
        "created_at",
    ),
)

RISK_REVIEW = Machine(
    name="risk_review",
    table="checkout_risk_review",
    key="review_no",
    initial="PENDING",
    moves=(
        ("PENDING", "APPROVED"),
        ("PENDING", "REJECTED"),
        ("PENDING", "EXPIRED"),  # the order's time was over
    ),
    frozen=(
        "review_no",
        "order_no",
        "merchant_no",
        "wish_digest",
        "amount",
        "currency",
        "method",
        "rule_no",
        "expires_at",
        "created_at",
    ),
)

MACHINES = (AGREEMENT_REQUEST, RISK_REVIEW)
