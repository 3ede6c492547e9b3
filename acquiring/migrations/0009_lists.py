"""What lists and answers need: bodies that are sent once, and the merchant's order number on a Refund."""

import django.db.models.deletion
import paymentplatform.kernel.database
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0008_webhook_endpoints")]

    operations = [
        migrations.CreateModel(
            name="SealedBody",
            fields=[
                (
                    "event",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="sealed_body",
                        serialize=False,
                        to="acquiring.merchantevent",
                    ),
                ),
                ("sealed", models.TextField(editable=False, null=True)),
                ("wipe_at", models.DateTimeField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=paymentplatform.kernel.database.PlatformNow(), editable=False
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "sealed bodies",
                "db_table": "acquiring_sealed_body",
                "indexes": [
                    models.Index(
                        condition=models.Q(("sealed__isnull", False)),
                        fields=["wipe_at"],
                        name="acquiring_sealed_body_due",
                    )
                ],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="sealedbody",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';",
                    hash="781f645f53f3b97e7a232884d9ad6d68d061856c",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_f3cda",
                    table="acquiring_sealed_body",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="sealedbody",
            trigger=pgtrigger.compiler.Trigger(
                name="frozen_identity",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="IF NEW.event_id IS DISTINCT FROM OLD.event_id OR NEW.wipe_at IS DISTINCT FROM OLD.wipe_at OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;",
                    hash="90d54b0ce6b408f61187d693c53a185bd3b0ac58",
                    operation='UPDATE OF "event_id", "wipe_at", "created_at"',
                    pgid="pgtrigger_frozen_identity_ace09",
                    table="acquiring_sealed_body",
                    when="BEFORE",
                ),
            ),
        ),
        sql_file(__file__, "../sql/refunds.sql"),
    ]
