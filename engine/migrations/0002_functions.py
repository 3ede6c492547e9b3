"""The SQL functions of engine."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load them from engine/sql."""

    dependencies: ClassVar = [("engine", "0001_initial"), ("ledger", "0002_functions")]

    operations: ClassVar = [
        sql_file(__file__, "../sql/payments.sql"),
    ]
