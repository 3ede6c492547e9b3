"""Balance payments come in sets: one call pays several orders, each for itself."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load them from engine/sql."""

    dependencies: ClassVar = [("engine", "0007_speed"), ("ledger", "0003_speed")]

    operations: ClassVar = [sql_file(__file__, "../sql/payments.sql")]
