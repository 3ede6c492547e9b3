"""Bring the SQL functions that live in ``<app>/sql/*.sql`` into migrations."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


def sql_file(migration_file: str, relative_path: str) -> migrations.RunSQL:
    """Make the operation that runs one SQL file, named relative to the migration that loads it."""
    path = (Path(migration_file).parent / relative_path).resolve()
    return migrations.RunSQL(path.read_text(encoding="utf-8"), migrations.RunSQL.noop)
