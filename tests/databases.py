"""Test databases: made by the real migrations once, then copied in a blink.

A template is keyed by a hash of everything that shapes a database, so only a change of those files costs
a migration run. Databases are numbered and held by an advisory lock for as long as their session lives, so
that several test runs can share one server and a killed run leaves nothing that the next one cannot take.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from tests.environment import ROOT, application_role, database_url, home_url, owner_url

_SHAPING = (
    "*/migrations/*.py",
    "*/sql/*.sql",
    "*/models.py",
    "*/models/*.py",
    "*/states.py",
    "*/apps.py",
    "paymentplatform/*/migrations/*.py",
    "paymentplatform/console/**/*.py",
    "paymentplatform/kernel/*.py",
    "paymentplatform/settings/*.py",
    "tests/databases.py",
)

_VIRTUAL_CLOCK = """
CREATE TABLE public.test_clock (offset_s double precision NOT NULL);
INSERT INTO public.test_clock VALUES (0);
CREATE OR REPLACE FUNCTION public.platform_now() RETURNS timestamptz LANGUAGE sql STABLE AS
$$ SELECT now() + make_interval(secs => (SELECT offset_s FROM public.test_clock)) $$;
"""


def shape() -> str:
    """Return a short hash of everything that shapes a database."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _SHAPING for path in ROOT.glob(pattern)}):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def fresh_database(base: str) -> Iterator[str]:
    """Make a database like ``platform_unit_gw0`` and keep it ours until the block ends."""
    with psycopg.connect(home_url(), autocommit=True) as keeper:
        name = _take_name(keeper, base)
        with _one_at_a_time(keeper):
            template = _find_or_build_template(keeper)
            _drop(keeper, name)
            _execute(keeper, "CREATE DATABASE {} TEMPLATE {}", name, template)
            _execute(keeper, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)
            _execute(
                keeper, "GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}", name, application_role()
            )
        yield name


def _take_name(keeper: psycopg.Connection, base: str) -> str:
    """Hold the first free one of base, base_2, base_3 … with a lock of the keeper's session."""
    for number in range(1, 100):
        name = base if number == 1 else f"{base}_{number}"
        row = keeper.execute(
            "SELECT pg_try_advisory_lock(hashtextextended(%s, 1))", [name]
        ).fetchone()
        if row == (True,):
            return name
    message = f"no free database name after {base}_99"
    raise RuntimeError(message)


@contextmanager
def _one_at_a_time(keeper: psycopg.Connection) -> Iterator[None]:
    keeper.execute("SELECT pg_advisory_lock(hashtextextended('test databases', 2))")
    try:
        yield
    finally:
        keeper.execute("SELECT pg_advisory_unlock(hashtextextended('test databases', 2))")


def _find_or_build_template(keeper: psycopg.Connection) -> str:
    wanted = f"platform_template_{shape()}"
    rows = keeper.execute(
        "SELECT datname FROM pg_database WHERE datname LIKE 'platform\\_template\\_%'"
    )
    known = [name for (name,) in rows]
    if wanted in known:
        return wanted
    for outdated in known:
        _drop(keeper, outdated)
    building = "platform_building"
    _drop(keeper, building)
    _execute(keeper, "CREATE DATABASE {}", building)
    _migrate(building)
    with psycopg.connect(owner_url(building), autocommit=True) as owner:
        owner.execute(_VIRTUAL_CLOCK)
        _execute(owner, "GRANT SELECT ON public.test_clock TO {}", application_role())
        owner.execute("ANALYZE")
    _execute(keeper, "ALTER DATABASE {} RENAME TO {}", building, wanted)
    return wanted


def _migrate(name: str) -> None:
    """Run the real migrations as the owner, in a process of their own."""
    unmeasured = {key: value for key, value in os.environ.items() if "COVERAGE" not in key}
    environment = unmeasured | {
        "DATABASE_URL": database_url(name),
        "MIGRATION_DATABASE_URL": owner_url(name),
    }
    arguments = [
        "migrate",
        "--database",
        "owner",
        "--skip-checks",
        "--no-input",
        "--verbosity",
        "0",
    ]
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if done.returncode != 0:
        message = f"manage.py migrate failed:\n{done.stdout[-500:]}\n{done.stderr[-1500:]}"
        raise RuntimeError(message)


def _drop(keeper: psycopg.Connection, name: str) -> None:
    """Drop a database; sessions that a dying process still holds are given a moment, then ended."""
    for patience in (0.0, 0.3, 0.0):
        time.sleep(patience)
        try:
            return _execute(keeper, "DROP DATABASE IF EXISTS {}", name)
        except psycopg.errors.ObjectInUse:
            if patience:
                _end_sessions(name)
    return _execute(keeper, "DROP DATABASE IF EXISTS {}", name)


def _end_sessions(name: str) -> None:
    address = os.environ.get("TEST_ADMIN_DATABASE_URL")
    if address:
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = %s",
                [name],
            )


def _execute(connection: psycopg.Connection, statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
