"""The doors of the ledger: its SQL functions, and room for balance rows to be updated in place."""

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        sql_file(__file__, "../sql/account.sql"),
        sql_file(__file__, "../sql/roll_up.sql"),
        sql_file(__file__, "../sql/hold.sql"),
        sql_file(__file__, "../sql/post.sql"),
        # Half-empty pages keep each update of a balance on its page, without touching the index.
        migrations.RunSQL(
            "ALTER TABLE ledger_payer_balance SET (fillfactor = 50);"
            "ALTER TABLE ledger_roll_up SET (fillfactor = 50);",
            migrations.RunSQL.noop,
        ),
    ]
