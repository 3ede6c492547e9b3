"""Send an event once more: always a new delivery of the same event id; what has ended stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import Exists, OuterRef, TextField, Value
from django.db.models.functions import Coalesce

from acquiring.contracts import NoDeliveryTarget
from acquiring.models import Delivery, MerchantEvent
from acquiring.services.order_moves import DELIVERY_TASK
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.errors import DomainError, NotFound
from paymentplatform.kernel.jobs import ring


@dataclass(frozen=True, slots=True)
class ResendReport:
    """Event ids, one for each new delivery, and (event id, error code) of what could not be resent."""

    resent: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)


@transactions.start
def redeliver_event(*, event_id: str, merchant_no: str | None = None) -> list[str]:
    """Make one new due delivery for every target the event ever had (start); return their numbers.

    Raises NotFound for an event that is not there, or is not this merchant's; NoDeliveryTarget when the
    event never had anywhere to go.
    """
    return _create_again(_list_targets(event_id, merchant_no))


@transactions.start
def resend_events(
    *, event_ids: Sequence[str], merchant_no: str | None = None, dry_run: bool = False
) -> ResendReport:
    """Redeliver each of these events; one that cannot be is reported and stops no other (start)."""
    report = ResendReport()
    for event_id in event_ids:
        try:
            targets = _list_targets(event_id, merchant_no)
        except DomainError as error:
            report.failures.append((event_id, error.code))
            continue
        if not dry_run:
            _create_again(targets)
        report.resent.extend(event_id for _ in targets)
    return report


@transactions.start
def resend_deliveries(
    *, status: str, merchant_no: str | None = None, dry_run: bool = False
) -> ResendReport:
    """Deliver again what ended in ``status`` and was not sent to the same target since (start).

    Running it twice, also at once, resends once.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('acquiring.resend', 0))")
    nothing = Value("", output_field=TextField())
    newer = Delivery.objects.annotate(endpoint=Coalesce("endpoint_id", nothing)).filter(
        event=OuterRef("event"),
        url=OuterRef("url"),
        endpoint=Coalesce(OuterRef("endpoint_id"), nothing),
        delivery_no__gt=OuterRef("delivery_no"),
    )
    ended = Delivery.objects.filter(~Exists(newer), status=status, url__isnull=False)
    if merchant_no is not None:
        ended = ended.filter(merchant_no=merchant_no)
    found = list(ended.order_by("delivery_no"))
    if not dry_run:
        _create_again(found)
    return ResendReport(resent=[delivery.event_id for delivery in found])


def _list_targets(event_id: str, merchant_no: str | None) -> list[Delivery]:
    """The last delivery to each target of the event. Raises NotFound, NoDeliveryTarget."""
    events = MerchantEvent.objects.filter(event_id=event_id)
    if merchant_no is not None:
        events = events.filter(merchant_no=merchant_no)
    if not events.exists():
        raise NotFound
    targets = list(
        Delivery.objects.filter(event_id=event_id, url__isnull=False)
        .order_by("target", "url", "endpoint_id", "-delivery_no")
        .distinct("target", "url", "endpoint_id")
    )
    if not targets:
        raise NoDeliveryTarget
    return targets


def _create_again(sources: Sequence[Delivery]) -> list[str]:
    fresh = [
        Delivery(
            delivery_no=numbers.new_number(numbers.DELIVERY),
            event_id=source.event_id,
            merchant_no=source.merchant_no,
            target=source.target,
            url=source.url,
            endpoint_id=source.endpoint_id,
        )
        for source in sources
    ]
    Delivery.objects.bulk_create(fresh, batch_size=1000)
    if fresh:
        ring(DELIVERY_TASK)
    return [delivery.delivery_no for delivery in fresh]
