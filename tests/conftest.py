"""The test ground: real PostgreSQL and Redis, databases made by the real migrations, no flush, no rollback.

Every test makes its own merchant, payer and accounts under fresh numbers and never assumes an empty table.
The default connection has the application's role, as in production; ``owner_connection`` has the owner's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from tests import environment

environment.load()

import django  # noqa: E402 - the settings read the environment

django.setup()

import psycopg  # noqa: E402
import pytest  # noqa: E402
from django.db import connections  # noqa: E402
from pytest_django.plugin import DjangoDbBlocker  # noqa: E402

from tests.clock import VirtualClock  # noqa: E402
from tests.databases import fresh_database  # noqa: E402
from tests.planting import planting  # noqa: E402


@pytest.fixture(scope="session")
def worker_name(request: pytest.FixtureRequest) -> str:
    """The name of this xdist worker, ``main`` without xdist."""
    return os.environ.get("PYTEST_XDIST_WORKER", "main")


@pytest.fixture(scope="session", autouse=True)
def unit_database(worker_name: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Give this process a database of its own, open to every test and thread; yields its name."""
    with fresh_database(f"platform_unit_{worker_name}") as name:
        for alias in connections.settings:
            connections.settings[alias]["NAME"] = name
        os.environ["DATABASE_URL"] = environment.database_url(name)
        os.environ["MIGRATION_DATABASE_URL"] = environment.owner_url(name)
        with django_db_blocker.unblock():
            yield name
            connections.close_all()


@pytest.fixture(scope="session")
def owner_address(unit_database: str) -> str:
    """The unit database's address for the role that owns it."""
    return environment.owner_url(unit_database)


@pytest.fixture
def owner_connection(owner_address: str) -> Iterator[psycopg.Connection]:
    """A psycopg connection of the owner's role, in autocommit: what it writes, others see."""
    with psycopg.connect(owner_address, autocommit=True) as owner:
        yield owner


@pytest.fixture(scope="session")
def planted(
    owner_address: str,
) -> Callable[..., AbstractContextManager[psycopg.Connection]]:
    """``with planted(sql, …) as connection:`` plants violations and forgets them; see ``tests.planting``."""
    return partial(planting, owner_address)


@pytest.fixture
def clock(owner_address: str) -> Iterator[VirtualClock]:
    """The unit database's clock: ``clock.advance(901)`` makes a 15-minute order due."""
    virtual = VirtualClock(owner_address)
    yield virtual
    virtual.restore()
