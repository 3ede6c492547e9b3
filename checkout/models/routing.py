"""Routing 路由: the versions of the route book, and what was decided for each payment."""

from __future__ import annotations

from django.db import models

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import guard_append_only, guard_records


class RouteBookVersion(models.Model):
    """One version of the route book (``checkout.route_book``); the highest number is in force."""

    database_access = grants.APPEND_ONLY

    version = models.PositiveIntegerField(primary_key=True)
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    reason = models.TextField()
    made_by = models.TextField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "checkout_route_book"
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"v{self.version}"


class RouteDecision(models.Model):
    """Why one payment went to its channel: the facts, the version of the book and every candidate.

    ``facts`` are a ``routing.RouteFacts``, ``candidates`` a list of ``routing.Candidate``: with them the choice can be
    made again, also by another book. ``payer_ref`` finds what a payer chose last.
    """

    database_access = grants.APPEND_ONLY

    payment_no = NumberField(primary_key=True)
    order_no = models.TextField()
    merchant_no = models.TextField()
    payer_ref = models.TextField(null=True)
    method = models.TextField()
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    book_version = models.PositiveIntegerField()
    rule = models.TextField(null=True)
    strategy = models.TextField()
    channel_code = models.TextField()
    facts = models.JSONField()
    candidates = models.JSONField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "checkout_route_decision"
        indexes = [
            models.Index(fields=["order_no"], name="checkout_route_of_order"),
            models.Index(
                fields=["merchant_no", "payer_ref", "-payment_no"],
                name="checkout_route_of_payer",
                condition=models.Q(payer_ref__isnull=False),
            ),
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.payment_no} → {self.channel_code}"


class BalanceUse(models.Model):
    """A payment from a balance by somebody whom his merchant has named: what this payer chose, for the ranking.

    Payments through a channel leave a RouteDecision that says the same. Forgotten after LAST_USE_DAYS.
    """

    database_access = grants.RECORDS

    payment_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    payer_ref = models.TextField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "checkout_balance_use"
        indexes = [
            models.Index(
                fields=["merchant_no", "payer_ref", "-payment_no"],
                name="checkout_balance_use_payer",
            )
        ]
        triggers = guard_records("created_at")

    def __str__(self) -> str:
        return self.payment_no
