"""Plans that are made on an empty table stay good while it grows (docs/decisions/0030)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import check_references_at_once


class Migration(migrations.Migration):
    """No column changes."""

    dependencies: ClassVar = [("ledger", "0005_days_and_seals")]

    operations: ClassVar = [
        check_references_at_once("ledger_posting", "ledger_payer_balance"),
    ]
