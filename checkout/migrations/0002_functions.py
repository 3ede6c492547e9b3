"""The SQL functions of checkout."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load them from checkout/sql."""

    dependencies: ClassVar = [("checkout", "0001_initial"), ("acquiring", "0002_functions")]

    operations: ClassVar = [
        sql_file(__file__, "../sql/payments.sql"),
    ]
