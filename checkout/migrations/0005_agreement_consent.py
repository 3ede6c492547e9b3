"""Payer agreements that a merchant asks for and a payer consents to."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("checkout", "0004_agreement_limits_stay")]

    operations: list[migrations.operations.base.Operation] = []
