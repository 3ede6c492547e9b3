"""A day of an agreement's limit never begins a second time, whoever began before midnight."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """No column changes."""

    dependencies: ClassVar = [("checkout", "0014_plans_kept")]

    operations: ClassVar = [
        sql_file(__file__, "../sql/payments.sql"),
        sql_file(__file__, "../sql/spending.sql"),
    ]
