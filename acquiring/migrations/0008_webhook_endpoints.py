"""Webhook endpoints of merchants, and deliveries to them."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("acquiring", "0007_signed_requests")]

    operations: list[migrations.operations.base.Operation] = []
