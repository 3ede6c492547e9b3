"""Settlement: items, batches, payouts, holds and business days; contracts with terms and their n of T+n."""

import django_fsm
import paymentplatform.kernel.database
import paymentplatform.kernel.fsm
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):

    dependencies = [
        ('acquiring', '0012_balance_payments'),
    ]

    operations = [
        migrations.CreateModel(
            name='BusinessDay',
            fields=[
                ('day', models.DateField(primary_key=True, serialize=False)),
                ('is_open', models.BooleanField()),
                ('name', models.CharField(blank=True, db_default='', default='', max_length=64)),
            ],
            options={
                'db_table': 'acquiring_business_day',
            },
        ),
        migrations.CreateModel(
            name='Payout',
            fields=[
                ('payout_no', paymentplatform.kernel.database.NumberField(primary_key=True, serialize=False)),
                ('merchant_no', models.TextField()),
                ('currency', models.CharField(max_length=3)),
                ('amount', models.BigIntegerField()),
                ('status', paymentplatform.kernel.fsm.StateField(choices=[('CREATED', 'CREATED'), ('PROPOSED', 'PROPOSED'), ('CANCELLED', 'CANCELLED'), ('SENT', 'SENT'), ('PAID', 'PAID'), ('FAILED', 'FAILED')], db_default='CREATED', default='CREATED', max_length=16, protected=True)),
                ('bank_reference', models.TextField(null=True)),
                ('failure_code', models.TextField(null=True)),
                ('created_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow())),
                ('sent_at', models.DateTimeField(null=True)),
                ('ended_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'acquiring_payout',
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='SettlementAccount',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('merchant_no', models.TextField()),
                ('currency', models.CharField(max_length=3)),
                ('collected_xact', models.BigIntegerField(db_default=0, default=0)),
            ],
            options={
                'db_table': 'acquiring_settlement_account',
            },
        ),
        migrations.CreateModel(
            name='SettlementBatch',
            fields=[
                ('batch_no', paymentplatform.kernel.database.NumberField(primary_key=True, serialize=False)),
                ('merchant_no', models.TextField()),
                ('currency', models.CharField(max_length=3)),
                ('settlement_date', models.DateField()),
                ('status', paymentplatform.kernel.fsm.StateField(choices=[('OPEN', 'OPEN'), ('CLOSED', 'CLOSED')], db_default='OPEN', default='OPEN', max_length=16, protected=True)),
                ('part_count', models.PositiveIntegerField(db_default=0, default=0)),
                ('item_count', models.PositiveIntegerField(db_default=0, default=0)),
                ('gross_amount', models.BigIntegerField(db_default=0, default=0)),
                ('fee_amount', models.BigIntegerField(db_default=0, default=0)),
                ('refunded_amount', models.BigIntegerField(db_default=0, default=0)),
                ('returned_fee_amount', models.BigIntegerField(db_default=0, default=0)),
                ('net_amount', models.BigIntegerField(db_default=0, default=0)),
                ('created_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow())),
                ('closed_at', models.DateTimeField(null=True)),
            ],
            options={
                'verbose_name_plural': 'settlement batches',
                'db_table': 'acquiring_settlement_batch',
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='SettlementHold',
            fields=[
                ('hold_no', paymentplatform.kernel.database.NumberField(primary_key=True, serialize=False)),
                ('merchant_no', models.TextField()),
                ('order_no', models.TextField(null=True)),
                ('status', paymentplatform.kernel.fsm.StateField(choices=[('ACTIVE', 'ACTIVE'), ('LIFTED', 'LIFTED')], db_default='ACTIVE', default='ACTIVE', max_length=16, protected=True)),
                ('reason', models.TextField()),
                ('placed_by', models.TextField()),
                ('lifted_by', models.TextField(null=True)),
                ('lifted_reason', models.TextField(null=True)),
                ('created_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow())),
                ('lifted_at', models.DateTimeField(null=True)),
            ],
            options={
                'db_table': 'acquiring_settlement_hold',
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='SettlementItem',
            fields=[
                ('journal_no', paymentplatform.kernel.database.NumberField(primary_key=True, serialize=False)),
                ('merchant_no', models.TextField()),
                ('currency', models.CharField(max_length=3)),
                ('kind', models.CharField(choices=[('PAYMENT', 'Payment'), ('LATE_MONEY', 'Late Money'), ('REFUND_FAILED', 'Refund Failed'), ('OTHER', 'Other')], max_length=16)),
                ('event_id', models.TextField()),
                ('order_no', models.TextField(null=True)),
                ('payment_no', models.TextField(null=True)),
                ('amount', models.BigIntegerField()),
                ('fee_amount', models.BigIntegerField()),
                ('accounting_date', models.DateField()),
                ('batch_no', models.TextField(null=True)),
                ('refunded_amount', models.BigIntegerField(null=True)),
                ('returned_fee_amount', models.BigIntegerField(null=True)),
                ('released_amount', models.BigIntegerField(null=True)),
                ('released_at', models.DateTimeField(null=True)),
                ('created_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow())),
            ],
            options={
                'db_table': 'acquiring_settlement_item',
            },
        ),
        migrations.AddField(
            model_name='feecontract',
            name='settlement_days',
            field=models.PositiveSmallIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name='feecontract',
            name='terms',
            field=models.JSONField(null=True),
        ),
        migrations.AddConstraint(
            model_name='feecontract',
            constraint=models.CheckConstraint(condition=models.Q(('settlement_days__lte', 365)), name='acquiring_settlement_days'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='businessday',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='db773a4c60c79511c13dafdef1f5af23a6f86de0', operation='DELETE', pgid='pgtrigger_no_delete_4e788', table='acquiring_business_day', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='businessday',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.day IS DISTINCT FROM OLD.day THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='fe4ed9e1144849c7a5faeb5ff7eb8fd46d7ffa0e', operation='UPDATE OF "day"', pgid='pgtrigger_frozen_identity_79562', table='acquiring_business_day', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='payout',
            index=models.Index(fields=['merchant_no', '-payout_no'], name='acquiring_payout_of_merchant'),
        ),
        migrations.AddIndex(
            model_name='payout',
            index=models.Index(condition=models.Q(('ended_at__isnull', True), ('sent_at__isnull', False)), fields=['sent_at'], name='acquiring_payout_in_flight'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(('amount__gte', 1)), name='acquiring_payout_positive'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at__isnull', True), ('sent_at__isnull', True)), fields=('merchant_no', 'currency'), name='acquiring_one_waiting_payout'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.UniqueConstraint(condition=models.Q(('bank_reference__isnull', False)), fields=('bank_reference',), name='acquiring_payout_bank_reference'),
        ),
        migrations.AddConstraint(
            model_name='payout',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(models.Q(('status__in', ['CREATED', 'PROPOSED'])), ('ended_at__isnull', True), ('sent_at__isnull', True)), models.Q(('ended_at__isnull', True), ('sent_at__isnull', False), ('status', 'SENT')), models.Q(('bank_reference__isnull', False), ('ended_at__isnull', False), ('status', 'PAID')), models.Q(('ended_at__isnull', False), ('failure_code__isnull', False), ('status', 'FAILED')), models.Q(('ended_at__isnull', False), ('sent_at__isnull', True), ('status', 'CANCELLED')), _connector='OR'), name='acquiring_payout_times_of_state'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='payout',
            trigger=pgtrigger.compiler.Trigger(name='first_state', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.status <> 'CREATED')", func="RAISE EXCEPTION 'payout must be inserted as CREATED' USING ERRCODE = 'PC900';", hash='c42c2db0cae4bf5c8d671561fa9cafa976c1e1c3', operation='INSERT', pgid='pgtrigger_first_state_0e358', table='acquiring_payout', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='payout',
            trigger=pgtrigger.compiler.Trigger(name='legal_move', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.status = OLD.status OR (OLD.status = 'CREATED' AND NEW.status = 'PROPOSED') OR (OLD.status = 'PROPOSED' AND NEW.status = 'CREATED') OR (OLD.status = 'CREATED' AND NEW.status = 'CANCELLED') OR (OLD.status = 'PROPOSED' AND NEW.status = 'SENT') OR (OLD.status = 'SENT' AND NEW.status = 'PAID') OR (OLD.status = 'SENT' AND NEW.status = 'FAILED') THEN RETURN NEW; END IF; RAISE EXCEPTION 'illegal move of payout: % -> %', OLD.status, NEW.status USING ERRCODE = 'PC900';", hash='af0314516b4fd2c0e926339d3c3265cf18143927', operation='UPDATE OF "status"', pgid='pgtrigger_legal_move_73696', table='acquiring_payout', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='payout',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='148d168555cc0f9c9e1776990692aa2df0ae33e5', operation='DELETE', pgid='pgtrigger_no_delete_0ccf3', table='acquiring_payout', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='payout',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.payout_no IS DISTINCT FROM OLD.payout_no OR NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.currency IS DISTINCT FROM OLD.currency OR NEW.amount IS DISTINCT FROM OLD.amount OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='838f13ca23d4028d397e7812b3a2e93385a2f779', operation='UPDATE OF "payout_no", "merchant_no", "currency", "amount", "created_at"', pgid='pgtrigger_frozen_identity_d3169', table='acquiring_payout', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='payout',
            trigger=pgtrigger.compiler.Trigger(name='set_once', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (OLD.bank_reference IS NOT NULL AND NEW.bank_reference IS DISTINCT FROM OLD.bank_reference) OR (OLD.failure_code IS NOT NULL AND NEW.failure_code IS DISTINCT FROM OLD.failure_code) OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at) OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='b42ac145d897dc51c989e27c1291c6637ed382ba', operation='UPDATE OF "bank_reference", "failure_code", "sent_at", "ended_at"', pgid='pgtrigger_set_once_1b191', table='acquiring_payout', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='settlementaccount',
            constraint=models.UniqueConstraint(fields=('merchant_no', 'currency'), name='acquiring_settlement_account_owner'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementaccount',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='273e88eafb1317473a471ba3e7131ed83240edf7', operation='DELETE', pgid='pgtrigger_no_delete_bb100', table='acquiring_settlement_account', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementaccount',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.currency IS DISTINCT FROM OLD.currency THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='1b88f1ff3ebd15e4628eb09b87f47a3f6fe5d878', operation='UPDATE OF "merchant_no", "currency"', pgid='pgtrigger_frozen_identity_5d62d', table='acquiring_settlement_account', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='settlementbatch',
            index=models.Index(fields=['merchant_no', '-batch_no'], name='acquiring_batch_of_merchant'),
        ),
        migrations.AddConstraint(
            model_name='settlementbatch',
            constraint=models.UniqueConstraint(condition=models.Q(('closed_at__isnull', True)), fields=('merchant_no', 'currency'), name='acquiring_one_open_batch'),
        ),
        migrations.AddConstraint(
            model_name='settlementbatch',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', True), ('status', 'OPEN')), models.Q(('closed_at__isnull', False), ('status', 'CLOSED')), _connector='OR'), name='acquiring_batch_closed_at_end'),
        ),
        migrations.AddConstraint(
            model_name='settlementbatch',
            constraint=models.CheckConstraint(condition=models.Q(('net_amount__gte', 0)), name='acquiring_batch_not_negative'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementbatch',
            trigger=pgtrigger.compiler.Trigger(name='first_state', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.status <> 'OPEN')", func="RAISE EXCEPTION 'settlement_batch must be inserted as OPEN' USING ERRCODE = 'PC900';", hash='e3af5aa1158a43a7e70cfcacfdde1b6663d9cd82', operation='INSERT', pgid='pgtrigger_first_state_df7bc', table='acquiring_settlement_batch', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementbatch',
            trigger=pgtrigger.compiler.Trigger(name='legal_move', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.status = OLD.status OR (OLD.status = 'OPEN' AND NEW.status = 'CLOSED') THEN RETURN NEW; END IF; RAISE EXCEPTION 'illegal move of settlement_batch: % -> %', OLD.status, NEW.status USING ERRCODE = 'PC900';", hash='cf87baa0ba0da853ddb6107caaa2452550c0b52a', operation='UPDATE OF "status"', pgid='pgtrigger_legal_move_bce5b', table='acquiring_settlement_batch', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementbatch',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='c87dfce95b6b89bfc609e53417b1db5c8d9ce863', operation='DELETE', pgid='pgtrigger_no_delete_a3891', table='acquiring_settlement_batch', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementbatch',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.batch_no IS DISTINCT FROM OLD.batch_no OR NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.currency IS DISTINCT FROM OLD.currency OR NEW.settlement_date IS DISTINCT FROM OLD.settlement_date OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='304d9fb1944bb32ca105972014ab74b7926e3390', operation='UPDATE OF "batch_no", "merchant_no", "currency", "settlement_date", "created_at"', pgid='pgtrigger_frozen_identity_ed9a7', table='acquiring_settlement_batch', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementbatch',
            trigger=pgtrigger.compiler.Trigger(name='never_decrease', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.part_count < OLD.part_count OR NEW.item_count < OLD.item_count OR NEW.net_amount < OLD.net_amount THEN RAISE EXCEPTION 'a counter of % only grows', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='fa9a41d7e9ce5f09e522107d427bb781b988c831', operation='UPDATE OF "part_count", "item_count", "net_amount"', pgid='pgtrigger_never_decrease_c92cb', table='acquiring_settlement_batch', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='settlementhold',
            constraint=models.UniqueConstraint(condition=models.Q(('lifted_at__isnull', True)), fields=('merchant_no', 'order_no'), name='acquiring_hold_once_per_order'),
        ),
        migrations.AddConstraint(
            model_name='settlementhold',
            constraint=models.UniqueConstraint(condition=models.Q(('lifted_at__isnull', True), ('order_no__isnull', True)), fields=('merchant_no',), name='acquiring_hold_once_per_merchant'),
        ),
        migrations.AddConstraint(
            model_name='settlementhold',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('lifted_at__isnull', True), ('status', 'ACTIVE')), models.Q(('lifted_at__isnull', False), ('status', 'LIFTED')), _connector='OR'), name='acquiring_hold_lifted_at_end'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementhold',
            trigger=pgtrigger.compiler.Trigger(name='first_state', sql=pgtrigger.compiler.UpsertTriggerSql(condition="WHEN (NEW.status <> 'ACTIVE')", func="RAISE EXCEPTION 'settlement_hold must be inserted as ACTIVE' USING ERRCODE = 'PC900';", hash='a6dd2e9578a814a1556e768b1423749fb523e617', operation='INSERT', pgid='pgtrigger_first_state_ac803', table='acquiring_settlement_hold', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementhold',
            trigger=pgtrigger.compiler.Trigger(name='legal_move', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.status = OLD.status OR (OLD.status = 'ACTIVE' AND NEW.status = 'LIFTED') THEN RETURN NEW; END IF; RAISE EXCEPTION 'illegal move of settlement_hold: % -> %', OLD.status, NEW.status USING ERRCODE = 'PC900';", hash='a5384b84bd7adfbbbbd15746fb3ea138550b1858', operation='UPDATE OF "status"', pgid='pgtrigger_legal_move_6b06b', table='acquiring_settlement_hold', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementhold',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='f38f583ba82850a672b3c480b31927d1b3822707', operation='DELETE', pgid='pgtrigger_no_delete_1afa9', table='acquiring_settlement_hold', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementhold',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.hold_no IS DISTINCT FROM OLD.hold_no OR NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.order_no IS DISTINCT FROM OLD.order_no OR NEW.reason IS DISTINCT FROM OLD.reason OR NEW.placed_by IS DISTINCT FROM OLD.placed_by OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='640cf5f686d05f80a5f48dc964003f35b47792fc', operation='UPDATE OF "hold_no", "merchant_no", "order_no", "reason", "placed_by", "created_at"', pgid='pgtrigger_frozen_identity_f0e8e', table='acquiring_settlement_hold', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementhold',
            trigger=pgtrigger.compiler.Trigger(name='set_once', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (OLD.lifted_at IS NOT NULL AND NEW.lifted_at IS DISTINCT FROM OLD.lifted_at) OR (OLD.lifted_by IS NOT NULL AND NEW.lifted_by IS DISTINCT FROM OLD.lifted_by) THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='f6fc265a89f761edc85b0273928822a01a0921b6', operation='UPDATE OF "lifted_at", "lifted_by"', pgid='pgtrigger_set_once_168ca', table='acquiring_settlement_hold', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='settlementitem',
            index=models.Index(condition=models.Q(('batch_no__isnull', True)), fields=['merchant_no', 'currency', 'accounting_date', 'journal_no'], name='acquiring_settlement_item_due'),
        ),
        migrations.AddIndex(
            model_name='settlementitem',
            index=models.Index(condition=models.Q(('order_no__isnull', False)), fields=['order_no'], name='acquiring_settlement_of_order'),
        ),
        migrations.AddIndex(
            model_name='settlementitem',
            index=models.Index(condition=models.Q(('batch_no__isnull', False)), fields=['batch_no', 'journal_no'], name='acquiring_settlement_of_batch'),
        ),
        migrations.AddConstraint(
            model_name='settlementitem',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('batch_no__isnull', True), ('released_amount__isnull', True)), models.Q(('batch_no__isnull', False), ('released_amount__isnull', False)), _connector='OR'), name='acquiring_settlement_item_released_whole'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementitem',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='0a14c61829b5328e94c21195b7a6b18057003f60', operation='DELETE', pgid='pgtrigger_no_delete_5d382', table='acquiring_settlement_item', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementitem',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.journal_no IS DISTINCT FROM OLD.journal_no OR NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.currency IS DISTINCT FROM OLD.currency OR NEW.kind IS DISTINCT FROM OLD.kind OR NEW.event_id IS DISTINCT FROM OLD.event_id OR NEW.order_no IS DISTINCT FROM OLD.order_no OR NEW.payment_no IS DISTINCT FROM OLD.payment_no OR NEW.amount IS DISTINCT FROM OLD.amount OR NEW.fee_amount IS DISTINCT FROM OLD.fee_amount OR NEW.accounting_date IS DISTINCT FROM OLD.accounting_date THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='354705069a25692c3edaa3980484e27dcdbee383', operation='UPDATE OF "journal_no", "merchant_no", "currency", "kind", "event_id", "order_no", "payment_no", "amount", "fee_amount", "accounting_date"', pgid='pgtrigger_frozen_identity_f57e7', table='acquiring_settlement_item', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='settlementitem',
            trigger=pgtrigger.compiler.Trigger(name='set_once', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (OLD.batch_no IS NOT NULL AND NEW.batch_no IS DISTINCT FROM OLD.batch_no) OR (OLD.refunded_amount IS NOT NULL AND NEW.refunded_amount IS DISTINCT FROM OLD.refunded_amount) OR (OLD.returned_fee_amount IS NOT NULL AND NEW.returned_fee_amount IS DISTINCT FROM OLD.returned_fee_amount) OR (OLD.released_amount IS NOT NULL AND NEW.released_amount IS DISTINCT FROM OLD.released_amount) OR (OLD.released_at IS NOT NULL AND NEW.released_at IS DISTINCT FROM OLD.released_at) THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='aeb6c241529f51e563268ed4e7d6f6769097e55e', operation='UPDATE OF "batch_no", "refunded_amount", "returned_fee_amount", "released_amount", "released_at"', pgid='pgtrigger_set_once_cd3d8', table='acquiring_settlement_item', when='BEFORE')),
        ),
        sql_file(__file__, "../sql/orders.sql"),
        sql_file(__file__, "../sql/settlement.sql"),
    ]
