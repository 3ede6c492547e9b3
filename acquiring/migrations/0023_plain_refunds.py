"""Plain refunds are accepted in one call, and ended in one (docs/decisions/0040)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load the functions from acquiring/sql; what they call of the engine's is there first."""

    dependencies: ClassVar = [
        ("acquiring", "0022_payout_returns"),
        ("engine", "0023_plain_refunds"),
    ]

    operations: ClassVar = [
        sql_file(__file__, "../sql/refunds.sql"),
        sql_file(__file__, "../sql/plain_refunds.sql"),
    ]
