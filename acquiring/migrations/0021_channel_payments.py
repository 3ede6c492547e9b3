"""Orders whose channels say that they were paid end in one call (docs/decisions/0031)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load it from acquiring/sql; what it calls of the engine's is there first."""

    dependencies: ClassVar = [
        ("acquiring", "0020_references"),
        ("engine", "0020_plain_successes"),
    ]

    operations: ClassVar = [sql_file(__file__, "../sql/channel_payments.sql")]
