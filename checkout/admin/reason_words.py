"""What operators read of consult and routing: one sentence for each code."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

METHOD_REASONS: Final[dict[str, Promise]] = {
    "order_not_payable": _("the order had ended"),
    "order_closing": _("the order was being closed"),
    "not_allowed_by_merchant": _("the order's allowed_methods leave it out"),
    "switched_off": _("it was offered to nobody"),
    "switched_off_for_merchant": _("it was switched off for the merchant"),
    "currency_unsupported": _("it does not take the order's currency"),
    "amount_under_limit": _("the amount was too small for it"),
    "amount_over_limit": _("the amount was too large for it"),
    "terminal_unsupported": _("it does not work on what the payer held"),
    "locale_unsupported": _("it is not for payers of this language"),
    "outside_hours": _("it was not open at this time of the day"),
    "no_channel": _("no channel takes it"),
    "channel_unavailable": _("channels take it, but none could take anything at that moment"),
    "payer_token_invalid": _("the payer's token was not good for it"),
    "over_limit": _("it was over what the agreement allows"),
    "insufficient_balance": _("the payer had too little"),
}
ROUTE_REASON_WORDS: Final[dict[str, Promise]] = {
    "first": _("the payment went there first"),
    "probe": _("the payment went there first, to see whether the channel had recovered"),
    "fallback": _("next, should those before it certainly not have taken it"),
    "method_not_supported": _("it does not take the method"),
    "option_not_supported": _("it does not know the bank or wallet that was chosen"),
    "not_the_cards_channel": _("the saved card belongs to another channel"),
    "disabled": _("an operator had disabled it"),
    "in_maintenance": _("a maintenance window was on"),
    "breaker_open": _("its circuit breaker was open"),
    "over_exposure_limit": _("too much money was unknown there"),
    "not_in_rule": _("the rule names other channels only"),
}


def explain_method(reason: str | None) -> str:
    """Return why a method was not offered: code and sentence; a dash for one that was."""
    if reason is None:
        return "–"
    return f"{reason}: {METHOD_REASONS[reason]}" if reason in METHOD_REASONS else reason


def explain_place(reason: str) -> str:
    """Return why a channel has its place in a route, or none: code and sentence."""
    if reason not in ROUTE_REASON_WORDS:
        return reason
    return f"{reason}: {ROUTE_REASON_WORDS[reason]}"
