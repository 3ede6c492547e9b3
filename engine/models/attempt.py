"""Channel attempts 渠道流水 and raw callbacks."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime
from django_fsm import FSMModelMixin

from engine.models.payment import PaymentDetail
from engine.states import CHANNEL_ATTEMPT
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import (
    forbid_delete,
    freeze_columns,
    guard_append_only,
    guard_machine,
    set_once,
)


class ChannelAttempt(FSMModelMixin, models.Model):
    """One request to one channel, committed as CREATED before the first byte leaves.

    ``attempt_no`` is the request number at the channel. ``submit_claimed_at`` is null only while certainly nobody
    has sent it; ``submit_outcome`` is what the sending itself came to (empty: nobody told). ``next_query_at`` is when
    to ask the channel next (null when terminal); ``lease_token`` fences a worker that woke up too late.
    ``live_detail_no`` is unique: one live attempt per detail. ``last_…`` is what was last heard about it, from whom
    and when (a redacted copy), for people.
    """

    database_access = grants.MUTABLE

    attempt_no = NumberField(primary_key=True)
    detail = models.ForeignKey(PaymentDetail, on_delete=models.PROTECT, related_name="attempts")
    live_detail_no = NumberField(null=True, unique=True)
    payment_no = models.TextField()
    order_no = models.TextField()
    channel_code = models.TextField()
    method = models.TextField(default="", db_default="")
    status = state_field(CHANNEL_ATTEMPT)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    channel_trade_no = models.TextField(null=True)
    failure_code = models.TextField(null=True)
    action = models.JSONField(null=True)
    submit_claimed_at = models.DateTimeField(null=True)
    submit_outcome = models.TextField(default="", db_default="", blank=True)
    next_query_at = models.DateTimeField(null=True)
    query_count = models.PositiveIntegerField(default=0, db_default=0)
    lease_token = models.TextField(null=True)
    leased_until = models.DateTimeField(null=True)
    forwarded_at = models.DateTimeField(null=True)
    last_outcome = models.TextField(default="", db_default="", blank=True)
    last_outcome_cause = models.TextField(default="", db_default="", blank=True)
    last_outcome_at = models.DateTimeField(null=True)
    last_answer = models.TextField(default="", db_default="", blank=True)
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "engine_channel_attempt"
        constraints = [
            models.UniqueConstraint(
                fields=["channel_code", "channel_trade_no"],
                name="engine_attempt_trade_number",
                condition=Q(status="SUCCEEDED"),
            ),
            models.CheckConstraint(
                condition=Q(
                    live_detail_no__isnull=True,
                    next_query_at__isnull=True,
                    status__in=sorted(CHANNEL_ATTEMPT.terminal),
                )
                | Q(live_detail_no__isnull=False, next_query_at__isnull=False)
                & ~Q(status__in=sorted(CHANNEL_ATTEMPT.terminal)),
                name="engine_attempt_live_until_terminal",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_query_at"],
                name="engine_attempt_due",
                condition=Q(next_query_at__isnull=False),
            ),
            models.Index(fields=["payment_no"], name="engine_attempt_of_payment"),
            models.Index(
                fields=["channel_code", "method", "-created_at"], name="engine_attempt_lately"
            ),
            models.Index(
                fields=["channel_code", "currency"],
                name="engine_attempt_unknown",
                condition=Q(status__in=["CREATED", "SENT", "UNKNOWN"]),
            ),
            # When a success was heard: what a day's statement is compared with. A BRIN costs a payment next to nothing.
            BrinIndex(fields=["last_outcome_at"], name="engine_attempt_heard", pages_per_range=32),
        ]
        triggers = [
            *guard_machine(CHANNEL_ATTEMPT),
            set_once("submit_claimed_at", "channel_trade_no"),
        ]

    def __str__(self) -> str:
        return self.attempt_no

    @property
    def is_terminal(self) -> bool:
        """Whether no answer can move it any more."""
        return self.status in CHANNEL_ATTEMPT.terminal

    @move_to(CHANNEL_ATTEMPT, "SENT", field=status)
    def mark_sent(self) -> None:
        """The request has left; no answer yet."""

    @move_to(CHANNEL_ATTEMPT, "PENDING", field=status)
    def mark_pending(self) -> None:
        """The channel waits for the payer."""

    @move_to(CHANNEL_ATTEMPT, "UNKNOWN", field=status)
    def mark_unknown(self) -> None:
        """No usable answer; only an inquiry or a callback can tell."""

    @move_to(CHANNEL_ATTEMPT, "SUCCEEDED", field=status)
    def mark_succeeded(self, *, channel_trade_no: str) -> None:
        """The channel has the payer's money: a verified answer said so."""
        self.channel_trade_no = channel_trade_no
        self._end()

    @move_to(CHANNEL_ATTEMPT, "FAILED", field=status)
    def mark_failed(self, *, failure_code: str) -> None:
        """A definite decline, or certainly never sent."""
        self.failure_code = failure_code
        self._end()

    @move_to(CHANNEL_ATTEMPT, "CLOSED", field=status)
    def mark_closed(self) -> None:
        """The channel accepted the close and will refuse a later pay."""
        self._end()

    def _end(self) -> None:
        self.live_detail_no = self.next_query_at = self.lease_token = self.leased_until = None


class ChannelCall(models.Model):
    """One call of ours to a channel, of an attempt or of a refund, and what it answered: append-only, for people.

    Written with whatever the answer changes, also when that is nothing. A plain success that was the only call has no
    row: its attempt or refund keeps that answer itself. ``answer`` is a redacted beginning of the channel's own words.
    """

    class Operation(models.TextChoices):
        PAY = "pay"
        QUERY = "query"
        CLOSE = "close"
        REFUND = "refund"
        QUERY_REFUND = "query_refund"

    database_access = grants.APPEND_ONLY

    id = models.BigAutoField(primary_key=True)
    attempt_no = models.TextField(null=True)
    refund_no = models.TextField(null=True)
    order_no = models.TextField()
    channel_code = models.TextField()
    operation = models.CharField(max_length=16, choices=Operation.choices)
    answered_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    outcome = models.TextField()
    answer = models.TextField(blank=True)
    cause = models.TextField()
    actor = models.TextField()
    request_id = models.TextField()

    class Meta:
        db_table = "engine_channel_call"
        constraints = [
            models.CheckConstraint(
                condition=Q(attempt_no__isnull=False, refund_no__isnull=True)
                | Q(attempt_no__isnull=True, refund_no__isnull=False),
                name="engine_call_about_one_thing",
            )
        ]
        indexes = [models.Index(fields=["order_no", "id"], name="engine_call_of_order")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.channel_code} {self.operation}: {self.outcome}"


class ChannelCallback(models.Model):
    """A callback exactly as it arrived. What was done about it is filled in once; the raw part never changes."""

    class Result(models.TextChoices):
        RECEIVED = "RECEIVED"
        REFUSED = "REFUSED"
        UNMATCHED = "UNMATCHED"
        QUARANTINED = "QUARANTINED"
        APPLIED = "APPLIED"

    database_access = grants.MUTABLE

    id = models.BigAutoField(primary_key=True)
    channel_code = models.TextField()
    headers = models.JSONField()
    body = models.BinaryField()
    received_at = models.DateTimeField(db_default=PlatformNow())
    result = models.CharField(max_length=16, choices=Result.choices, default=Result.RECEIVED)
    attempt_no = models.TextField(null=True)
    refund_no = models.TextField(null=True)
    note = models.TextField(default="", blank=True)

    class Meta:
        db_table = "engine_channel_callback"
        indexes = [
            models.Index(fields=["attempt_no"], name="engine_callback_of_attempt"),
            models.Index(
                fields=["refund_no"],
                name="engine_callback_of_refund",
                condition=Q(refund_no__isnull=False),
            ),
            # What was not simply applied is rare, and people look for it among millions.
            models.Index(
                fields=["-id"], name="engine_callback_rare", condition=~Q(result="APPLIED")
            ),
        ]
        triggers = [
            forbid_delete(),
            freeze_columns("channel_code", "headers", "body", "received_at"),
        ]

    def __str__(self) -> str:
        return f"{self.channel_code} {self.result} {localtime(self.received_at):%Y-%m-%d %H:%M:%S}"
