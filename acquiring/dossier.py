"""What acquiring knows of an order's life, and how to find it by any number: plain reads for operators."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from acquiring.models import Delivery, DeliveryTry, MerchantEvent, TradeOrder, Transition
from engine import api as engine
from ledger import api as ledger
from ledger.contracts import JournalNotFound
from paymentplatform.kernel import numbers
from paymentplatform.kernel.history import Move


def find_order_no(*, number: str) -> str | None:
    """Return the order behind a number of any kind: ours, the merchant's or a channel's. None when there is none."""
    prefix = number.partition("_")[0]
    if prefix == numbers.ORDER:
        return number
    if prefix == numbers.EVENT:
        return _order_of(MerchantEvent.objects.filter(event_id=number))
    if prefix == numbers.DELIVERY:
        return _order_of(MerchantEvent.objects.filter(deliveries__delivery_no=number))
    if prefix == numbers.JOURNAL:
        try:
            journal = ledger.get_journal(journal_no=number)
        except JournalNotFound:
            return None
        return engine.find_order_no(number=journal.event_id)
    by_merchant = TradeOrder.objects.filter(merchant_order_no=number).order_by("-order_no")
    return by_merchant.values_list("order_no", flat=True).first() or engine.find_order_no(
        number=number
    )


def list_moves(*, object_nos: Iterable[str]) -> tuple[Move, ...]:
    """Return every move of these objects, in the order in which they happened."""
    rows = Transition.objects.filter(object_no__in=list(object_nos)).order_by("id")
    return tuple(
        Move(
            at=row.at,
            machine=row.machine,
            object_no=row.object_no,
            from_status=row.from_status,
            to_status=row.to_status,
            cause=row.cause,
            actor=row.actor,
            request_id=row.request_id,
        )
        for row in rows
    )


def list_events(*, object_nos: Iterable[str]) -> list[MerchantEvent]:
    """Return what the merchant is told about these objects, oldest first."""
    events = MerchantEvent.objects.filter(object_no__in=list(object_nos))
    return list(events.order_by("event_id"))


def list_deliveries(*, event_ids: Iterable[str]) -> list[Delivery]:
    """Return the deliveries of these events, oldest first."""
    return list(Delivery.objects.filter(event_id__in=list(event_ids)).order_by("delivery_no"))


def list_tries(*, delivery_nos: Iterable[str]) -> list[DeliveryTry]:
    """Return every try of these deliveries, in the order in which they were made."""
    return list(DeliveryTry.objects.filter(delivery__in=list(delivery_nos)).order_by("id"))


def _order_of(events: QuerySet[MerchantEvent]) -> str | None:
    """Return the order that an event tells of, itself or by one of its refunds or late money."""
    object_no = events.values_list("object_no", flat=True).first()
    return find_order_no(number=object_no) if object_no is not None else None
