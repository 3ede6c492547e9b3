"""What acquiring knows of an order's life, and how to find it by any number: plain reads for operators."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.db.models import QuerySet

from acquiring.models import (
    Delivery,
    DeliveryTry,
    MerchantEvent,
    TradeOrder,
    Transition,
    match_objects,
)
from engine import api as engine
from ledger import api as ledger
from ledger.contracts import JournalNotFound
from paymentplatform.kernel import numbers
from paymentplatform.kernel.dossier import Entry, entries_of, entries_of_moves
from paymentplatform.kernel.history import Move, read_move


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
        return engine.find_order_no(number=journal.event_id.partition("/")[0])
    by_merchant = TradeOrder.objects.filter(merchant_order_no=number).order_by("-order_no")
    return by_merchant.values_list("order_no", flat=True).first() or engine.find_order_no(
        number=number
    )


def list_moves(*, object_nos: Iterable[str]) -> tuple[Move, ...]:
    """Return every move of these objects, in the order in which they happened."""
    rows = Transition.objects.filter(object_no__in=list(object_nos)).order_by("id")
    return tuple(read_move(row) for row in rows)


def list_events(*, object_nos: Iterable[str]) -> list[MerchantEvent]:
    """Return what the merchant is told about these objects, oldest first."""
    events = MerchantEvent.objects.filter(match_objects(object_nos))
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


def tell_order(order_no: str) -> Iterator[Entry]:
    """Tell an order's own life and what its merchant was told of it, for the dossier."""
    order = TradeOrder.objects.filter(order_no=order_no).first()
    if order is None:
        return
    made = entries_of(
        "order",
        [order],
        number="order_no",
        at="created_at",
        says=lambda row: f"{row.merchant_order_no}: {row.amount} {row.currency}",
    )
    # Whoever has the secret can open the cashier; nobody needs it to understand the order.
    yield from (replace(entry, data=_without(entry.data, "cashier_secret")) for entry in made)
    file = engine.get_trade_file(order_no=order_no)
    told_of = [order_no, *(row.refund_no for row in file.refunds)]
    told_of += [row.late_money_no for row in file.late_money]
    events = list_events(object_nos=told_of)
    for event in events:
        yield Entry(event.created_at, "event", event.event_id, event.type, {"type": event.type})
    deliveries = list_deliveries(event_ids=[event.event_id for event in events])
    yield from entries_of(
        "delivery",
        deliveries,
        number="delivery_no",
        at="created_at",
        says=lambda row: str(row.target),
    )
    delivery_nos = [row.delivery_no for row in deliveries]
    yield from entries_of(
        "try",
        list_tries(delivery_nos=delivery_nos),
        number="delivery_id",
        at="at",
        says=lambda row: str(row.status_code or row.error or ""),
    )
    yield from entries_of_moves(list_moves(object_nos=[order_no, *delivery_nos]))


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}
