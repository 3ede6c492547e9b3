"""Keys that sign requests, and the nonces they have used."""

from typing import ClassVar

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

import paymentplatform.kernel.database
from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    """Give keys an algorithm, merchants the policy, nonces a table; load the newest orders.sql."""

    dependencies: ClassVar = [("acquiring", "0006_idempotency_keys")]

    operations: ClassVar = [
        migrations.CreateModel(
            name='UsedNonce',
            fields=[
                ('pk', models.CompositePrimaryKey('key_id', 'nonce', blank=True, editable=False, primary_key=True, serialize=False)),
                ('key_id', paymentplatform.kernel.database.NumberField()),
                ('nonce', paymentplatform.kernel.database.NumberField()),
                ('expires_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'acquiring_used_nonce',
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='credential',
            name='frozen_identity',
        ),
        migrations.AddField(
            model_name='credential',
            name='algorithm',
            field=models.CharField(choices=[('BEARER', 'bearer'), ('ED25519', 'ed25519'), ('RSA_V1_5_SHA256', 'rsa-v1_5-sha256'), ('HMAC_SHA256', 'hmac-sha256')], db_default='BEARER', default='BEARER', max_length=16),
        ),
        migrations.AddField(
            model_name='credential',
            name='hmac_secret',
            field=models.TextField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='credential',
            name='public_key',
            field=models.TextField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='merchant',
            name='signed_only',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AlterField(
            model_name='credential',
            name='secret_hash',
            field=models.CharField(editable=False, max_length=64, null=True, unique=True),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='credential',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.key_id IS DISTINCT FROM OLD.key_id OR NEW.merchant_id IS DISTINCT FROM OLD.merchant_id OR NEW.algorithm IS DISTINCT FROM OLD.algorithm OR NEW.secret_hash IS DISTINCT FROM OLD.secret_hash OR NEW.public_key IS DISTINCT FROM OLD.public_key OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='8a0066cdec4b62006209e1014128a4f5b3db954a', operation='UPDATE OF "key_id", "merchant_id", "algorithm", "secret_hash", "public_key", "created_at"', pgid='pgtrigger_frozen_identity_7f3b7', table='acquiring_credential', when='BEFORE')),
        ),
        migrations.AddConstraint(
            model_name='credential',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('algorithm', 'BEARER'), ('hmac_secret__isnull', True), ('public_key__isnull', True), ('secret_hash__isnull', False)), models.Q(('algorithm__in', ['ED25519', 'RSA_V1_5_SHA256']), ('hmac_secret__isnull', True), ('public_key__isnull', False), ('secret_hash__isnull', True)), models.Q(('algorithm', 'HMAC_SHA256'), ('hmac_secret__isnull', False), ('public_key__isnull', True), ('secret_hash__isnull', True)), _connector='OR'), name='acquiring_credential_material'),
        ),
        migrations.AddIndex(
            model_name='usednonce',
            index=models.Index(fields=['expires_at'], name='acquiring_used_nonce_expiry'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usednonce',
            trigger=pgtrigger.compiler.Trigger(name='frozen_identity', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF NEW.key_id IS DISTINCT FROM OLD.key_id OR NEW.nonce IS DISTINCT FROM OLD.nonce OR NEW.expires_at IS DISTINCT FROM OLD.expires_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;", hash='88a4f7d4f4eea9799526a4be6984e359bb1a81d8', operation='UPDATE OF "key_id", "nonce", "expires_at"', pgid='pgtrigger_frozen_identity_43c51', table='acquiring_used_nonce', when='BEFORE')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='usednonce',
            trigger=pgtrigger.compiler.Trigger(name='keep_until', sql=pgtrigger.compiler.UpsertTriggerSql(func="IF OLD.expires_at > now() THEN RAISE EXCEPTION 'rows of % stay until their time', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN OLD;", hash='5ec0420241fbc11efbdac9f7fd792d00fa23c38a', operation='DELETE', pgid='pgtrigger_keep_until_4af53', table='acquiring_used_nonce', when='BEFORE')),
        ),
        sql_file(__file__, "../sql/orders.sql"),
    ]
