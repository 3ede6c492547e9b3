"""Accounting days 会计日 with the balances at their end, and the seals over journals."""

from __future__ import annotations

from django.db import models

from ledger.models.xact_id import XactIdField
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, guard_append_only, set_once


class AccountingDay(models.Model):
    """A day of the books that is being closed, or is: nothing more is dated so by choice once the row is there.

    Whatever is dated so was written by transactions below ``cut_xact``; of a closed one exactly from ``first_xact`` to
    ``last_xact``. ``anchor`` is the hash of a seal that covers it: kept elsewhere too, it proves this day and those
    before.
    """

    database_access = grants.READ_ONLY

    accounting_date = models.DateField(primary_key=True)
    cut_xact = XactIdField(null=True)
    closed_at = models.DateTimeField(null=True)
    first_xact = XactIdField(null=True)
    last_xact = XactIdField(null=True)
    journal_count = models.BigIntegerField(null=True)
    posting_count = models.BigIntegerField(null=True)
    anchor = models.TextField(null=True)

    class Meta:
        db_table = "ledger_day"
        triggers = [
            forbid_delete(),
            freeze_columns("accounting_date"),
            set_once(
                "cut_xact",
                "closed_at",
                "first_xact",
                "last_xact",
                "journal_count",
                "posting_count",
                "anchor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.accounting_date}: {'closed' if self.closed_at else 'open'}"


class DailyBalance(models.Model):
    """What a closed day did to an account that moved on it; ``balance`` at its end, positive on the normal side.

    No foreign key in the database, as for postings: only the close of a day writes here.
    """

    database_access = grants.READ_ONLY

    pk = models.CompositePrimaryKey("account_id", "accounting_date")
    account_id = models.BigIntegerField()
    accounting_date = models.DateField()
    debits = models.BigIntegerField()
    credits = models.BigIntegerField()
    balance = models.BigIntegerField()

    class Meta:
        db_table = "ledger_daily_balance"
        indexes = [models.Index(fields=["accounting_date"], name="ledger_daily_balance_of_day")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.account_id} on {self.accounting_date}: {self.balance}"


class Seal(models.Model):
    """One block of the hash chain: all journals of transactions from ``from_xact`` up to ``to_xact`` (not included).

    ``hash`` is SHA-256 over the hash before and what the journals say.
    """

    database_access = grants.READ_ONLY

    block_no = models.BigIntegerField(primary_key=True)
    from_xact = XactIdField()
    to_xact = XactIdField()
    journal_count = models.BigIntegerField()
    posting_count = models.BigIntegerField()
    hash = models.TextField()
    sealed_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "ledger_seal"
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.block_no}: {self.hash}"
