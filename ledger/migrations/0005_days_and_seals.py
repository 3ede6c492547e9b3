"""Accounting days with their daily balances, and the hash chain over journals."""

import django.contrib.postgres.indexes
import django.db.models.functions.comparison
import ledger.models.xact_id
import paymentplatform.kernel.database
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):

    dependencies = [
        ('ledger', '0004_facts'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountingDay',
            fields=[
                ('accounting_date', models.DateField(primary_key=True, serialize=False)),
                ('cut_xact', ledger.models.xact_id.XactIdField(null=True)),
                ('closed_at', models.DateTimeField(null=True)),
                ('first_xact', ledger.models.xact_id.XactIdField(null=True)),
                ('last_xact', ledger.models.xact_id.XactIdField(null=True)),
                ('journal_count', models.BigIntegerField(null=True)),
                ('posting_count', models.BigIntegerField(null=True)),
                ('anchor', models.TextField(null=True)),
            ],
            options={
                'db_table': 'ledger_day',
            },
        ),
        migrations.CreateModel(
            name='DailyBalance',
            fields=[
                ('pk', models.CompositePrimaryKey('account_id', 'accounting_date', blank=True, editable=False, primary_key=True, serialize=False)),
                ('account_id', models.BigIntegerField()),
                ('accounting_date', models.DateField()),
                ('debits', models.BigIntegerField()),
                ('credits', models.BigIntegerField()),
                ('balance', models.BigIntegerField()),
            ],
            options={
                'db_table': 'ledger_daily_balance',
            },
        ),
        migrations.CreateModel(
            name='Seal',
            fields=[
                ('block_no', models.BigIntegerField(primary_key=True, serialize=False)),
                ('from_xact', ledger.models.xact_id.XactIdField()),
                ('to_xact', ledger.models.xact_id.XactIdField()),
                ('journal_count', models.BigIntegerField()),
                ('posting_count', models.BigIntegerField()),
                ('hash', models.TextField()),
                ('sealed_at', models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow())),
            ],
            options={
                'db_table': 'ledger_seal',
            },
        ),
        migrations.AddIndex(
            model_name='journal',
            index=django.contrib.postgres.indexes.BrinIndex(autosummarize=True, fields=['accounting_date'], name='ledger_journal_of_day', pages_per_range=32),
        ),
        migrations.AddIndex(
            model_name='posting',
            index=django.contrib.postgres.indexes.BrinIndex(django.db.models.functions.comparison.Cast(django.db.models.functions.comparison.Cast('xact_id', models.TextField()), models.BigIntegerField()), autosummarize=True, name='ledger_posting_xact', pages_per_range=32),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='accountingday',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='a3480335b5fc4dfff054b2ef6d3a155e8d3b643c', operation='DELETE', pgid='pgtrigger_no_delete_39eaa', table='ledger_day', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='accountingday',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.accounting_date IS DISTINCT FROM OLD.accounting_date THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='39c15398ca7feb0b7ee8622d8cacb22db6b4e84a', operation='UPDATE OF "accounting_date"', pgid='pgtrigger_frozen_identity_d43ef', table='ledger_day', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='accountingday',
            trigger=pgtrigger.compiler.Trigger(name='set_once', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF (OLD.cut_xact IS NOT NULL AND NEW.cut_xact IS DISTINCT FROM OLD.cut_xact) OR (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at) OR (OLD.first_xact IS NOT NULL AND NEW.first_xact IS DISTINCT FROM OLD.first_xact) OR (OLD.last_xact IS NOT NULL AND NEW.last_xact IS DISTINCT FROM OLD.last_xact) OR (OLD.journal_count IS NOT NULL AND NEW.journal_count IS DISTINCT FROM OLD.journal_count) OR (OLD.posting_count IS NOT NULL AND NEW.posting_count IS DISTINCT FROM OLD.posting_count) OR (OLD.anchor IS NOT NULL AND NEW.anchor IS DISTINCT FROM OLD.anchor) THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='2964b6cd999ca1d869b02127ea98ed0c91034667', operation='UPDATE OF "cut_xact", "closed_at", "first_xact", "last_xact", "journal_count", "posting_count", "anchor"', pgid='pgtrigger_set_once_47a28', table='ledger_day', when='BEFORE')),
        ),
        migrations.AddIndex(
            model_name='dailybalance',
            index=models.Index(fields=['accounting_date'], name='ledger_daily_balance_of_day'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='dailybalance',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='f2d8acd210e062b4482ad9825379b34fe7d603f4', operation='DELETE', pgid='pgtrigger_no_delete_0193b', table='ledger_daily_balance', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='dailybalance',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='811fd4b69df7a84b4138f2ade50ca5d71ed0bd9e', operation='UPDATE', pgid='pgtrigger_append_only_34818', table='ledger_daily_balance', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='seal',
            trigger=pgtrigger.compiler.Trigger(name='no_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='a5062492ebb1fab0f85b2b66a2d9cac05cff7249', operation='DELETE', pgid='pgtrigger_no_delete_09f19', table='ledger_seal', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='seal',
            trigger=pgtrigger.compiler.Trigger(name='append_only', sql=pgtrigger.compiler.UpsertTriggerSql(func="RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900';", hash='632ebd6965b04a987f8b5422b587b319f086d470', operation='UPDATE', pgid='pgtrigger_append_only_addd1', table='ledger_seal', when='BEFORE')),
        ),
        sql_file(__file__, "../sql/chain.sql"),
        sql_file(__file__, "../sql/days.sql"),
    ]
