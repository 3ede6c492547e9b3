"""Payer agreements that a merchant asks for and a payer consents to."""

import django_fsm
import paymentplatform.kernel.database
import paymentplatform.kernel.fsm
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

ADOPT = """
INSERT INTO checkout_agreement_request (
    agreement_no, merchant_no, status, currency, max_per_payment, max_per_day, expires_at, created_at)
SELECT agreement_no, merchant_no, 'PENDING', currency, max_per_payment, max_per_day, created_at, created_at
FROM checkout_payer_agreement;
UPDATE checkout_agreement_request AS r SET status = 'ACTIVE', payer_no = a.payer_id, consented_at = a.created_at
FROM checkout_payer_agreement AS a WHERE a.agreement_no = r.agreement_no;
UPDATE checkout_agreement_request AS r SET status = 'REVOKED', ended_at = a.revoked_at
FROM checkout_payer_agreement AS a WHERE a.agreement_no = r.agreement_no AND a.revoked_at IS NOT NULL;
INSERT INTO checkout_transition (machine, object_no, from_status, to_status, cause, actor, request_id, at)
SELECT 'agreement_request', m.agreement_no, m.from_status, m.to_status, 'migration', 'system', '', m.at
FROM (
    SELECT agreement_no, 'PENDING' AS from_status, 'ACTIVE' AS to_status, created_at AS at, 1 AS place
    FROM checkout_payer_agreement
    UNION ALL
    SELECT agreement_no, 'ACTIVE', 'REVOKED', revoked_at, 2
    FROM checkout_payer_agreement WHERE revoked_at IS NOT NULL
) AS m ORDER BY m.agreement_no, m.place;
"""
"""Agreements that operators recorded before there were requests get one each, as if just consented to."""


class Migration(migrations.Migration):
    dependencies = [("checkout", "0004_agreement_limits_stay")]

    operations = [
        migrations.CreateModel(
            name="Transition",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("machine", models.TextField()),
                ("object_no", models.TextField()),
                ("from_status", models.TextField()),
                ("to_status", models.TextField()),
                ("cause", models.TextField()),
                ("actor", models.TextField()),
                ("request_id", models.TextField()),
                (
                    "at",
                    models.DateTimeField(db_default=paymentplatform.kernel.database.PlatformNow()),
                ),
            ],
            options={
                "db_table": "checkout_transition",
            },
        ),
        migrations.CreateModel(
            name="AgreementRequest",
            fields=[
                (
                    "agreement_no",
                    paymentplatform.kernel.database.NumberField(primary_key=True, serialize=False),
                ),
                ("merchant_no", models.TextField()),
                (
                    "status",
                    paymentplatform.kernel.fsm.StateField(
                        choices=[
                            ("PENDING", "PENDING"),
                            ("ACTIVE", "ACTIVE"),
                            ("DECLINED", "DECLINED"),
                            ("EXPIRED", "EXPIRED"),
                            ("REVOKED", "REVOKED"),
                        ],
                        db_default="PENDING",
                        default="PENDING",
                        max_length=16,
                        protected=True,
                    ),
                ),
                ("currency", models.CharField(max_length=3)),
                ("max_per_payment", models.BigIntegerField()),
                ("max_per_day", models.BigIntegerField()),
                ("subject", models.TextField(null=True)),
                ("payer_ref", models.TextField(null=True)),
                ("return_url", models.TextField(null=True)),
                ("page_secret", models.TextField(editable=False, null=True)),
                ("payer_no", models.TextField(null=True)),
                ("sealed_token", models.TextField(editable=False, null=True)),
                ("token_readable_until", models.DateTimeField(null=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=paymentplatform.kernel.database.PlatformNow(), editable=False
                    ),
                ),
                ("consented_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "checkout_agreement_request",
                "indexes": [
                    models.Index(
                        fields=["merchant_no", "-agreement_no"], name="checkout_agr_request_newest"
                    ),
                    models.Index(
                        condition=models.Q(("status", "PENDING")),
                        fields=["expires_at"],
                        name="checkout_agr_request_expires",
                    ),
                    models.Index(
                        condition=models.Q(("sealed_token__isnull", False)),
                        fields=["token_readable_until"],
                        name="checkout_agr_request_sealed",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("consented_at__isnull", True),
                                ("payer_no__isnull", True),
                                models.Q(("status", "ACTIVE"), _negated=True),
                            ),
                            models.Q(
                                ("consented_at__isnull", False),
                                ("payer_no__isnull", False),
                                ("status__in", ["ACTIVE", "REVOKED"]),
                            ),
                            _connector="OR",
                        ),
                        name="checkout_agreement_request_consent",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("ended_at__isnull", False),
                                ("status__in", ["DECLINED", "EXPIRED", "REVOKED"]),
                            ),
                            models.Q(
                                ("ended_at__isnull", True),
                                models.Q(
                                    ("status__in", ["DECLINED", "EXPIRED", "REVOKED"]),
                                    _negated=True,
                                ),
                            ),
                            _connector="OR",
                        ),
                        name="checkout_agreement_request_ended",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("sealed_token__isnull", True),
                            ("token_readable_until__isnull", False),
                            _connector="OR",
                        ),
                        name="checkout_agreement_request_sealed",
                    ),
                ],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="agreementrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="first_state",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition="WHEN (NEW.status <> 'PENDING')",
                    func="RAISE EXCEPTION 'agreement_request must be inserted as PENDING' USING ERRCODE = 'PC900';",
                    hash="a35cd23413d2bba4ca646111b7853b96154eb821",
                    operation="INSERT",
                    pgid="pgtrigger_first_state_eb14a",
                    table="checkout_agreement_request",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="agreementrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="legal_move",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="IF NEW.status = OLD.status OR (OLD.status = 'PENDING' AND NEW.status = 'ACTIVE') OR (OLD.status = 'PENDING' AND NEW.status = 'DECLINED') OR (OLD.status = 'PENDING' AND NEW.status = 'EXPIRED') OR (OLD.status = 'PENDING' AND NEW.status = 'REVOKED') OR (OLD.status = 'ACTIVE' AND NEW.status = 'REVOKED') THEN RETURN NEW; END IF; RAISE EXCEPTION 'illegal move of agreement_request: % -> %', OLD.status, NEW.status USING ERRCODE = 'PC900';",
                    hash="96aaddc222919da831050699a644323096e66a9c",
                    operation='UPDATE OF "status"',
                    pgid="pgtrigger_legal_move_0d930",
                    table="checkout_agreement_request",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="agreementrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';",
                    hash="0b7c998ec5b13984f216339626099953a18fedcc",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_8d087",
                    table="checkout_agreement_request",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="agreementrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="frozen_identity",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="IF NEW.agreement_no IS DISTINCT FROM OLD.agreement_no OR NEW.merchant_no IS DISTINCT FROM OLD.merchant_no OR NEW.currency IS DISTINCT FROM OLD.currency OR NEW.max_per_payment IS DISTINCT FROM OLD.max_per_payment OR NEW.max_per_day IS DISTINCT FROM OLD.max_per_day OR NEW.subject IS DISTINCT FROM OLD.subject OR NEW.payer_ref IS DISTINCT FROM OLD.payer_ref OR NEW.return_url IS DISTINCT FROM OLD.return_url OR NEW.page_secret IS DISTINCT FROM OLD.page_secret OR NEW.expires_at IS DISTINCT FROM OLD.expires_at OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN RAISE EXCEPTION 'identity columns of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;",
                    hash="4c1776b3aca00d70596038bf0cf4e9e72abeab17",
                    operation='UPDATE OF "agreement_no", "merchant_no", "currency", "max_per_payment", "max_per_day", "subject", "payer_ref", "return_url", "page_secret", "expires_at", "created_at"',
                    pgid="pgtrigger_frozen_identity_f77c7",
                    table="checkout_agreement_request",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="agreementrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="set_once",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="IF (OLD.payer_no IS NOT NULL AND NEW.payer_no IS DISTINCT FROM OLD.payer_no) OR (OLD.consented_at IS NOT NULL AND NEW.consented_at IS DISTINCT FROM OLD.consented_at) OR (OLD.token_readable_until IS NOT NULL AND NEW.token_readable_until IS DISTINCT FROM OLD.token_readable_until) OR (OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at) THEN RAISE EXCEPTION 'what % has once said stands', TG_TABLE_NAME USING ERRCODE = 'PC900'; END IF; RETURN NEW;",
                    hash="38bab6b362fabe6c6729bc8a119ca5fb81bf60de",
                    operation='UPDATE OF "payer_no", "consented_at", "token_readable_until", "ended_at"',
                    pgid="pgtrigger_set_once_9ff87",
                    table="checkout_agreement_request",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="transition",
            index=models.Index(fields=["object_no", "id"], name="checkout_transition_history"),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transition",
            trigger=pgtrigger.compiler.Trigger(
                name="no_delete",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'rows of % are never deleted', TG_TABLE_NAME USING ERRCODE = 'PC900';",
                    hash="bdf3a1f3011a441fdd5c2e041ed9fc3e13f19c55",
                    operation="DELETE",
                    pgid="pgtrigger_no_delete_61ee7",
                    table="checkout_transition",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="transition",
            trigger=pgtrigger.compiler.Trigger(
                name="append_only",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="RAISE EXCEPTION 'rows of % never change', TG_TABLE_NAME USING ERRCODE = 'PC900';",
                    hash="f795156e6baffe8c24b133b531eb647b8fdc9882",
                    operation="UPDATE",
                    pgid="pgtrigger_append_only_d83df",
                    table="checkout_transition",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.RunSQL(ADOPT, migrations.RunSQL.noop),
    ]
