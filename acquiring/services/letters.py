"""Letters of merchants that could be sent again: deliveries that ended without arriving, and have a target today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Coalesce

from acquiring.models import Delivery, MerchantEvent, WebhookEndpoint
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now

SKIPPED_DAYS: Final = 7
"""Of a merchant's SKIPPED deliveries its bulk takes those whose events are no older; the command takes all."""

MOST_EVENTS: Final = 50_000
"""And only of so many of its newest events, so that a page opens as fast for whoever has millions."""


@dataclass(frozen=True, slots=True)
class Letters:
    """What a merchant's bulk would find: dead and skipped with a target today, and those whose endpoint is off."""

    dead: QuerySet[Delivery]
    skipped: QuerySet[Delivery]
    stuck: QuerySet[Delivery]


def list_letters(*, merchant_no: str) -> Letters:
    """Return the queries of a merchant's letters that were not resent since; count them only up to a limit."""
    dead = list_unresent(Delivery.objects.filter(status="DEAD", merchant_no=merchant_no))
    skipped = list_unresent(
        Delivery.objects.filter(
            status="SKIPPED",
            event__merchant_no=merchant_no,
            event__event_id__gte=_find_first_event(merchant_no),
        )
    )
    is_stuck = Q(endpoint_id__isnull=False) & ~Exists(_enabled_endpoint())
    return Letters(
        dead=dead.filter(_has_target()),
        skipped=skipped.filter(_has_target()),
        stuck=Delivery.objects.filter(
            Q(pk__in=dead.filter(is_stuck).values("pk"))
            | Q(pk__in=skipped.filter(is_stuck).values("pk"))
        ),
    )


def _find_first_event(merchant_no: str) -> str:
    """Return the event id from which on SKIPPED deliveries are looked for."""
    since = database_now() - timedelta(days=SKIPPED_DAYS)
    newest = MerchantEvent.objects.filter(merchant_no=merchant_no).order_by("-event_id")
    beyond = newest.values_list("event_id", flat=True)[MOST_EVENTS - 1 : MOST_EVENTS]
    return max([numbers.first_number(numbers.EVENT, since), *beyond])


def list_unresent(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Narrow deliveries to those that are the last to their target; one that had no target is always the last."""
    return rows.filter(~Exists(_newer()))


def list_resent(rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Narrow deliveries to those that were made again since, to the same target."""
    return rows.filter(Exists(_newer()))


def _newer() -> QuerySet[Delivery]:
    nothing = Value("", output_field=TextField())
    return (
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


def _enabled_endpoint() -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.filter(endpoint_id=OuterRef("endpoint_id"), enabled=True)


def _has_target() -> Q:
    """Whether a delivery could go out today: to its notify_url, to its endpoint, or, when it had no target, to an
    endpoint that wants its event and never had it.
    """
    reached = Delivery.objects.filter(
        event_id=OuterRef(OuterRef("event_id")), endpoint_id=OuterRef("endpoint_id")
    )
    wants = Func(
        F("events"), OuterRef("event__type"), function="jsonb_exists", output_field=BooleanField()
    )
    wanting = (
        WebhookEndpoint.objects.filter(merchant_id=OuterRef("merchant_no"), enabled=True)
        .annotate(wants=wants)
        .filter(Q(events=[]) | Q(wants=True))
    )
    return (
        Q(endpoint_id__isnull=True, url__isnull=False)
        | Q(Exists(_enabled_endpoint()))
        | Q(Q(url__isnull=True), Exists(wanting.filter(~Exists(reached))))
    )
