from django.db import migrations, models

# What two people have charged or written off before chargebacks of operators' files were kept limits refunds too.
_KEEP_EARLIER = """
INSERT INTO engine_chargeback (chargeback_no, channel_code, channel_trade_no, attempt_no, payment_no, order_no,
                               merchant_no, amount, currency, statement_no, discrepancy_no, created_at)
SELECT 'cbk' || substr(d.discrepancy_no, 4), d.channel_code, d.match_key, a.attempt_no, a.payment_no, a.order_no,
       d.merchant_no, abs(d.difference), d.currency, d.statement_no, d.discrepancy_no, d.resolved_at
  FROM engine_discrepancy AS d
  JOIN engine_channel_attempt AS a ON a.attempt_no = d.object_no
 WHERE d.line_kind = 'CHARGEBACK' AND d.kind = 'CHANNEL_ONLY' AND d.resolution IN ('CHARGED', 'WRITTEN_OFF')
   AND d.merchant_no IS NOT NULL
    ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):

    dependencies = [
        ('engine', '0011_breakers'),
    ]

    operations = [
        migrations.AddField(
            model_name='chargeback',
            name='discrepancy_no',
            field=models.TextField(null=True),
        ),
        migrations.RunSQL(_KEEP_EARLIER, reverse_sql=migrations.RunSQL.noop),
    ]
