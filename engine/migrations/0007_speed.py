"""Hot paths in fewer steps."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("engine", "0006_counters_only_grow")]

    operations: list[migrations.operations.base.Operation] = []
