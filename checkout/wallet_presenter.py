"""What a payer reads in his wallet: contracts in, primitives for templates out. No query, no request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from checkout.consent_presenter import present_consent_refusal
from checkout.own_wallet import OwnAgreement, OwnMovement, OwnWallet
from paymentplatform.kernel.money import format_amount

HOME: Final = "/wallet/"
LOG_IN: Final = "/wallet/login"
LOG_OUT: Final = "/wallet/logout"
AGREEMENTS: Final = "/wallet/agreements"

_FACTS: Final = {
    "payment_paid": gettext_noop("Payment"),
    "top_up": gettext_noop("Top-up"),
    "refund_done": gettext_noop("Refund"),
    "refund_accepted": gettext_noop("Refund"),
    "reversal": gettext_noop("Correction"),
}


def present_wallet(wallet: OwnWallet, *, time_zone: str) -> dict[str, Any]:
    """Return balances, one page of movements and where to go on."""
    older = {"currency": wallet.currency, "cursor": wallet.next_cursor}
    return {
        "name": wallet.display_name,
        "initial": wallet.display_name.strip()[:1].upper() or "·",
        "payer_no": wallet.payer_no,
        "balances": [
            {
                "currency": one.currency,
                "available": format_amount(one.available, one.currency),
                "held": format_amount(one.held, one.currency) if one.held else "",
                "address": f"{HOME}?{urlencode({'currency': one.currency})}",
                "is_shown": one.currency == wallet.currency,
            }
            for one in wallet.balances
        ],
        "currency": wallet.currency,
        "movements": present_movements(wallet.movements, wallet.currency, time_zone=time_zone),
        "older": f"{HOME}?{urlencode(older)}" if wallet.next_cursor else "",
    }


def present_movements(
    movements: Sequence[OwnMovement], currency: str, *, time_zone: str
) -> list[dict[str, Any]]:
    """Return what each movement was, when, and how much, with its sign."""
    return [
        {
            "title": _(_FACTS[one.event_type]) if one.event_type in _FACTS else _("Other"),
            "at": _show_time(one.at, time_zone),
            "datetime": one.at.isoformat(),
            "reference": one.reference,
            "sign": "+" if one.amount > 0 else "−",
            "is_in": one.amount > 0,
            "amount": format_amount(abs(one.amount), currency),
        }
        for one in movements
    ]


def present_agreement(agreement: OwnAgreement, *, time_zone: str) -> dict[str, Any]:
    """Return one agreement with its limits and what was taken today."""
    currency = agreement.currency
    return {
        "agreement_no": agreement.agreement_no,
        "merchant": agreement.merchant_name,
        "initial": agreement.merchant_name.strip()[:1].upper() or "·",
        "currency": currency,
        "max_per_payment": format_amount(agreement.max_per_payment, currency),
        "max_per_day": format_amount(agreement.max_per_day, currency),
        "taken_today": format_amount(agreement.taken_today, currency),
        "since": _show_time(agreement.created_at, time_zone),
        "ended": _show_time(agreement.revoked_at, time_zone) if agreement.revoked_at else "",
        "address": f"{AGREEMENTS}/{agreement.agreement_no}",
        "revoke": f"{AGREEMENTS}/{agreement.agreement_no}/revoke",
    }


def present_login_refusal(reasons: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return (words by form field, words for the whole form) of a log-in that was refused."""
    if "rate_limited" in reasons:
        return {}, _("Too many wrong tries from here. Please try again in some minutes.")
    return present_consent_refusal(reasons)


def _show_time(at: datetime, time_zone: str) -> str:
    return date_format(at.astimezone(ZoneInfo(time_zone)), "Y-m-d H:i")
