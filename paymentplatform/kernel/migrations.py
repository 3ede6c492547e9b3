"""Bring the SQL functions that live in ``<app>/sql/*.sql`` into migrations."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations


def sql_file(migration_file: str, relative_path: str) -> migrations.RunSQL:
    """Make the operation that runs one SQL file, named relative to the migration that loads it.

    A file always holds the newest form: a later migration that changes it loads it again. On a new database the
    first load therefore meets columns that do not exist yet, so bodies are checked when they first run (tests call
    every function). A changed signature drops the old one in the migration that loads the new one.
    """
    path = (Path(migration_file).parent / relative_path).resolve()
    text = path.read_text(encoding="utf-8")
    return migrations.RunSQL(
        f"SET LOCAL check_function_bodies = off;\n{text}", migrations.RunSQL.noop
    )


_IMMEDIATE = """
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT conrelid::regclass AS of_table, conname FROM pg_constraint
        WHERE contype = 'f' AND condeferred AND conrelid = ANY (ARRAY[{names}]::regclass[])
    LOOP
        EXECUTE format('ALTER TABLE %s ALTER CONSTRAINT %I DEFERRABLE INITIALLY IMMEDIATE', c.of_table, c.conname);
    END LOOP;
END
$$
"""


def check_references_at_once(*tables: str) -> migrations.RunSQL:
    """Make the operation that lets the statement which writes a row check its references, not the commit.

    The check is a query whose plan the session keeps. Made by a commit on an empty, vacuumed table it was a scan, and
    stayed one while the table grew; made inside a function it obeys what the function sets (docs/decisions/0030).
    """
    names = ", ".join(f"'{name}'" for name in tables)
    return migrations.RunSQL(_IMMEDIATE.format(names=names), migrations.RunSQL.noop)
