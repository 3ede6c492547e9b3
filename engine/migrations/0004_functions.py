"""The SQL functions of engine that have changed since the first landing."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load their newest form from engine/sql."""

    dependencies: ClassVar = [("engine", "0003_refunds")]

    operations: ClassVar = [
        sql_file(__file__, "../sql/payments.sql"),
        sql_file(__file__, "../sql/refunds.sql"),
    ]
