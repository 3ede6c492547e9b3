"""Payments keep their rules by a trigger, whose text is read once and not in every statement."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("engine", "0006_counters_only_grow")]

    operations = [
        migrations.RemoveConstraint(
            model_name='paymentorder',
            name='engine_payment_positive',
        ),
        migrations.RemoveConstraint(
            model_name='paymentorder',
            name='engine_payment_fee_within_amount',
        ),
        migrations.RemoveConstraint(
            model_name='paymentorder',
            name='engine_payment_live_until_terminal',
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='paymentorder',
            trigger=pgtrigger.compiler.Trigger(name='rules', sql=pgtrigger.compiler.UpsertTriggerSql(declare='DECLARE broken text;', func="IF ((NEW.amount >= 1) AND (NEW.fee_amount BETWEEN 0 AND NEW.amount) AND (CASE WHEN NEW.status IN ('FAILED', 'PAID') THEN NEW.live_order_no IS NULL ELSE NEW.live_order_no IS NOT DISTINCT FROM NEW.order_no END)) IS NOT FALSE THEN RETURN NEW; END IF; broken := CASE WHEN (NEW.amount >= 1) IS FALSE THEN 'engine_payment_positive' WHEN (NEW.fee_amount BETWEEN 0 AND NEW.amount) IS FALSE THEN 'engine_payment_fee_within_amount' WHEN (CASE WHEN NEW.status IN ('FAILED', 'PAID') THEN NEW.live_order_no IS NULL ELSE NEW.live_order_no IS NOT DISTINCT FROM NEW.order_no END) IS FALSE THEN 'engine_payment_live_until_terminal' END; RAISE EXCEPTION 'a row of % breaks the rule %', TG_TABLE_NAME, broken USING ERRCODE = 'check_violation', TABLE = TG_TABLE_NAME, CONSTRAINT = broken;", hash='d54987fb21865b0cbf221e0ad87d7b38c91c039f', operation='INSERT OR UPDATE', pgid='pgtrigger_rules_9e777', table='engine_payment_order', when='BEFORE')),
        ),
        migrations.RunSQL(
            # Room on the page for the moves that every row makes: they then leave the indexes alone.
            "ALTER TABLE engine_payment_order SET (fillfactor = 70)",
            migrations.RunSQL.noop,
        ),
        sql_file(__file__, "../sql/payments.sql"),
    ]
