"""Hot paths in fewer steps."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_functions")]

    operations: list[migrations.operations.base.Operation] = []
