"""Webhook endpoints of merchants, and deliveries to them."""

import django.db.models.deletion
import django.db.models.functions.comparison
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import paymentplatform.kernel.database
from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0007_signed_requests")]

    operations = [
        migrations.CreateModel(
            name='WebhookEndpoint',
            fields=[
                ('endpoint_id', paymentplatform.kernel.database.NumberField(primary_key=True, serialize=False)),
                ('url', models.TextField()),
                ('events', models.JSONField(default=list)),
                ('enabled', models.BooleanField(db_default=True, default=True)),
                ('disabled_reason', models.CharField(choices=[('gone', 'Gone'), ('exhausted', 'Exhausted'), ('merchant', 'Merchant'), ('operator', 'Operator')], max_length=16, null=True)),
                ('disabled_at', models.DateTimeField(null=True)),
                ('secrets', models.TextField(editable=False)),
                ('emptying', models.BooleanField(db_default=False, default=False)),
                ('created_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow(), editable=False)),
                ('changed_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow(), editable=False)),
                ('deleted_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'acquiring_webhook_endpoint',
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='delivery',
            name='frozen_identity',
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(django.db.models.functions.comparison.Coalesce('endpoint_id', 'merchant_no'), models.F('due_at'), condition=models.Q(('due_at__isnull', False)), name='acquiring_delivery_queue'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('endpoint_id__isnull', False)), fields=['endpoint_id', 'delivered_at'], name='acquiring_delivery_of_endpoint'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='delivery',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.delivery_no IS DISTINCT FROM OLD.delivery_no OR NEW.event_id IS DISTINCT FROM OLD.event_id OR NEW.target IS DISTINCT FROM OLD.target OR NEW.endpoint_id IS DISTINCT FROM OLD.endpoint_id OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='cfad13fcf084a45ab467060a5308303e42ddabf3', operation='UPDATE OF "delivery_no", "event_id", "target", "endpoint_id", "created_at"', pgid='pgtrigger_frozen_identity_3c7fd', table='acquiring_delivery', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='delivery',
            trigger=pgtrigger.compiler.Trigger(name='address_stands', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.url IS DISTINCT FROM OLD.url AND (OLD.endpoint_id IS NULL OR OLD.status <> 'DUE') THEN RAISE EXCEPTION 'the address of delivery % stands', OLD.delivery_no USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='8f15aa8c3f2b9a3a4fc76a243e7ca4e7579a59ef', operation='UPDATE OF "url"', pgid='pgtrigger_address_stands_0b1e8', table='acquiring_delivery', when='BEFORE')),
        ),
        migrations.AddField(
            model_name='webhookendpoint',
            name='merchant',
            field=models.ForeignKey(db_column='merchant_no', db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='webhook_endpoints', to='acquiring.merchant'),
        ),
        migrations.AddIndex(
            model_name='webhookendpoint',
            index=models.Index(fields=['merchant', '-endpoint_id'], name='acquiring_endpoint_newest'),
        ),
        migrations.AddIndex(
            model_name='webhookendpoint',
            index=models.Index(condition=models.Q(('enabled', True)), fields=['merchant'], name='acquiring_endpoint_enabled'),
        ),
        migrations.AddIndex(
            model_name='webhookendpoint',
            index=models.Index(condition=models.Q(('emptying', True)), fields=['endpoint_id'], name='acquiring_endpoint_emptying'),
        ),
        migrations.AddConstraint(
            model_name='webhookendpoint',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('disabled_at__isnull', True), ('disabled_reason__isnull', True), ('enabled', True)), models.Q(('disabled_at__isnull', False), ('disabled_reason__isnull', False), ('enabled', False)), _connector='OR'), name='acquiring_endpoint_disabled_why'),
        ),
        migrations.AddConstraint(
            model_name='webhookendpoint',
            constraint=models.CheckConstraint(condition=models.Q(('deleted_at__isnull', True), ('enabled', False), _connector='OR'), name='acquiring_endpoint_deleted_is_off'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='webhookendpoint',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='72c52e1aed2b7c51ffd86b74a3996135c29c0e24', operation='DELETE', pgid='pgtrigger_no_delete_aaf35', table='acquiring_webhook_endpoint', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='webhookendpoint',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.endpoint_id IS DISTINCT FROM OLD.endpoint_id OR NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='7c77b6f75836b440a98ba0f2a3b35d822c58ee15', operation='UPDATE OF "endpoint_id", "merchant_no", "created_at"', pgid='pgtrigger_frozen_identity_51ee6', table='acquiring_webhook_endpoint', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='webhookendpoint',
            trigger=pgtrigger.compiler.Trigger(name='set_once', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS DISTINCT FROM OLD.deleted_at) THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='2fd586d057dfdb753aadd5af36e928b89da1c276', operation='UPDATE OF "deleted_at"', pgid='pgtrigger_set_once_6f665', table='acquiring_webhook_endpoint', when='BEFORE')),
        ),
        migrations.RunSQL(
            "DROP FUNCTION IF EXISTS acquiring_claim_deliveries("
            "integer, integer, integer, integer, text[], boolean, uuid)",
            migrations.RunSQL.noop,
        ),
        sql_file(__file__, "../sql/endpoints.sql"),
        sql_file(__file__, "../sql/events.sql"),
    ]
