"""Plans that are made on an empty table stay good while it grows (docs/decisions/0030)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """No column changes."""

    dependencies: ClassVar = [("checkout", "0013_rare_decisions")]

    operations: ClassVar = [
        sql_file(__file__, "../sql/payments.sql"),
    ]
