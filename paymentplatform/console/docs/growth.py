"""How fast each table grows and how long its rows are kept: the one thing that models cannot say. Pure."""

from __future__ import annotations

from typing import Final

_FOR_EVER: Final = "for ever"
_NO_CLEAN_UP: Final = "no clean-up yet"
_SMALL: Final = "with merchants and payers, not with payments"

GROWTH: Final[dict[str, tuple[str, str]]] = {
    "checkout_payer_wallet": ("1 per payer", _FOR_EVER),
    "checkout_wallet_session": ("1 per log-in of a payer", "until it is over, at most 30 minutes"),
    "checkout_payer_agreement": ("1 per consent", _FOR_EVER),
    "checkout_agreement_request": (
        "1 per agreement that a merchant asks for; its token is emptied after 10 minutes",
        _FOR_EVER,
    ),
    "checkout_risk_version": ("1 row", _FOR_EVER),
    "checkout_risk_rule": ("with what operators write", _FOR_EVER),
    "checkout_risk_list_entry": ("with what operators write", _FOR_EVER),
    "checkout_risk_decision": ("1 per wish to pay that is judged", _NO_CLEAN_UP),
    "checkout_risk_review": ("1 per wish that waits for a person", _FOR_EVER),
    "checkout_transition": ("1 per answer to such a request, 1 per end", _FOR_EVER),
    "checkout_agreement_use": ("1 per combined payment under an agreement", _FOR_EVER),
    "checkout_payment_method": ("5", _FOR_EVER),
    "checkout_merchant_method": ("1 per merchant and method that differs", _FOR_EVER),
    "checkout_catalogue_stamp": ("1", _FOR_EVER),
    "checkout_consult_decision": (
        "1 per order that is offered to a payer, 1 more per different answer, 10 at most",
        _NO_CLEAN_UP,
    ),
    "checkout_route_book": ("1 per change of the routing rules", _FOR_EVER),
    "checkout_route_decision": ("1 per payment through a channel", _FOR_EVER),
    "acquiring_merchant": (_SMALL, _FOR_EVER),
    "acquiring_credential": (_SMALL, _FOR_EVER),
    "acquiring_used_nonce": ("1 per signed request", "15 minutes"),
    "acquiring_fee_contract": (_SMALL, _FOR_EVER),
    "acquiring_business_day": ("some 30 a year", _FOR_EVER),
    "acquiring_settlement_account": (_SMALL, _FOR_EVER),
    "acquiring_settlement_item": (
        "1 per payment, honoured late money and failed refund, when it is settled",
        _FOR_EVER,
    ),
    "acquiring_settlement_batch": ("1 per merchant, currency and day with money due", _FOR_EVER),
    "acquiring_settlement_hold": ("rarely", _FOR_EVER),
    "acquiring_payout": ("1 per merchant, currency and day with available money", _FOR_EVER),
    "acquiring_cashier_look": (_SMALL, _FOR_EVER),
    "acquiring_idempotency_key": ("1 per request with an Idempotency-Key", "7 days"),
    "acquiring_trade_order": ("1 per order", _FOR_EVER),
    "acquiring_transition": ("3 per order paid at the first try, 2 per unpaid one", _FOR_EVER),
    "acquiring_merchant_event": (
        "1 per end of an order or a refund, and per news of late money, agreements and endpoints",
        _FOR_EVER,
    ),
    "acquiring_sealed_body": (
        "1 per consent to an agreement",
        "the row for ever, its content until delivered, two days at most",
    ),
    "acquiring_delivery": ("1 per event and target, 1 more per redelivery", _NO_CLEAN_UP),
    "acquiring_webhook_endpoint": (_SMALL, _FOR_EVER),
    "acquiring_delivery_try": ("1 per try; 11 at most for each delivery", _NO_CLEAN_UP),
    "engine_payment_order": ("1 per try to pay", _FOR_EVER),
    "engine_payment_detail": ("1 per payment, 2 per combined one", _FOR_EVER),
    "engine_channel_attempt": ("1 per payment through a channel, 1 more per fail-over", _FOR_EVER),
    "engine_channel_callback": ("1 per callback, repeats and forgeries too", _NO_CLEAN_UP),
    "engine_transition": ("3 per balance payment, 6 per QR payment", _FOR_EVER),
    "engine_known_channel": ("1 per channel", _FOR_EVER),
    "engine_breaker_move": ("3 or 4 per trouble of a channel", _FOR_EVER),
    "engine_maintenance_window": ("1 per maintenance of a channel", _FOR_EVER),
    "engine_refund": ("1 per refund, and 1 per try to return late money", _FOR_EVER),
    "engine_saved_card": ("1 per card that a payer wished to be saved", _FOR_EVER),
    "engine_late_money": ("rarely", _FOR_EVER),
    "engine_case": ("rarely", _FOR_EVER),
    "engine_statement": ("1 per file of a channel's day, 1 more per corrected one", _FOR_EVER),
    "engine_statement_line": ("1 per line of such a file", _NO_CLEAN_UP),
    "engine_discrepancy": ("1 per difference", _FOR_EVER),
    "engine_cutoff_entry": (
        "1 per charge or refund that its own day's file does not show",
        _FOR_EVER,
    ),
    "engine_chargeback": ("rarely", _FOR_EVER),
    "engine_channel_settlement": ("1 per payment of a channel into our bank account", _FOR_EVER),
    "ledger_account": (_SMALL, _FOR_EVER),
    "ledger_payer_balance": ("1 per payer and currency", _FOR_EVER),
    "ledger_roll_up": (_SMALL, _FOR_EVER),
    "ledger_journal": ("1 per payment, top-up and late money, and per step of a refund", _FOR_EVER),
    "ledger_posting": ("2 per payment with a fee, else 1; 1 more when combined", _FOR_EVER),
    "ledger_hold": ("1 per combined payment", _FOR_EVER),
    "ledger_transition": ("2 per hold", _FOR_EVER),
    "console_audit_log": ("1 per act of an operator", _FOR_EVER),
    "console_proposal": ("1 per act that needs two people", _FOR_EVER),
    "console_transition": ("2 per proposal", _FOR_EVER),
    "console_proof_run": ("1 per `prove`, at least 1 a day", _NO_CLEAN_UP),
    "demo_order": ("1 per sale of the demo shop", "until `run.py reset`"),
    "demo_received_webhook": ("1 per sale of the demo shop", "until `run.py reset`"),
}
"""Table: (how it grows, how long its rows stay)."""
