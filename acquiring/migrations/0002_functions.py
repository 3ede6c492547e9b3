"""The SQL functions of acquiring."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load them from acquiring/sql."""

    dependencies: ClassVar = [("acquiring", "0001_initial"), ("engine", "0002_functions")]

    operations: ClassVar = [
        sql_file(__file__, "../sql/events.sql"),
        sql_file(__file__, "../sql/orders.sql"),
    ]
