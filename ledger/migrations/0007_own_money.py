"""What a transaction has put on its way it takes off again without a lock; long tails are rolled up sooner."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load it anew from ledger/sql; no table changes."""

    dependencies: ClassVar = [("ledger", "0006_plans_kept")]

    operations: ClassVar = [sql_file(__file__, "../sql/post.sql")]
