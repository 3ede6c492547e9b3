"""Servers for tests: fast because they may lose everything, and far away from any real data."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local import postgres, processes
from deploy.local.database import admin_url, prepare
from deploy.local.environment import compose, keep_secrets
from deploy.local.files import locked, read_environment, read_json, write_environment, write_json
from deploy.local.paths import ROOT, TEST_STATE
from deploy.local.places import database_home, forget_database
from deploy.local.postgres import Cluster
from deploy.local.processes import MARK, Record, free_port, record_of
from deploy.local.screen import say
from deploy.local.signals import no_signals
from deploy.local.valkey import Valkey


def start_servers(state: Path, *, database_home: Path) -> dict[str, str]:
    """Start both servers, write `state`/env for tests and `state`/servers.json for the end."""
    (state / "metrics").mkdir(exist_ok=True)
    kept = keep_secrets(state)
    marked = dict(os.environ) | {MARK: str(state)}
    cluster = Cluster(
        home=database_home,
        log=state / "postgres.log",
        port=free_port(),
        admin_password=kept["postgres_admin"],
        environment=marked,
        durable=False,
    )
    started = [record_of("postgres", cluster.start().pid)]
    _remember(state, started)
    addresses = prepare(
        cluster,
        owner_password=kept["postgres_owner"],
        app_password=kept["postgres_app"],
        owner_makes_databases=True,
    )
    valkey = Valkey(
        home=state / "valkey",
        log=state / "valkey.log",
        port=free_port(),
        password=kept["valkey"],
        environment=marked,
        durable=False,
    )
    started.append(record_of("valkey", valkey.start().pid))
    _remember(state, started)
    environment = compose(
        kept=kept,
        addresses=addresses
        | {"REDIS_URL": valkey.url, "TEST_ADMIN_DATABASE_URL": admin_url(cluster)},
        port=free_port(),
        sandbox_port=free_port(in_a_row=2),
        metrics=state / "metrics",
        platform_env="test",
    )
    write_environment(state / "env", environment)
    return environment


def _remember(state: Path, started: list[Record]) -> None:
    write_json(state / "servers.json", {"servers": [record.as_json() for record in started]})


def known_servers(state: Path) -> list[Record]:
    """Return the servers that `state` remembers, dead or alive."""
    return [Record(**entry) for entry in read_json(state / "servers.json").get("servers", [])]


def stop_servers(state: Path) -> None:
    """Stop the servers that `state` remembers; those that are gone already are no problem."""
    for record in known_servers(state):
        if record.name == "postgres":
            postgres.stop(record, seconds=10)
        else:
            processes.end([record], seconds=10)


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """Give the environment of servers in a temporary folder, and leave nothing of them behind."""
    state = Path(tempfile.mkdtemp(prefix="paymentplatform-test-"))
    try:
        state.chmod(0o711)
        yield start_servers(state, database_home=state / "postgres")
    finally:
        with no_signals():
            stop_servers(state)
            shutil.rmtree(state, ignore_errors=True)


def lasting_state() -> Path:
    """Return the folder of the lasting test servers; TEST_NAME gives each engineer some of their own."""
    name = os.environ.get("TEST_NAME", "")
    return TEST_STATE / name if name.isidentifier() else TEST_STATE


def lasting_servers() -> dict[str, str]:
    """Give the environment of servers that stay up between test runs, starting them if needed."""
    state = lasting_state()
    state.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(state / "lock"):
        known = known_servers(state)
        if known and all(record.is_alive() for record in known):
            return read_environment(state / "env")
        stop_servers(state)
        return start_servers(state, database_home=database_home(state))


def show_lasting_servers() -> int:
    """Start or find the lasting servers and say how to use them."""
    lasting_servers()
    state = lasting_state().relative_to(ROOT)
    say(f"Test servers are up; their environment is in {state}/env.")
    say(f"  set -a; . {state}/env; set +a; .venv/bin/python -m pytest …")
    say(
        "  TEST_REUSE=1 python3 run.py test tests/…   (keeps the test database; --create-db remakes it)"
    )
    say("  TEST_NAME=word gives you servers of your own; python3 run.py test-env stop ends them.")
    return 0


def stop_lasting_servers() -> int:
    """Stop the lasting servers and remove their data."""
    state = lasting_state()
    stop_servers(state)
    forget_database(state)
    for left in ("valkey", "metrics"):
        shutil.rmtree(state / left, ignore_errors=True)
    (state / "servers.json").unlink(missing_ok=True)
    say("Test servers are stopped.")
    return 0
