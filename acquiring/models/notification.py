"""Merchant events 商户事件, their deliveries and every try to deliver: the outbox of acquiring."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import pgtrigger
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django_fsm import FSMModelMixin

from acquiring.states import DELIVERY
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_append_only, guard_machine, hold_rules

RESULT_TYPES = (
    "order.success",
    "order.failed",
    "order.closed",
    "refund.success",
    "refund.failed",
)
"""Types that an object can have once in its life; ``acquiring/sql/events.sql`` relies on the unique index."""


def match_objects(object_nos: Iterable[str]) -> Q:
    """Return the condition for events about these objects; each half leads to one of the two partial indexes."""
    about = Q(object_no__in=list(object_nos))
    return about & Q(type__in=RESULT_TYPES) | about & ~Q(type__in=RESULT_TYPES)


class MerchantEvent(models.Model):
    """One fact a merchant is told. ``payload`` is the complete body, sent byte for byte at every try.

    Written in the transaction of the move it tells of, so it shows the object as it was then.
    """

    database_access = grants.APPEND_ONLY

    event_id = NumberField(primary_key=True)
    merchant_no = models.TextField()
    type = models.TextField()
    object_no = models.TextField()
    payload = models.TextField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_merchant_event"
        constraints = [
            models.UniqueConstraint(
                fields=["object_no", "type"],
                condition=Q(type__in=RESULT_TYPES),
                name="acquiring_event_one_result",
            )
        ]
        indexes = [
            models.Index(fields=["merchant_no", "-event_id"], name="acquiring_event_newest"),
            # Together with the unique index of results this finds every event of an object, and a payment,
            # which writes results only, does not pay for it.
            models.Index(
                fields=["object_no"],
                name="acquiring_event_of_object",
                condition=~Q(type__in=RESULT_TYPES),
            ),
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.event_id} {self.type}"


def keep_address() -> pgtrigger.Trigger:
    """Refuse another ``url``, except while a delivery to an endpoint waits: it follows its endpoint."""
    return pgtrigger.Trigger(
        name="address_stands",
        when=pgtrigger.Before,
        operation=pgtrigger.UpdateOf("url"),
        func=(
            "IF NEW.url IS DISTINCT FROM OLD.url AND (OLD.endpoint_id IS NULL OR OLD.status <> 'DUE') THEN "
            "RAISE EXCEPTION 'the address of delivery % stands', OLD.delivery_no USING ERRCODE = 'PC900'; "
            "END IF; RETURN NEW;"
        ),
    )


DELIVERY_RULES = {
    "acquiring_delivery_due_until_ended": f"(NEW.due_at IS NOT NULL) = (NEW.status = '{DELIVERY.initial}')",
    "acquiring_delivery_delivered_at": "(NEW.delivered_at IS NOT NULL) = (NEW.status = 'DELIVERED')",
    "acquiring_delivery_reason": "(NEW.reason <> '') = (NEW.status IN ('DEAD', 'SKIPPED'))",
    "acquiring_delivery_target": (
        "CASE NEW.target WHEN 'ORDER_NOTIFY' THEN NEW.endpoint_id IS NULL"
        " WHEN 'ENDPOINT' THEN NEW.endpoint_id IS NOT NULL AND NEW.url IS NOT NULL ELSE false END"
    ),
    "acquiring_delivery_lease": "(NEW.lease_token IS NULL) = (NEW.leased_until IS NULL)",
    "acquiring_delivery_counts": "NEW.tries >= 0 AND COALESCE(NEW.last_status_code, 0) >= 0",
}


class Delivery(FSMModelMixin, models.Model):
    """One event on its way to one target.

    ``url`` is where the last try went, or where the first one will go: a delivery to an endpoint follows its endpoint.
    ``due_at`` is when the next try may start, null once the delivery has ended. Whoever tries
    holds the row until ``leased_until`` and may write its result only while ``lease_token`` is
    still theirs (the fencing token). ``tries`` counts recorded tries; ``reason`` says why a delivery
    is DEAD or SKIPPED.
    """

    class Target(models.TextChoices):
        ORDER_NOTIFY = "ORDER_NOTIFY"
        ENDPOINT = "ENDPOINT"

    database_access = grants.MUTABLE

    delivery_no = NumberField(primary_key=True)
    # No constraint in the database: both rows come from one function and neither can be deleted,
    # so the check would only cost every payment a row lock.
    event = models.ForeignKey(
        MerchantEvent,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
    )
    merchant_no = models.TextField()
    target = models.CharField(max_length=16, choices=Target.choices)
    url = models.TextField(null=True)
    endpoint_id = models.TextField(null=True)
    status = state_field(DELIVERY)
    due_at = models.DateTimeField(null=True, db_default=PlatformNow())
    tries = models.SmallIntegerField(db_default=0)
    lease_token = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    last_status_code = models.SmallIntegerField(null=True)
    last_error = models.TextField(db_default="", blank=True)
    reason = models.TextField(db_default="", blank=True)
    delivered_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_delivery"
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["due_at"], name="acquiring_delivery_due", condition=Q(due_at__isnull=False)
            ),
            models.Index(
                Coalesce("endpoint_id", "merchant_no"),
                "due_at",
                name="acquiring_delivery_queue",
                condition=Q(due_at__isnull=False),
            ),
            models.Index(
                fields=["endpoint_id", "delivered_at"],
                name="acquiring_delivery_of_endpoint",
                condition=Q(endpoint_id__isnull=False),
            ),
            models.Index(fields=["event"], name="acquiring_delivery_of_event"),
            models.Index(
                fields=["merchant_no", "event"],
                name="acquiring_delivery_dead",
                condition=Q(status="DEAD"),
            ),
        ]
        triggers = [*guard_machine(DELIVERY), keep_address(), hold_rules(**DELIVERY_RULES)]

    def __str__(self) -> str:
        return self.delivery_no

    @move_to(DELIVERY, "DELIVERED", field=status)
    def mark_delivered(self, *, delivered_at: datetime) -> None:
        """The merchant answered 2xx."""
        self.delivered_at, self.due_at = delivered_at, None

    @move_to(DELIVERY, "DEAD", field=status)
    def mark_dead(self, *, reason: str) -> None:
        """No further try will be made."""
        self.reason, self.due_at = reason, None

    @move_to(DELIVERY, "SKIPPED", field=status)
    def skip(self, *, reason: str) -> None:
        """There is nowhere to deliver to."""
        self.reason, self.due_at = reason, None


class DeliveryTry(models.Model):
    """One try of one delivery, as it ended; ``error`` is empty after a 2xx answer."""

    database_access = grants.APPEND_ONLY

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(
        Delivery,
        on_delete=models.PROTECT,
        related_name="all_tries",
        db_constraint=False,
        db_index=False,
    )
    number = models.PositiveSmallIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField()
    at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "acquiring_delivery_try"
        verbose_name_plural = "delivery tries"
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "number"], name="acquiring_delivery_try_number"
            )
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.delivery_id} try {self.number}: {self.status_code or self.error}"
