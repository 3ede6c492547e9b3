"""What checkout tells the dossier: why each payment of an order went to its channel."""

from __future__ import annotations

from collections.abc import Iterator

from checkout.models import RouteDecision
from paymentplatform.kernel.dossier import Entry, entries_of


def tell_decisions(order_no: str) -> Iterator[Entry]:
    """Tell every routing decision of an order, with the facts and all candidates."""
    return entries_of(
        "route_decision",
        RouteDecision.objects.filter(order_no=order_no).order_by("payment_no"),
        number="payment_no",
        at="created_at",
        says=lambda row: (
            f"{row.method} → {row.channel_code}, {row.strategy}, rule {row.rule or 'otherwise'}, "
            f"book v{row.book_version}"
        ),
    )
