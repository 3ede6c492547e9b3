"""Balance payments come in sets: one call pays several orders, each for itself."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file

_FOR_ONE_ORDER = """
DROP FUNCTION IF EXISTS checkout_pay_from_balance(text, text, text, text, text, text, text, text, text, bigint, text,
    bigint, text, text, text, text, text, text);
DROP FUNCTION IF EXISTS acquiring_pay_from_balance(text, text, text, text, text, text, text, text, bigint, text, bigint,
    text, text, text, text, text, text);
DROP FUNCTION IF EXISTS engine_pay_from_balance(text, text, text, text, text, bigint, text, bigint, text, text, text,
    text, text, text);
"""


class Migration(migrations.Migration):
    """Load them from checkout/sql; what paid one order at a time goes, on all floors."""

    dependencies: ClassVar = [
        ("checkout", "0006_routing"),
        ("acquiring", "0012_balance_payments"),
    ]

    operations: ClassVar = [
        sql_file(__file__, "../sql/payments.sql"),
        migrations.RunSQL(_FOR_ONE_ORDER, migrations.RunSQL.noop),
    ]
