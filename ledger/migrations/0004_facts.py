"""What an account was credited with, in the order of transaction ids: for settlement."""

from __future__ import annotations

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_speed")]

    operations = [sql_file(__file__, "../sql/facts.sql")]
