"""What payers are told of a check that stopped a payment. Never which check it was."""

from __future__ import annotations

from django.utils.translation import gettext as _


def risk_words() -> dict[str, str]:
    """Return the words by error code: that nothing was charged, and what the payer can do."""
    return {
        "risk_rejected": _(
            "This payment could not be accepted. Nothing was charged. Please choose another way to pay, or ask the "
            "support."
        ),
        "risk_pending": _(
            "This payment has to be looked at first. Nothing was charged. Please try again the same way in a few "
            "minutes."
        ),
        "payer_confirmation_required": _(
            "This way to pay cannot be confirmed securely enough for this order. Nothing was charged. Please choose "
            "another one."
        ),
    }
