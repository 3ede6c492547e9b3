"""Balance payments come in sets: one call pays several orders, each for itself."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load them from acquiring/sql; the call for one order goes with checkout's."""

    dependencies: ClassVar = [
        ("acquiring", "0011_event_lists"),
        ("engine", "0008_balance_payments"),
    ]

    operations: ClassVar = [
        sql_file(__file__, "../sql/events.sql"),
        sql_file(__file__, "../sql/orders.sql"),
        sql_file(__file__, "../sql/balance_payments.sql"),
    ]
