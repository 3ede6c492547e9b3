"""What accepting a payment reads has the fee's terms beside its rate."""

from __future__ import annotations

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("checkout", "0007_balance_payments"), ("acquiring", "0013_settlement")]

    operations = [sql_file(__file__, "../sql/payments.sql")]
