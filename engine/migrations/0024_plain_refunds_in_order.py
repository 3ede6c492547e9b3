"""Sets of refunds in several currencies lock accounts in one order (docs/decisions/0040)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load the functions anew from engine/sql; no table changes."""

    dependencies: ClassVar = [("engine", "0023_plain_refunds")]

    operations: ClassVar = [sql_file(__file__, "../sql/plain_refunds.sql")]
