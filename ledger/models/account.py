"""Accounts 账户 and their two kinds of balance."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from ledger.chart import CHART, Side
from ledger.contracts import AccountKind
from ledger.models.xact_id import XactIdField
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, guard_append_only

_DEBIT_CLASSES = sorted({rule.kind[0] for rule in CHART.values() if rule.normal_side is Side.DEBIT})


class Account(models.Model):
    """One account, ``<KIND>:<owner>:<CURRENCY>``; opened by the first journal that names it, never changed.

    ``credit_sign`` is 1 when credits make it grow, -1 when debits do.
    """

    database_access = grants.READ_ONLY

    id = models.BigAutoField(primary_key=True)
    code = NumberField(unique=True)
    kind = models.CharField(
        max_length=3, choices=[(kind.value, rule.name) for kind, rule in CHART.items()]
    )
    owner = models.TextField()
    currency = models.CharField(max_length=3)
    credit_sign = models.SmallIntegerField()
    opened_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "ledger_account"
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in AccountKind]),
                name="ledger_account_kind_in_chart",
            ),
            models.CheckConstraint(
                condition=Q(
                    code=Concat(
                        F("kind"),
                        Value(":"),
                        F("owner"),
                        Value(":"),
                        F("currency"),
                        output_field=models.TextField(),
                    )
                ),
                name="ledger_account_code_of_parts",
            ),
            models.CheckConstraint(
                condition=Q(credit_sign=-1, kind__regex=f"^[{''.join(_DEBIT_CLASSES)}]")
                | Q(credit_sign=1) & ~Q(kind__regex=f"^[{''.join(_DEBIT_CLASSES)}]"),
                name="ledger_account_normal_side",
            ),
        ]
        indexes = [models.Index(fields=["owner"], name="ledger_account_of_owner")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return str(self.code)


class PayerBalance(models.Model):
    """The exact balance of a payer: one conditional UPDATE takes from it, and never below what is held."""

    database_access = grants.READ_ONLY

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.PROTECT, related_name="payer_balance"
    )
    balance = models.BigIntegerField()
    held = models.BigIntegerField()

    class Meta:
        db_table = "ledger_payer_balance"
        constraints = [
            models.CheckConstraint(
                condition=Q(held__gte=0, held__lte=F("balance")),
                name="ledger_payer_balance_covers_held",
            )
        ]
        triggers = [forbid_delete(), freeze_columns("account_id")]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.balance} ({self.held} held)"


class RollUp(models.Model):
    """Sum of a hot account's postings below a transaction-id horizon; the tail is summed when asked.

    The row is also the lock of everybody who spends from the account.
    """

    database_access = grants.READ_ONLY

    account = models.OneToOneField(
        Account, primary_key=True, on_delete=models.PROTECT, related_name="roll_up"
    )
    balance = models.BigIntegerField()
    horizon = XactIdField()
    rolled_up_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "ledger_roll_up"
        triggers = [forbid_delete(), freeze_columns("account_id")]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.balance} below {self.horizon}"
