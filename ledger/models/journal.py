"""Journals 记账凭证 and postings 分录: append-only, balanced by construction."""

from __future__ import annotations

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Cast

from ledger.chart import MAX_POSTING
from ledger.models.account import Account
from ledger.models.xact_id import CurrentXactId, XactIdField
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import guard_append_only


class Journal(models.Model):
    """One business fact. ``digest`` covers its postings: another fact under the same event is noticed."""

    database_access = grants.READ_ONLY

    journal_no = NumberField(primary_key=True)
    event_type = models.TextField()
    event_id = models.TextField()
    accounting_date = models.DateField()
    currency = models.CharField(max_length=3)
    reverses = models.TextField(null=True)
    digest = models.UUIDField()
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "ledger_journal"
        constraints = [
            models.UniqueConstraint(fields=["event_type", "event_id"], name="ledger_journal_event"),
            models.UniqueConstraint(
                fields=["reverses"],
                name="ledger_journal_reversed_once",
                condition=Q(reverses__isnull=False),
            ),
        ]
        indexes = [
            # Almost nothing to keep up: rows come in the order of their days.
            BrinIndex(
                fields=["accounting_date"],
                name="ledger_journal_of_day",
                autosummarize=True,
                pages_per_range=32,
            )
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return str(self.journal_no)


class Posting(models.Model):
    """One movement of a positive amount from the debit to the credit account, both in its currency.

    No foreign keys in the database: their locks would make every payment touch the rows of hot accounts.
    ``ledger_post`` is the only writer and looks the accounts up. ``xact_id`` is what roll-ups go by.
    """

    database_access = grants.READ_ONLY

    pk = models.CompositePrimaryKey("journal_no", "line_no")
    journal_no = models.TextField()
    line_no = models.SmallIntegerField()
    debit_account = models.ForeignKey(
        Account,
        on_delete=models.DO_NOTHING,
        related_name="debits",
        db_constraint=False,
        db_index=False,
    )
    credit_account = models.ForeignKey(
        Account,
        on_delete=models.DO_NOTHING,
        related_name="credits",
        db_constraint=False,
        db_index=False,
    )
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    xact_id = XactIdField(db_default=CurrentXactId())

    class Meta:
        db_table = "ledger_posting"
        constraints = [
            # The upper end keeps the sums of an account far from the end of 64 bits.
            models.CheckConstraint(
                condition=Q(amount__gte=1, amount__lte=MAX_POSTING),
                name="ledger_posting_amount_range",
            ),
            models.CheckConstraint(
                condition=~Q(debit_account=F("credit_account")), name="ledger_posting_two_accounts"
            ),
        ]
        indexes = [
            models.Index(
                fields=["debit_account", "xact_id"],
                include=["amount"],
                name="ledger_posting_debits",
            ),
            models.Index(
                fields=["credit_account", "xact_id"],
                include=["amount"],
                name="ledger_posting_credits",
            ),
            # For the hash chain, which goes by transactions alone. xid8 itself has no such index.
            BrinIndex(
                Cast(Cast("xact_id", models.TextField()), models.BigIntegerField()),
                name="ledger_posting_xact",
                autosummarize=True,
                pages_per_range=32,
            ),
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.journal_no}/{self.line_no}"
