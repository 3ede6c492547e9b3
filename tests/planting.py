"""Planted violations: what the guards make impossible is written anyway, looked at, and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

_TRIGGERS_OFF = """
DO $$
DECLARE guarded regclass;
BEGIN
  FOR guarded IN
    SELECT DISTINCT tgrelid::regclass FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    WHERE NOT tgisinternal AND relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
  LOOP
    EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', guarded);
  END LOOP;
END $$
"""


@contextmanager
def planting(owner_address: str, *statements: str) -> Iterator[psycopg.Connection]:
    """Run the statements as the owner with our triggers off; yield that connection, then roll back.

    Constraints stay on (they are no triggers), foreign keys as well. Whatever looks for violations has to ask
    through the yielded connection: nobody else ever sees the rows.
    """
    with psycopg.connect(owner_address) as owner:
        try:
            owner.execute("SET LOCAL lock_timeout = '10s'")
            owner.execute(_TRIGGERS_OFF)
            for statement in statements:
                owner.execute(statement)
            yield owner
        finally:
            owner.rollback()
