"""Plain refunds are accepted in one call, and ended in one (docs/decisions/0040)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file

_TYPE = """
CREATE TYPE engine_plain_refund AS (
    place bigint, refund_no text, merchant_refund_no text, order_no text, payment_no text, detail_no text,
    merchant_no text, payer_no text, amount bigint, currency text, reason text, channel_code text, attempt_no text,
    channel_trade_no text, source text, returned_fee bigint, first_try_s integer, accepted_no text, done_no text,
    cause text, actor text, request_id text
)
"""


class Migration(migrations.Migration):
    """A type for what is on its way between functions, and the functions; no table changes."""

    dependencies: ClassVar = [
        ("engine", "0022_same_counting_file"),
        ("ledger", "0007_own_money"),
    ]

    operations: ClassVar = [
        migrations.RunSQL(_TYPE, "DROP TYPE engine_plain_refund CASCADE"),
        sql_file(__file__, "../sql/plain_refunds.sql"),
    ]
