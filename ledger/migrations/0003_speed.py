"""Posting without a query that is planned anew each time."""

from __future__ import annotations

from django.db import migrations

from paymentplatform.kernel.migrations import sql_file


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_functions")]

    operations = [sql_file(__file__, "../sql/post.sql")]
