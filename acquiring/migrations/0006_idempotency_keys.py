"""Idempotency keys of merchants' requests, and their rate limits."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0005_counters_only_grow")]

    operations: list[migrations.operations.base.Operation] = []
