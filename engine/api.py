"""The engine's door: what other floors may call."""

from engine.channels.base import PaymentOption
from engine.channels.registry import list_channel_codes, list_payment_options
from engine.contracts import (
    DEMANDS_CHALLENGE,
    CardTokenInvalid,
    Cause,
    InsufficientMerchantBalance,
    NewPayment,
    NewRefund,
    NoChannel,
    PaymentProgress,
    PaymentStatus,
    RefundNotSupported,
    RefundProgress,
    RefundSource,
    RefundStatus,
    SavedCardView,
)
from engine.dossier import find_order_no, get_stated_file, get_trade_file, list_moves
from engine.exchange import ExchangePlan, InternalAsset, PlanOutdated, plan_exchange
from engine.exposure import list_exposure
from engine.health import list_channel_facts
from engine.invariants import INVARIANTS
from engine.references import list_references
from engine.selectors import (
    count_live_refunds,
    find_late_money_status,
    find_refund,
    get_late_money_state,
    get_payment_progress,
    get_refund_progress,
    list_failed_payments,
    list_late_money,
    list_refund_numbers,
    sum_chargebacks,
    total_late_money,
)
from engine.services.acceptance import create_payment
from engine.services.cases import check_case, find_case, propose_case, reopen_case, resolve_case
from engine.services.channel_settlements import (
    find_channel_settlement,
    preview_channel_settlement,
    record_channel_settlement,
)
from engine.services.channel_switches import (
    check_disabled_channel,
    enable_channel,
    list_disabled_channels,
)
from engine.services.closing import close_payment
from engine.services.discrepancies import (
    check_discrepancy,
    preview_resolution,
    propose_discrepancy,
    reopen_discrepancy,
    resolve_discrepancy,
)
from engine.services.inquiries import (
    FORWARD_EVERY_S,
    bring_inquiry_forward,
    query_payment_or_order,
)
from engine.services.late_money_settling import (
    decide_held_late_money,
    decide_late_money,
    preview_held_late_money,
    settle_due_late_money,
)
from engine.services.plain_refunds import count_refund_ended, describe_refund_wish
from engine.services.pulled_back import list_pulled_back
from engine.services.refund_submission import repeat_due_refunds, submit_refund
from engine.services.refunds import accept_refund
from engine.services.saved_cards import (
    find_card_channel,
    list_saved_cards,
    refuse_unroutable,
    remove_saved_card,
)
from engine.services.statement_rehearsals import rehearse_import
from engine.services.statements import StatementFile, get_counting_statement, import_statement
from engine.services.submission import submit_payment
from engine.statement_contracts import ChargebackView, DifferenceView, StatedFile

__all__ = [
    "DEMANDS_CHALLENGE",
    "FORWARD_EVERY_S",
    "INVARIANTS",
    "CardTokenInvalid",
    "Cause",
    "ChargebackView",
    "DifferenceView",
    "ExchangePlan",
    "InsufficientMerchantBalance",
    "InternalAsset",
    "NewPayment",
    "NewRefund",
    "NoChannel",
    "PaymentOption",
    "PaymentProgress",
    "PaymentStatus",
    "PlanOutdated",
    "RefundNotSupported",
    "RefundProgress",
    "RefundSource",
    "RefundStatus",
    "SavedCardView",
    "StatedFile",
    "StatementFile",
    "accept_refund",
    "bring_inquiry_forward",
    "check_case",
    "check_disabled_channel",
    "check_discrepancy",
    "close_payment",
    "count_live_refunds",
    "count_refund_ended",
    "create_payment",
    "decide_held_late_money",
    "decide_late_money",
    "describe_refund_wish",
    "enable_channel",
    "find_card_channel",
    "find_case",
    "find_channel_settlement",
    "find_late_money_status",
    "find_order_no",
    "find_refund",
    "get_counting_statement",
    "get_late_money_state",
    "get_payment_progress",
    "get_refund_progress",
    "get_stated_file",
    "get_trade_file",
    "import_statement",
    "list_channel_codes",
    "list_channel_facts",
    "list_disabled_channels",
    "list_exposure",
    "list_failed_payments",
    "list_late_money",
    "list_moves",
    "list_payment_options",
    "list_pulled_back",
    "list_references",
    "list_refund_numbers",
    "list_saved_cards",
    "plan_exchange",
    "preview_channel_settlement",
    "preview_held_late_money",
    "preview_resolution",
    "propose_case",
    "propose_discrepancy",
    "query_payment_or_order",
    "record_channel_settlement",
    "refuse_unroutable",
    "rehearse_import",
    "remove_saved_card",
    "reopen_case",
    "reopen_discrepancy",
    "repeat_due_refunds",
    "resolve_case",
    "resolve_discrepancy",
    "settle_due_late_money",
    "submit_payment",
    "submit_refund",
    "sum_chargebacks",
    "total_late_money",
]
