"""Channels 渠道 as operators see them: their circuit breakers' history and their maintenance windows."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import localtime

from engine.health_contracts import BreakerState
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.guards import (
    forbid_delete,
    freeze_columns,
    guard_append_only,
    set_once,
)


class KnownChannel(models.Model):
    """A channel that this installation has or had. What it can is in its adapter, what it may is in routing."""

    database_access = grants.APPEND_ONLY

    code = models.CharField(primary_key=True, max_length=32)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "engine_known_channel"
        triggers = guard_append_only()

    def __str__(self) -> str:
        return self.code


class BreakerMove(models.Model):
    """One move of the circuit breaker of a channel and method; the newest says where it stands, none: CLOSED.

    ``good`` and ``bad`` are the requests that moved it; ``until`` is when an OPEN one lets payments through again.
    """

    database_access = grants.APPEND_ONLY

    id = models.BigAutoField(primary_key=True)
    channel_code = models.TextField()
    method = models.TextField()
    state = models.CharField(max_length=16, choices=[(name, name) for name in BreakerState])
    trips = models.PositiveIntegerField()
    until = models.DateTimeField(null=True)
    good = models.PositiveIntegerField()
    bad = models.PositiveIntegerField()
    cause = models.TextField()
    actor = models.TextField()
    at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "engine_breaker_move"
        constraints = [
            models.CheckConstraint(
                condition=Q(until__isnull=False, state="OPEN")
                | Q(until__isnull=True) & ~Q(state="OPEN"),
                name="engine_breaker_until_while_open",
            )
        ]
        indexes = [
            models.Index(fields=["channel_code", "method", "-id"], name="engine_breaker_newest")
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.channel_code} {self.method}: {self.state}"


class ChannelSwitch(models.Model):
    """A channel was disabled or enabled again; the newest row says how it stands, none: enabled."""

    database_access = grants.APPEND_ONLY

    id = models.BigAutoField(primary_key=True)
    channel_code = models.TextField()
    is_disabled = models.BooleanField()
    reason = models.TextField()
    made_by = models.TextField()
    at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "engine_channel_switch"
        indexes = [models.Index(fields=["channel_code", "-id"], name="engine_switch_newest")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.channel_code}: {'disabled' if self.is_disabled else 'enabled'}"


class MaintenanceWindow(models.Model):
    """A time in which nothing new goes to a channel (for one method, or for all: null); what runs goes on.

    ``ended_at`` is set, once, when an operator ends it early.
    """

    database_access = grants.MUTABLE

    id = models.BigAutoField(primary_key=True)
    channel_code = models.TextField()
    method = models.TextField(null=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.TextField()
    made_by = models.TextField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "engine_maintenance_window"
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="engine_maintenance_lasts"
            )
        ]
        indexes = [
            models.Index(
                fields=["ends_at"],
                name="engine_maintenance_open",
                condition=Q(ended_at__isnull=True),
            )
        ]
        triggers = [
            forbid_delete(),
            freeze_columns(
                *("channel_code", "method", "starts_at", "ends_at"),
                *("reason", "made_by", "created_at"),
            ),
            set_once("ended_at"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_code} {localtime(self.starts_at):%Y-%m-%d %H:%M}"
