"""Statement files 对账单 of institutions, as they were read: one row for each version of a day, one for each line."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import (
    forbid_delete,
    freeze_columns,
    guard_append_only,
    never_decrease,
    set_once,
)


class Statement(models.Model):
    """One version of an institution's file of one day, read fully or not at all.

    It is the same file when channel, account, day and ``sha256`` are; what the institution itself gives again, although
    it had corrected it, is a version anew. ``version`` counts the files of a day; the newest has no ``superseded_at``
    and is the one that counts. ``source`` says who brought it: FETCHED by the adapter,
    so the institution's own verified word, or FILE, given by an operator. ``totals`` are of its lines (by currency and
    kind: count, amount, fee in minor units). ``covers_from`` and ``covers_to`` bound the business day. ``summary`` is
    what the latest reconciliation found; ``voiced_at`` when its lines had been told to the funnel.
    """

    class Source(models.TextChoices):
        FETCHED = "FETCHED"
        FILE = "FILE"

    database_access = grants.MUTABLE

    statement_no = NumberField(primary_key=True)
    channel_code = models.TextField()
    account = models.TextField()
    statement_date = models.DateField()
    covers_from = models.DateTimeField()
    covers_to = models.DateTimeField()
    sha256 = models.CharField(max_length=64)
    version = models.PositiveIntegerField()
    layout = models.TextField()
    source = models.CharField(max_length=8, choices=Source.choices)
    line_count = models.PositiveIntegerField()
    totals = models.JSONField()
    imported_at = models.DateTimeField(db_default=PlatformNow())
    superseded_at = models.DateTimeField(null=True)
    reconciled_at = models.DateTimeField(null=True)
    run_count = models.PositiveIntegerField(default=0, db_default=0)
    summary = models.JSONField(null=True)
    voiced_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "engine_statement"
        constraints = [
            models.UniqueConstraint(
                fields=["channel_code", "account", "statement_date", "sha256"],
                name="engine_statement_same_counting_file",
                condition=Q(superseded_at__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["channel_code", "account", "statement_date", "version"],
                name="engine_statement_version",
            ),
            models.UniqueConstraint(
                fields=["channel_code", "account", "statement_date"],
                name="engine_statement_one_counts",
                condition=Q(superseded_at__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["-statement_date"], name="engine_statement_newest")]
        triggers = [
            forbid_delete(),
            freeze_columns(
                "statement_no",
                "channel_code",
                "account",
                "statement_date",
                "covers_from",
                "covers_to",
                "sha256",
                "version",
                "layout",
                "line_count",
                "totals",
                "imported_at",
            ),
            set_once("superseded_at"),
            never_decrease("run_count"),
        ]

    def __str__(self) -> str:
        return self.statement_no


class StatementLine(models.Model):
    """One line of a statement, never changed. ``match_key`` is what both sides know the fact by.

    No foreign key: a million lines are written in the transaction that writes their statement.
    """

    database_access = grants.APPEND_ONLY

    id = models.BigAutoField(primary_key=True)
    statement_no = NumberField()
    line_no = models.PositiveIntegerField()
    kind = models.TextField()
    match_key = NumberField()
    channel_trade_no = models.TextField()
    request_no = models.TextField()
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    fee = models.BigIntegerField()
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "engine_statement_line"
        indexes = [
            models.Index(fields=["statement_no", "line_no"], name="engine_line_of_statement"),
            models.Index(fields=["match_key"], name="engine_line_key"),
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.statement_no}/{self.line_no}"


class CutoffEntry(models.Model):
    """Money of ours that a channel's file of that day did not show: it may be in one of the next days'.

    The pool of the cut-off 跨日待对: once ``found_at`` (a later file has it) or ``overdue_at`` (it has become a
    difference) is set, it waits no more; what is found after it was overdue has both. Found in a version of a file that
    no longer counts is not found. What a corrected file has lost waits here, too, and is a difference at once: a
    chargeback of ours, or what two people have borne of a line that names nothing of ours (its own number, amount 0).
    """

    database_access = grants.MUTABLE

    object_no = NumberField(primary_key=True)
    channel_code = models.TextField()
    kind = models.TextField()
    match_key = NumberField()
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    business_date = models.DateField()
    created_at = models.DateTimeField(db_default=PlatformNow())
    overdue_at = models.DateTimeField(null=True)
    found_at = models.DateTimeField(null=True)
    found_statement_no = models.TextField(null=True)

    class Meta:
        db_table = "engine_cutoff_entry"
        verbose_name_plural = "cutoff entries"
        indexes = [
            models.Index(
                fields=["channel_code", "business_date"],
                name="engine_cutoff_waiting",
                condition=Q(found_at__isnull=True, overdue_at__isnull=True),
            ),
            models.Index(fields=["match_key"], name="engine_cutoff_key"),
        ]
        triggers = [
            forbid_delete(),
            freeze_columns(
                "object_no",
                "channel_code",
                "kind",
                "match_key",
                "amount",
                "currency",
                "business_date",
                "created_at",
            ),
            set_once("overdue_at"),
        ]

    def __str__(self) -> str:
        return self.object_no


class Chargeback(models.Model):
    """A payment that its channel pulled back: its payer has the money, the order stays as it is.

    The merchant bears it when the channel's own file said so, as far as his charge has not gone back already:
    ``booked_amount`` of it, all when that is NULL; the rest is a difference of its own (AMOUNT_OVER). When two people
    resolved the difference of an operator's file, ``discrepancy_no`` is that difference, and its resolution says who
    bears it.
    """

    database_access = grants.APPEND_ONLY

    chargeback_no = NumberField(primary_key=True)
    channel_code = models.TextField()
    channel_trade_no = models.TextField()
    attempt_no = models.TextField()
    payment_no = models.TextField()
    order_no = models.TextField()
    merchant_no = models.TextField()
    amount = models.BigIntegerField()
    booked_amount = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3)
    statement_no = models.TextField()
    discrepancy_no = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "engine_chargeback"
        constraints = [
            models.UniqueConstraint(
                fields=["channel_code", "channel_trade_no"], name="engine_chargeback_trade_number"
            ),
            models.CheckConstraint(condition=Q(amount__gte=1), name="engine_chargeback_positive"),
            models.CheckConstraint(
                condition=Q(booked_amount__isnull=True)
                | Q(booked_amount__gte=0, booked_amount__lt=models.F("amount")),
                name="engine_chargeback_booked",
            ),
        ]
        indexes = [models.Index(fields=["order_no"], name="engine_chargeback_of_order")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return self.chargeback_no

    @property
    def booked(self) -> int:
        """What is booked under it, in minor units."""
        return self.amount if self.booked_amount is None else self.booked_amount


class ChannelSettlement(models.Model):
    """Money of a channel that has arrived in our bank account: ``gross`` less what it kept, ``cost``.

    ``reference`` is the bank's or the channel's own, once per channel.
    """

    database_access = grants.APPEND_ONLY

    settlement_no = NumberField(primary_key=True)
    channel_code = models.TextField()
    reference = models.TextField()
    currency = models.CharField(max_length=3)
    gross = models.BigIntegerField()
    cost = models.BigIntegerField()
    decided_by = models.TextField()
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "engine_channel_settlement"
        constraints = [
            models.UniqueConstraint(
                fields=["channel_code", "reference"], name="engine_channel_settled_once"
            ),
            models.CheckConstraint(
                condition=Q(gross__gte=1, cost__gte=0, cost__lte=models.F("gross")),
                name="engine_channel_settlement_amounts",
            ),
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return self.settlement_no
