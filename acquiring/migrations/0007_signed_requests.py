"""Keys that sign requests, and the nonces they have used."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0006_idempotency_keys")]

    operations: list[migrations.operations.base.Operation] = []
