"""Send an event once more: a new delivery of the same event id for what has ended, an earlier try for what has not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce

from acquiring.contracts import NoDeliveryTarget
from acquiring.models import Delivery, MerchantEvent, WebhookEndpoint
from acquiring.services.idempotency import current_claim
from acquiring.services.order_moves import DELIVERY_TASK
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.errors import DomainError, NotFound
from paymentplatform.kernel.jobs import ring

BATCH: Final = 500
"""How many deliveries one transaction makes at most."""

_NO_TARGET: Final = str(NoDeliveryTarget.code)


@dataclass(frozen=True, slots=True)
class ResendReport:
    """Event ids, one for each delivery now due, and (event id, error code) of what could not be resent."""

    resent: list[str] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where an event goes now: the order's own address (``endpoint_id`` None) or an endpoint."""

    url: str
    endpoint_id: str | None = None

    @property
    def kind(self) -> str:
        return Delivery.Target.ENDPOINT if self.endpoint_id else Delivery.Target.ORDER_NOTIFY


@transactions.start
def redeliver_event(*, event_id: str, merchant_no: str | None = None) -> list[str]:
    """Send an event again to every target it has now (start): its order's notify_url, each enabled endpoint that
    wants its type. Returns the numbers of the deliveries that are due for it.

    A delivery that still waits for its next try is brought forward instead of doubled, and whoever presses while
    another press is under way gets that one's deliveries. Raises NotFound for an event that is not there, or is not
    this merchant's; NoDeliveryTarget when there is nowhere to send it.
    """
    return _redeliver(event_id, merchant_no)


@transactions.start
def resend_events(
    *, event_ids: Sequence[str], merchant_no: str | None = None, dry_run: bool = False
) -> ResendReport:
    """Redeliver each of these events; one that cannot be is reported and stops no other (start)."""
    report = ResendReport()
    for event_id in sorted(set(event_ids)):
        try:
            if dry_run:
                made: Sequence[object] = _list_targets(_find_event(event_id, merchant_no))
            else:
                made = _redeliver(event_id, merchant_no)
        except DomainError as error:
            report.failures.append((event_id, error.code))
        else:
            report.resent.extend(event_id for _ in made)
    return report


def resend_deliveries(
    *, status: str, merchant_no: str | None = None, dry_run: bool = False
) -> ResendReport:
    """Deliver again all that ended in ``status`` and was not sent to the same target since.

    Each batch commits by itself. Running it twice, also at once, resends once.
    """
    report, after = ResendReport(), ""
    while True:
        ended = _list_last(status=status, merchant_no=merchant_no).filter(delivery_no__gt=after)
        found = list(ended.order_by("delivery_no").values_list("delivery_no", flat=True)[:BATCH])
        if not found:
            return report
        done = resend_chosen(delivery_nos=found, status=status, dry_run=dry_run)
        report.resent.extend(done.resent)
        report.failures.extend(done.failures)
        after = found[-1]


@transactions.start
def resend_dead_letters(*, merchant_no: str) -> tuple[ResendReport, int]:
    """Deliver one batch of a merchant's dead letters again, the oldest first (start).

    Letters to an endpoint that is off stay dead. Returns the report and how many are left for the next batch.
    """
    on = WebhookEndpoint.objects.filter(merchant_id=merchant_no, enabled=True)
    dead = _list_last(status="DEAD", merchant_no=merchant_no).filter(
        Q(endpoint_id__isnull=True) | Q(endpoint_id__in=on.values("endpoint_id"))
    )
    batch = dead.order_by("delivery_no").values_list("delivery_no", flat=True)[:BATCH]
    report = _resend_chosen(list(batch), "DEAD")
    return report, dead.count()


@transactions.start
def resend_chosen(
    *, delivery_nos: Sequence[str], status: str, dry_run: bool = False
) -> ResendReport:
    """Deliver again those of these deliveries that are still the last of their target and in ``status`` (start)."""
    return _resend_chosen(delivery_nos, status, dry_run=dry_run)


def _redeliver(event_id: str, merchant_no: str | None) -> list[str]:
    event = _find_event(event_id, merchant_no)
    before = _list_numbers(event_id)
    _lock_events([event_id])
    targets = _list_targets(event)
    if not targets:
        raise NoDeliveryTarget
    due, fresh = [], []
    for target in targets:
        waiting = _find_current(event_id, target, before)
        if waiting is not None:
            due.append(waiting.delivery_no)
        else:
            fresh.append(_new_delivery(event, target))
    _bring_forward(due)
    Delivery.objects.bulk_create(fresh)
    ring(DELIVERY_TASK)
    return [*due, *(delivery.delivery_no for delivery in fresh)]


def _find_event(event_id: str, merchant_no: str | None) -> MerchantEvent:
    events = MerchantEvent.objects.filter(event_id=event_id)
    if merchant_no is not None:
        events = events.filter(merchant_no=merchant_no)
    event = events.first()
    if event is None:
        raise NotFound
    return event


def _list_numbers(event_id: str) -> set[str]:
    return set(Delivery.objects.filter(event_id=event_id).values_list("delivery_no", flat=True))


def _lock_events(event_ids: Iterable[str]) -> None:
    """One redelivery of an event at a time; events cannot be locked as rows, the application may not write them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_advisory_xact_lock(hashtextextended('acquiring.redeliver:' || id, 0))) FROM"
            " (SELECT DISTINCT id FROM unnest(%s::text[]) AS id ORDER BY id) AS ids",
            [list(event_ids)],
        )


def _list_targets(event: MerchantEvent) -> list[_Target]:
    """Where the event would go if it happened now."""
    own = Delivery.objects.filter(
        event=event, target=Delivery.Target.ORDER_NOTIFY, url__isnull=False
    ).first()
    targets = [_Target(str(own.url))] if own is not None else []
    endpoints = WebhookEndpoint.objects.filter(merchant_id=event.merchant_no, enabled=True)
    targets += [
        _Target(endpoint.url, endpoint.endpoint_id)
        for endpoint in endpoints.order_by("endpoint_id")
        if not endpoint.events or event.type in endpoint.events
    ]
    return targets


def _find_current(event_id: str, target: _Target, before: set[str]) -> Delivery | None:
    """Return the delivery that stands for this press already: it still waits, or another press made it meanwhile."""
    last = (
        Delivery.objects.filter(
            event_id=event_id, target=target.kind, endpoint_id=target.endpoint_id
        )
        .order_by("-created_at", "-delivery_no")
        .first()
    )
    if last is None:
        return None
    mine = last.delivery_no == _claimed_number(target)
    return last if last.status == "DUE" or mine or last.delivery_no not in before else None


def _bring_forward(delivery_nos: list[str]) -> None:
    """Make waiting deliveries due now; what is being tried at this moment is due already."""
    waiting = Delivery.objects.filter(
        delivery_no__in=delivery_nos, status="DUE", due_at__gt=PlatformNow()
    )
    waiting.update(due_at=PlatformNow())


def _new_delivery(event: MerchantEvent, target: _Target) -> Delivery:
    return Delivery(
        delivery_no=_claimed_number(target) or numbers.new_number(numbers.DELIVERY),
        event_id=event.event_id,
        merchant_no=event.merchant_no,
        target=target.kind,
        url=target.url,
        endpoint_id=target.endpoint_id,
    )


def _claimed_number(target: _Target) -> str | None:
    """Return the number that this request's Idempotency-Key gives the target's delivery, the same when run again."""
    claim = current_claim()
    if claim is None:
        return None
    parent = f"{claim}/{target.endpoint_id or ''}"
    return numbers.derive_number(numbers.DELIVERY, parent=parent, count=1)


def _list_last(*, status: str, merchant_no: str | None = None) -> QuerySet[Delivery]:
    """Deliveries with an address that ended so and are the last to their target."""
    nothing = Value("", output_field=TextField())
    newer = (
        Delivery.objects.annotate(endpoint=Coalesce("endpoint_id", nothing))
        .filter(
            event=OuterRef("event"),
            target=OuterRef("target"),
            endpoint=Coalesce(OuterRef("endpoint_id"), nothing),
        )
        .filter(
            Q(created_at__gt=OuterRef("created_at"))
            | Q(created_at=OuterRef("created_at"), delivery_no__gt=OuterRef("delivery_no"))
        )
    )
    ended = Delivery.objects.filter(~Exists(newer), status=status, url__isnull=False)
    return ended if merchant_no is None else ended.filter(merchant_no=merchant_no)


def _resend_chosen(
    delivery_nos: Sequence[str], status: str, *, dry_run: bool = False
) -> ResendReport:
    chosen = Delivery.objects.filter(delivery_no__in=delivery_nos)
    _lock_events(chosen.values_list("event_id", flat=True))
    report, fresh = ResendReport(), []
    last = _list_last(status=status).filter(delivery_no__in=delivery_nos).select_related("event")
    addresses = dict(
        WebhookEndpoint.objects.filter(
            enabled=True, endpoint_id__in=chosen.values("endpoint_id")
        ).values_list("endpoint_id", "url")
    )
    for delivery in last.order_by("delivery_no"):
        target = _Target(str(delivery.url), delivery.endpoint_id)
        if target.endpoint_id is not None:
            if target.endpoint_id not in addresses:
                report.failures.append((delivery.event_id, _NO_TARGET))
                continue
            target = _Target(addresses[target.endpoint_id], target.endpoint_id)
        fresh.append(_new_delivery(delivery.event, target))
        report.resent.append(delivery.event_id)
    if fresh and not dry_run:
        Delivery.objects.bulk_create(fresh)
        ring(DELIVERY_TASK)
    return report
