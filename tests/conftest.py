"""The test ground: real PostgreSQL and Redis, databases made by the real migrations, no flush, no rollback.

Every test makes its own merchant, payer and accounts under fresh numbers and never assumes an empty table.
The default connection has the application's role, as in production; ``owner_connection`` has the owner's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from functools import partial

from tests import environment

environment.load()

import django  # noqa: E402 - the settings read the environment

django.setup()

import psycopg  # noqa: E402
import pytest  # noqa: E402
from _pytest.terminal import TerminalReporter  # noqa: E402
from django.core.management import get_commands  # noqa: E402
from django.db import connections  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from pytest_django.plugin import DjangoDbBlocker  # noqa: E402

from tests.budget import note_costs, print_tables  # noqa: E402
from tests.clock import VirtualClock  # noqa: E402
from tests.databases import fresh_database  # noqa: E402
from tests.live import LivePlatform, live_platform  # noqa: E402
from tests.measuring import choose_unmeasured, pause_or_resume  # noqa: E402
from tests.planting import planting  # noqa: E402
from tests.scheduling import FewPlatforms, slow_first  # noqa: E402
from tests.second_look import mark_lateness, register  # noqa: E402
from tests.static_files import look_up_once  # noqa: E402

look_up_once()
# How fast examples are drawn and run says how busy the machine is.
settings.register_profile(
    "busy", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy")


def pytest_configure(config: pytest.Config) -> None:
    """Let a whole run know which tests only were late; see ``tests.second_look``."""
    register(config)


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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Share tests out between workers; see ``tests.scheduling``."""
    return FewPlatforms(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long tests out of short runs, mark what runs live, and in a worker begin with the slow files."""
    for item in items:
        if "running_platform" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.flow)
    if os.environ.get("RUN_LONG") != "1":
        left_out = [item for item in items if item.get_closest_marker("long")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    choose_unmeasured(items)
    if hasattr(config, "workerinput"):
        slow_first(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Measure what this test runs, or do not; see ``tests.measuring``."""
    pause_or_resume(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what it has cost and whether it only was late; show the live platform's logs with a failure on it."""
    report = yield
    note_costs(report)
    mark_lateness(report, call)
    platform = getattr(item, "funcargs", {}).get("running_platform")
    if report.failed and isinstance(platform, LivePlatform):
        report.sections.append(("live platform", platform.logs()))
    return report


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show which capability's tests have cost how much."""
    print_tables(terminalreporter)


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


@pytest.fixture(scope="session")
def kept_clock(owner_address: str) -> Iterator[VirtualClock]:
    """The clock with a connection that stays open between tests."""
    virtual = VirtualClock(owner_address)
    yield virtual
    virtual.close()


@pytest.fixture
def clock(kept_clock: VirtualClock) -> Iterator[VirtualClock]:
    """The unit database's clock: ``clock.advance(901)`` makes a 15-minute order due."""
    yield kept_clock
    kept_clock.restore()


@pytest.fixture(scope="session")
def running_platform(unit_database: str) -> Iterator[LivePlatform]:
    """The one live platform of this session; its books must be clean when it ends."""
    with live_platform() as platform:
        yield platform
        if "prove" in get_commands():
            proof = platform.prove()
            assert proof["code"] == 0, proof


@pytest.fixture
def platform(
    running_platform: LivePlatform, request: pytest.FixtureRequest
) -> Iterator[LivePlatform]:
    """The live platform, whole again after each test: real time, institution up, a worker running."""
    running_platform.mend()
    yield running_platform
    running_platform.mend()
