"""How columns, tables and apps are called on the operators' pages, once for lists, pages and tables alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.apps import AppConfig
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

COLUMN_TITLES: Final[dict[str, str | Promise]] = {
    "account": _("Account"),
    "accounting_date": _("Accounting date"),
    "actor": _("Who"),
    "agreement_no": _("Agreement number"),
    "allowed_methods": _("Allowed methods"),
    "amount": _("Amount"),
    "at": _("Time"),
    "attempt_no": _("Attempt number"),
    "balance": _("Balance"),
    "body": _("Body"),
    "callback_id": _("Callback"),
    "candidates": _("Channels to try"),
    "case_no": _("Case number"),
    "cause": _("Cause"),
    "change": _("Change"),
    "channel_code": _("Channel"),
    "channel_trade_no": _("The channel's number"),
    "close_reason": _("Reason of the close"),
    "closed_at": _("Closed at"),
    "closing": _("Closing"),
    "code": _("Code"),
    "contract_no": _("Contract number"),
    "created_at": _("Created at"),
    "credit": _("Credit"),
    "currency": _("Currency"),
    "debit": _("Debit"),
    "decided_by": _("Decided by"),
    "delivered_at": _("Delivered at"),
    "delivery_id": _("Delivery number"),
    "delivery_no": _("Delivery number"),
    "description": _("Description"),
    "detail": _("Detail"),
    "detail_id": _("Detail number"),
    "detail_no": _("Detail number"),
    "display_name": _("Name"),
    "due_at": _("Due at"),
    "duration_ms": _("Duration (ms)"),
    "error": _("Error"),
    "event": _("Event"),
    "event_id": _("Event number"),
    "event_type": _("Business fact"),
    "expires_at": _("Expires at"),
    "failed_tries": _("Failed tries"),
    "failure_code": _("Failure code"),
    "fee_amount": _("Fee"),
    "fee_contract_no": _("Fee contract"),
    "from_status": _("From"),
    "headers": _("Headers"),
    "held": _("Held"),
    "hint": _("Hint"),
    "hold_no": _("Hold number"),
    "id": _("Number"),
    "journal_no": _("Journal number"),
    "key_id": _("Key"),
    "kind": _("Kind"),
    "last_error": _("Last error"),
    "last_outcome": _("Last answer"),
    "last_outcome_at": _("Last answer at"),
    "last_outcome_reason": _("Reason of the last answer"),
    "last_status_code": _("Last status code"),
    "late_money_no": _("Late money number"),
    "late_money_policy": _("Late money"),
    "line_no": _("Line"),
    "locked_until": _("Locked until"),
    "max_per_day": _("Per day"),
    "max_per_payment": _("Per payment"),
    "max_tries": _("Tries at most"),
    "merchant": _("Merchant"),
    "merchant_no": _("Merchant number"),
    "merchant_order_no": _("The merchant's order number"),
    "metadata": _("Metadata"),
    "method": _("Method"),
    "name": _("Name"),
    "next_query_at": _("Next inquiry at"),
    "note": _("Note"),
    "notify_url": _("Notification address"),
    "number": _("Try"),
    "object_no": _("About"),
    "opened_at": _("Opened at"),
    "order_no": _("Order number"),
    "owner": _("Owner"),
    "paid_at": _("Paid at"),
    "payer": _("Payer"),
    "payer_no": _("Payer number"),
    "payer_ref": _("The merchant's name for the payer"),
    "payment_id": _("Payment number"),
    "payment_no": _("Payment number"),
    "policy": _("Policy"),
    "query_count": _("Inquiries"),
    "rate_ppm": _("Rate (millionths)"),
    "reason": _("Reason"),
    "received_at": _("Received at"),
    "reference": _("Reference"),
    "refund_no": _("Refund number"),
    "refunded_amount": _("Refunded"),
    "refunding_amount": _("Refunding"),
    "request_id": _("Request"),
    "resolved_at": _("Resolved at"),
    "respond_by": _("Answer until"),
    "result": _("Result"),
    "return_origins": _("Return origins"),
    "return_url": _("Return address"),
    "returned_on_refund": _("Returned on refund"),
    "reverses": _("Reverses"),
    "revoked_at": _("Revoked at"),
    "spent_date": _("Last spent on"),
    "status": _("Status"),
    "status_code": _("Status code"),
    "subject": _("Subject"),
    "submit_claimed_at": _("Handed to the channel at"),
    "target": _("Target"),
    "to_status": _("To"),
    "tries": _("Tries"),
    "type": _("Type"),
    "url": _("Address"),
    "valid_from": _("Valid from"),
    "wrong_tries": _("Wrong passwords"),
}
"""Heading of a column or field by its name; a field that names itself keeps its own."""

MODEL_TITLES: Final[dict[str, tuple[str | Promise, str | Promise]]] = {
    "acquiring.credential": (_("key"), _("keys")),
    "acquiring.delivery": (_("delivery"), _("deliveries")),
    "acquiring.merchant": (_("merchant"), _("merchants")),
    "acquiring.merchantevent": (_("event"), _("events")),
    "acquiring.tradeorder": (_("order"), _("orders")),
    "checkout.payeragreement": (_("agreement"), _("agreements")),
    "checkout.payerwallet": (_("payer"), _("payers")),
    "engine.case": (_("case"), _("cases")),
    "engine.channelattempt": (_("attempt"), _("attempts")),
    "engine.channelcallback": (_("callback"), _("callbacks")),
    "engine.latemoney": (_("late money"), _("late money")),
    "engine.paymentorder": (_("payment"), _("payments")),
    "engine.refund": (_("refund"), _("refunds")),
    "ledger.account": (_("account"), _("accounts")),
    "ledger.hold": (_("hold"), _("holds")),
    "ledger.journal": (_("journal"), _("journals")),
}

APP_TITLES: Final[dict[str, str | Promise]] = {
    "acquiring": _("Acquiring"),
    "checkout": _("Checkout"),
    "console": _("Console"),
    "engine": _("Payment engine"),
    "ledger": _("Ledger"),
}


def name_everything(configs: Iterable[AppConfig]) -> None:
    """Give apps, models and fields their titles, once, at start-up; migrations see none of it."""
    for config in configs:
        if config.label not in APP_TITLES:
            continue
        config.verbose_name = APP_TITLES[config.label]  # type: ignore[assignment]
        for model in config.get_models():
            opts = model._meta  # noqa: SLF001 - Django's documented way to a model's names
            if opts.label_lower in MODEL_TITLES:
                one, many = MODEL_TITLES[opts.label_lower]
                opts.verbose_name, opts.verbose_name_plural = one, many  # type: ignore[assignment]
            for field in opts.concrete_fields:
                own = getattr(field, "_verbose_name", None)
                if own is None and field.name in COLUMN_TITLES:
                    field.verbose_name = COLUMN_TITLES[field.name]  # type: ignore[assignment]
