"""Hot paths in fewer steps."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("checkout", "0005_agreement_consent")]

    operations: list[migrations.operations.base.Operation] = []
