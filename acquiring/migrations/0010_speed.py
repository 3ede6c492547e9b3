"""Orders and deliveries keep their rules by a trigger, whose text is read once and not in every statement."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0009_lists")]

    operations = [
        migrations.RemoveConstraint(
            model_name='tradeorder',
            name='acquiring_order_amount_range',
        ),
        migrations.RemoveConstraint(
            model_name='tradeorder',
            name='acquiring_order_refund_within_paid',
        ),
        migrations.RemoveConstraint(
            model_name='tradeorder',
            name='acquiring_order_due_until_terminal',
        ),
        migrations.AlterField(
            model_name='tradeorder',
            name='failed_tries',
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name='tradeorder',
            name='max_tries',
            field=models.SmallIntegerField(),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='tradeorder',
            trigger=pgtrigger.compiler.Trigger(name='rules', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE broken text;', func="IF ((NEW.amount BETWEEN 1 AND 999999999999) AND (NEW.refunded_amount >= 0 AND NEW.refunding_amount >= 0 AND NEW.refunded_amount <= NEW.amount - NEW.refunding_amount) AND ((NEW.due_at IS NULL) = (NEW.status IN ('CLOSED', 'FAILED', 'SUCCESS'))) AND (NEW.max_tries >= 0 AND NEW.failed_tries >= 0)) IS NOT FALSE THEN RETURN NEW; END IF; broken := CASE WHEN (NEW.amount BETWEEN 1 AND 999999999999) IS FALSE THEN 'acquiring_order_amount_range' WHEN (NEW.refunded_amount >= 0 AND NEW.refunding_amount >= 0 AND NEW.refunded_amount <= NEW.amount - NEW.refunding_amount) IS FALSE THEN 'acquiring_order_refund_within_paid' WHEN ((NEW.due_at IS NULL) = (NEW.status IN ('CLOSED', 'FAILED', 'SUCCESS'))) IS FALSE THEN 'acquiring_order_due_until_terminal' WHEN (NEW.max_tries >= 0 AND NEW.failed_tries >= 0) IS FALSE THEN 'acquiring_order_tries' END; RAISE EXCEPTION 'a row of % breaks the rule %', TG_TABLE_NAME, broken USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = broken;", hash='749cc8cb9aeee8e65ca7351d8e1146ef3056b221', operation='INSERT OR UPDATE', pgid='pgtrigger_rules_2566f', table='acquiring_trade_order', when='BEFORE')),
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='acquiring_delivery_due_until_ended',
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='acquiring_delivery_delivered_at',
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='acquiring_delivery_reason',
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='acquiring_delivery_target',
        ),
        migrations.RemoveConstraint(
            model_name='delivery',
            name='acquiring_delivery_lease',
        ),
        migrations.AlterField(
            model_name='delivery',
            name='last_status_code',
            field=models.SmallIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name='delivery',
            name='tries',
            field=models.SmallIntegerField(db_default=0),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='delivery',
            trigger=pgtrigger.compiler.Trigger(name='rules', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE broken text;', func="IF (((NEW.due_at IS NOT NULL) = (NEW.status = 'DUE')) AND ((NEW.delivered_at IS NOT NULL) = (NEW.status = 'DELIVERED')) AND ((NEW.reason <> '') = (NEW.status IN ('DEAD', 'SKIPPED'))) AND (CASE NEW.target WHEN 'ORDER_NOTIFY' THEN NEW.endpoint_id IS NULL WHEN 'ENDPOINT' THEN NEW.endpoint_id IS NOT NULL AND NEW.url IS NOT NULL ELSE false END) AND ((NEW.lease_token IS NULL) = (NEW.leased_until IS NULL)) AND (NEW.tries >= 0 AND COALESCE(NEW.last_status_code, 0) >= 0)) IS NOT FALSE THEN RETURN NEW; END IF; broken := CASE WHEN ((NEW.due_at IS NOT NULL) = (NEW.status = 'DUE')) IS FALSE THEN 'acquiring_delivery_due_until_ended' WHEN ((NEW.delivered_at IS NOT NULL) = (NEW.status = 'DELIVERED')) IS FALSE THEN 'acquiring_delivery_delivered_at' WHEN ((NEW.reason <> '') = (NEW.status IN ('DEAD', 'SKIPPED'))) IS FALSE THEN 'acquiring_delivery_reason' WHEN (CASE NEW.target WHEN 'ORDER_NOTIFY' THEN NEW.endpoint_id IS NULL WHEN 'ENDPOINT' THEN NEW.endpoint_id IS NOT NULL AND NEW.url IS NOT NULL ELSE false END) IS FALSE THEN 'acquiring_delivery_target' WHEN ((NEW.lease_token IS NULL) = (NEW.leased_until IS NULL)) IS FALSE THEN 'acquiring_delivery_lease' WHEN (NEW.tries >= 0 AND COALESCE(NEW.last_status_code, 0) >= 0) IS FALSE THEN 'acquiring_delivery_counts' END; RAISE EXCEPTION 'a row of % breaks the rule %', TG_TABLE_NAME, broken USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = broken;", hash='2ef91192ccf385840a6f8fd74fd63d3478e8ddfd', operation='INSERT OR UPDATE', pgid='pgtrigger_rules_ff4a6', table='acquiring_delivery', when='BEFORE')),
        ),
        migrations.RunSQL(
            # Room on the page for the moves that every row makes: they then leave the indexes alone.
            "ALTER TABLE acquiring_trade_order SET (fillfactor = 70)",
            migrations.RunSQL.noop,
        ),
        sql_file(__file__, "../sql/orders.sql"),
    ]
