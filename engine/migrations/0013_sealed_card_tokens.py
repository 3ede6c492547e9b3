"""Card tokens of channels that stand in clear: forgotten where the payment has ended, encrypted where it lives."""

from django.db import migrations

from paymentplatform.kernel import numbers
from paymentplatform.kernel.encryption import encrypt_text

_PAGE = 5000

_READ = """
SELECT payment_no, live_order_no IS NOT NULL, context #>> '{options,card_token}'
FROM engine_payment_order WHERE payment_no > %s ORDER BY payment_no LIMIT %s
"""
_FORGET = """
UPDATE engine_payment_order SET context = context #- '{options,card_token}'
WHERE payment_no = ANY(%s)
"""
_SEAL = """
UPDATE engine_payment_order
SET context = jsonb_set(context #- '{options,card_token}', '{options,sealed_card_token}', to_jsonb(%s::text))
WHERE payment_no = %s
"""


def seal_card_tokens(_apps, schema_editor):
    """Go through all payments once, page by page, each page in transactions of its own; may be run again."""
    with schema_editor.connection.cursor() as cursor:
        after = ""
        while True:
            cursor.execute(_READ, [after, _PAGE])
            page = cursor.fetchall()
            if not page:
                return
            after = page[-1][0]
            clear = [
                (payment_no, is_live, token)
                for payment_no, is_live, token in page
                if token is not None and not numbers.is_number(token, numbers.CARD)
            ]
            ended = [payment_no for payment_no, is_live, _token in clear if not is_live]
            if ended:
                cursor.execute(_FORGET, [ended])
            for payment_no, is_live, token in clear:
                if is_live:
                    cursor.execute(_SEAL, [encrypt_text(token), payment_no])


class Migration(migrations.Migration):

    atomic = False
    dependencies = [
        ('engine', '0012_resolved_chargebacks'),
    ]

    operations = [
        migrations.RunPython(seal_card_tokens, migrations.RunPython.noop),
    ]
