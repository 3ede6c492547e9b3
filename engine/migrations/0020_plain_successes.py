"""Plain successes of attempts are taken in one call (docs/decisions/0031)."""

from typing import ClassVar

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file

_TYPE = """
CREATE TYPE engine_plain_success AS (
    place bigint, attempt_no text, stood text, channel_code text, channel_trade_no text, last_answer text,
    detail_no text, payment_no text, order_no text, merchant_no text, amount bigint, currency text, fee_amount bigint,
    journal_no text, cause text, actor text, request_id text
)
"""


class Migration(migrations.Migration):
    """A type for what is on its way between two functions, and the functions; no table changes."""

    dependencies: ClassVar = [("engine", "0019_pulled_back_in_part")]

    operations: ClassVar = [
        migrations.RunSQL(_TYPE, "DROP TYPE engine_plain_success CASCADE"),
        sql_file(__file__, "../sql/outcomes.sql"),
    ]
