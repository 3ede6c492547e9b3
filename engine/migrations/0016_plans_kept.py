"""Plans that are made on an empty table stay good while it grows (docs/decisions/0030)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import check_references_at_once, sql_file


class Migration(migrations.Migration):
    """No column changes."""

    dependencies: ClassVar = [("engine", "0015_channel_switch")]

    operations: ClassVar = [
        check_references_at_once("engine_payment_detail", "engine_channel_attempt"),
        sql_file(__file__, "../sql/payments.sql"),
    ]
