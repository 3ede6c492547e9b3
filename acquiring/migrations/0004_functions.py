"""The SQL functions of acquiring that are new or have changed since the first landing."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load their newest form from acquiring/sql."""

    dependencies: ClassVar = [("acquiring", "0003_refund_limits"), ("engine", "0004_functions")]

    operations: ClassVar = [
        migrations.RunSQL(
            "DROP FUNCTION IF EXISTS acquiring_payable_order(text, text, text)",
            migrations.RunSQL.noop,
        ),
        sql_file(__file__, "../sql/orders.sql"),
        sql_file(__file__, "../sql/refunds.sql"),
        sql_file(__file__, "../sql/events.sql"),
    ]
