"""Every type of event a merchant may be sent. Pure: imports no framework."""

from __future__ import annotations

from enum import StrEnum


class EventType(StrEnum):
    """Types of merchant events 商户事件; an endpoint's ``events`` is a choice of them."""

    ORDER_SUCCESS = "order.success"
    ORDER_FAILED = "order.failed"
    ORDER_CLOSED = "order.closed"
    REFUND_SUCCESS = "refund.success"
    REFUND_FAILED = "refund.failed"
    LATE_MONEY_PENDING = "late_money.pending"
    LATE_MONEY_RESOLVED = "late_money.resolved"
    PAYER_AGREEMENT_ACTIVE = "payer_agreement.active"
    PAYER_AGREEMENT_REVOKED = "payer_agreement.revoked"
    WEBHOOK_ENDPOINT_DISABLED = "webhook_endpoint.disabled"
    WEBHOOK_ENDPOINT_TEST = "webhook_endpoint.test"
