"""What a waiting page asks of a payment, in one round trip with its order."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Load it from engine/sql."""

    dependencies: ClassVar = [("engine", "0013_sealed_card_tokens")]

    operations: ClassVar = [sql_file(__file__, "../sql/payments.sql")]
