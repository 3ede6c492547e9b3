"""Expired orders are closed, noted and told of set by set."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load the functions again from acquiring/sql."""

    dependencies: ClassVar = [("acquiring", "0014_cashier_look")]

    operations: ClassVar = [sql_file(__file__, "../sql/orders.sql")]
