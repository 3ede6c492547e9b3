"""Acquiring's door: what checkout and the composition root may call."""

from acquiring.authentication import HotMerchantView, MerchantView, prove_if_signed
from acquiring.dossier import find_order_no
from acquiring.endpoint_states import count_endpoints, count_overdue_deliveries
from acquiring.invariants import INVARIANTS
from acquiring.selectors import (
    explain_absence,
    find_merchant_order_numbers,
    get_cashier_stamp,
    get_merchant_name,
    get_order,
    get_order_by_cashier_token,
    is_active_merchant,
)
from acquiring.services.callers import authenticate_bearer
from acquiring.services.cashier_looks import find_cashier_style, set_cashier_look
from acquiring.services.closing import close_order, expire_due_orders
from acquiring.services.fee_contracts import check_fee_contract, make_fee_contract, read_terms
from acquiring.services.idempotency import current_claim, new_or_claimed_number
from acquiring.services.key_grants import KeyWish, grant_key, preview_key_grant
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
from acquiring.services.payout_returns import (
    preview_payout_return,
    record_payout_return,
)
from acquiring.services.payouts import (
    drop_payout_proposal,
    end_payout,
    get_payout,
    preview_payout_result,
    preview_payout_sending,
    propose_payout,
    send_payout,
)
from acquiring.services.refunds import preview_refund, request_refund
from acquiring.services.settlement import settle_merchants
from acquiring.services.settlement_holds import (
    check_settlement_hold,
    lift_settlement_hold,
    place_settlement_hold,
)
from acquiring.settlement_contracts import NewFeeContract
from acquiring.settlement_due import SettlementDue, list_settlement_due

__all__ = [
    "INVARIANTS",
    "HotMerchantView",
    "KeyWish",
    "MerchantView",
    "NewFeeContract",
    "SettlementDue",
    "add_return_origin",
    "authenticate_bearer",
    "calculate_fee",
    "check_fee_contract",
    "check_return_url",
    "check_settlement_hold",
    "check_text",
    "close_live_payment",
    "close_order",
    "count_endpoints",
    "count_overdue_deliveries",
    "create_merchant",
    "current_claim",
    "drop_payout_proposal",
    "end_payout",
    "expire_due_orders",
    "explain_absence",
    "find_cashier_style",
    "find_merchant_order_numbers",
    "find_order_no",
    "get_cashier_stamp",
    "get_merchant_name",
    "get_order",
    "get_order_by_cashier_token",
    "get_payout",
    "grant_key",
    "is_active_merchant",
    "lift_settlement_hold",
    "list_settlement_due",
    "list_webhook_secrets",
    "make_fee_contract",
    "new_or_claimed_number",
    "place_settlement_hold",
    "preview_key_grant",
    "preview_payout_result",
    "preview_payout_return",
    "preview_payout_sending",
    "preview_refund",
    "propose_payout",
    "prove_if_signed",
    "read_terms",
    "record_merchant_event",
    "record_payout_return",
    "request_refund",
    "ring_deliveries",
    "send_payout",
    "set_cashier_look",
    "settle_merchants",
    "start_payment",
    "submit_payment",
]
