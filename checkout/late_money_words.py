"""What payers are told of money that came too late: that it is safe, and what becomes of it."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

_AFTER_THE_END: Final = {
    "OPEN": gettext_noop(
        "Your money arrived after this order had ended. It is safe and is being dealt with; normally it is "
        "returned the way you paid. Please keep the order number."
    ),
    "REFUNDING": gettext_noop(
        "Your money arrived after this order had ended. A refund is under way, the way you paid. Please keep the "
        "order number."
    ),
    "REFUNDED": gettext_noop(
        "Your money arrived after this order had ended. It has been returned the way you paid; your bank may take "
        "some days to show it."
    ),
    "HONOURED": gettext_noop(
        "Your money arrived after this order had ended. The shop has accepted it; please ask the shop about your "
        "order."
    ),
}
_BESIDE_A_PAYMENT: Final = gettext_noop(
    "More money arrived than this order costs. You pay only once: the rest is safe and is being returned."
)
_RETURNED: Final = gettext_noop(
    "More money arrived than this order costs. You pay only once: the rest has been returned the way you paid."
)


def describe_late_money(status: str | None, *, is_paid: bool) -> str:
    """Return the words for late money in this state, of an order that is paid otherwise or has ended; or nothing."""
    if status is None:
        return ""
    words = _AFTER_THE_END[status]
    if is_paid:
        words = _RETURNED if status == "REFUNDED" else _BESIDE_A_PAYMENT
    return _(words)
