"""What the lists of the merchant API need."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0008_webhook_endpoints")]

    operations: list[migrations.operations.base.Operation] = []
