"""What settlement must know of payments and their refunds."""

from __future__ import annotations

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("engine", "0008_balance_payments")]

    operations = [sql_file(__file__, "../sql/settlement.sql")]
