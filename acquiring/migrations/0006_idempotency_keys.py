"""Idempotency keys of merchants' requests, and their rate limits."""

from __future__ import annotations

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import paymentplatform.kernel.database
from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0005_counters_only_grow")]

    operations = [
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('claim_no', paymentplatform.kernel.database.NumberField(primary_key=True, serialize=False)),
                ('merchant_no', paymentplatform.kernel.database.NumberField()),
                ('scope_digest', models.CharField(max_length=64)),
                ('key', models.CharField(max_length=255)),
                ('route', models.CharField(max_length=255)),
                ('request_digest', models.CharField(max_length=64)),
                ('fence', models.PositiveIntegerField(default=1)),
                ('leased_until', models.DateTimeField()),
                ('answer_status', models.PositiveSmallIntegerField(null=True)),
                ('answer_type', models.CharField(max_length=64, null=True)),
                ('answer', models.TextField(null=True)),
                ('answered_at', models.DateTimeField(null=True)),
                ('request_id', models.CharField(max_length=32)),
                ('created_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow(), editable=False)),
            ],
            options={
                'db_table': 'acquiring_idempotency_key',
            },
        ),
        migrations.AddField(
            model_name='merchant',
            name='rate_limit_per_s',
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddConstraint(
            model_name='merchant',
            constraint=models.CheckConstraint(condition=models.Q(('rate_limit_per_s__gte', 1)), name='acquiring_merchant_rate_limit'),
        ),
        migrations.AddIndex(
            model_name='idempotencykey',
            index=models.Index(fields=['created_at'], name='acquiring_idempotency_key_age'),
        ),
        migrations.AddConstraint(
            model_name='idempotencykey',
            constraint=models.UniqueConstraint(fields=('merchant_no', 'scope_digest'), name='acquiring_idempotency_key_scope'),
        ),
        migrations.AddConstraint(
            model_name='idempotencykey',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('answer__isnull', True), ('answer_status__isnull', True), ('answer_type__isnull', True), ('answered_at__isnull', True)), models.Q(('answer__isnull', False), ('answer_status__isnull', False), ('answer_type__isnull', False), ('answered_at__isnull', False)), _connector='OR'), name='acquiring_idempotency_key_answered_wholly'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='idempotencykey',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.claim_no IS DISTINCT FROM OLD.claim_no OR NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.scope_digest IS DISTINCT FROM OLD.scope_digest OR NEW.request_digest IS DISTINCT FROM OLD.request_digest OR NEW.key IS DISTINCT FROM OLD.key OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='115850ed0e04bed7627e7ee81d10911863a16337', operation='UPDATE OF "claim_no", "merchant_no", "scope_digest", "request_digest", "key", "created_at"', pgid='pgtrigger_frozen_identity_3afff', table='acquiring_idempotency_key', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='idempotencykey',
            trigger=pgtrigger.compiler.Trigger(name='set_once', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (OLD.answer_status IS NOT NULL AND NEW.answer_status IS DISTINCT FROM OLD.answer_status) OR (OLD.answer_type IS NOT NULL AND NEW.answer_type IS DISTINCT FROM OLD.answer_type) OR (OLD.answer IS NOT NULL AND NEW.answer IS DISTINCT FROM OLD.answer) OR (OLD.answered_at IS NOT NULL AND NEW.answered_at IS DISTINCT FROM OLD.answered_at) THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='4ae96766286e0aab2b75b58bdb0f12479060b262', operation='UPDATE OF "answer_status", "answer_type", "answer", "answered_at"', pgid='pgtrigger_set_once_c56e7', table='acquiring_idempotency_key', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='idempotencykey',
            trigger=pgtrigger.compiler.Trigger(name='never_decrease', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.fence < OLD.fence THEN RAISE EXCEPTION 'a counter of % only grows', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='e92a618d7d73cd642ba1c8396a25ce9c3e9d3805', operation='UPDATE OF "fence"', pgid='pgtrigger_never_decrease_bf835', table='acquiring_idempotency_key', when='BEFORE')),
        ),
        sql_file(__file__, "../sql/idempotency.sql"),
    ]
