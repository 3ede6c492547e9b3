"""Acquiring's door: what checkout and the composition root may call."""

from acquiring.authentication import HotMerchantView, MerchantView, prove_if_signed
from acquiring.endpoint_states import count_endpoints, count_overdue_deliveries
from acquiring.invariants import INVARIANTS
from acquiring.selectors import (
    explain_absence,
    get_merchant_name,
    get_order,
    get_order_by_cashier_token,
    is_active_merchant,
)
from acquiring.services.callers import authenticate_bearer
from acquiring.services.closing import close_order, expire_due_orders
from acquiring.services.credentials import issue_credential, revoke_credential
from acquiring.services.idempotency import current_claim, new_or_claimed_number
from acquiring.services.merchant_events import record_merchant_event
from acquiring.services.merchants import (
    add_return_origin,
    create_merchant,
    list_webhook_secrets,
)
from acquiring.services.order_rules import check_return_url, check_text
from acquiring.services.payments import (
    calculate_fee,
    close_live_payment,
    ring_deliveries,
    start_payment,
    submit_payment,
)

__all__ = [
    "INVARIANTS",
    "HotMerchantView",
    "MerchantView",
    "add_return_origin",
    "authenticate_bearer",
    "calculate_fee",
    "check_return_url",
    "check_text",
    "close_live_payment",
    "close_order",
    "count_endpoints",
    "count_overdue_deliveries",
    "create_merchant",
    "current_claim",
    "expire_due_orders",
    "explain_absence",
    "get_merchant_name",
    "get_order",
    "get_order_by_cashier_token",
    "is_active_merchant",
    "issue_credential",
    "list_webhook_secrets",
    "new_or_claimed_number",
    "prove_if_signed",
    "record_merchant_event",
    "revoke_credential",
    "ring_deliveries",
    "start_payment",
    "submit_payment",
]
