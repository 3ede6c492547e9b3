"""Hot paths in fewer steps."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0009_lists")]

    operations: list[migrations.operations.base.Operation] = []
