"""The platform's own durable servers and web processes in a temporary folder, for one run of the benchmark."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.local import postgres, processes
from deploy.local.children import WEB, WSGI, answers
from deploy.local.database import admin_url, prepare
from deploy.local.environment import compose, keep_secrets
from deploy.local.errors import LauncherError
from deploy.local.paths import PYTHON, ROOT
from deploy.local.postgres import Cluster
from deploy.local.processes import MARK, Record, free_port, record_of
from deploy.local.valkey import Valkey

READY_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Platform:
    """What runs: addresses for clients, process numbers for the CPU account."""

    environment: dict[str, str]
    admin_url: str
    base_url: str
    port: int
    postgres_pid: int
    web_pid: int
    valkey_pid: int
    state: Path


@contextmanager
def platform() -> Iterator[Platform]:
    """Give a migrated platform on durable servers of its own, and leave nothing of them behind."""
    state = Path(tempfile.mkdtemp(prefix="paymentplatform-bench-"))
    started: list[Record] = []
    try:
        state.chmod(0o711)
        yield _start(state, started)
    finally:
        for record in reversed(started):
            if record.name == "postgres":
                postgres.stop(record, seconds=20)
            else:
                processes.end([record], seconds=10)
        processes.sweep(str(state))
        shutil.rmtree(state, ignore_errors=True)


def _start(state: Path, started: list[Record]) -> Platform:
    kept = keep_secrets(state)
    (state / "metrics").mkdir()
    marked = dict(os.environ) | {MARK: str(state)}
    cluster = Cluster(
        home=state / "postgres",
        log=state / "postgres.log",
        port=free_port(),
        admin_password=kept["postgres_admin"],
        environment=marked,
    )
    server = cluster.start()
    started.append(record_of("postgres", server.pid))
    addresses = prepare(
        cluster, owner_password=kept["postgres_owner"], app_password=kept["postgres_app"]
    )
    valkey = Valkey(
        home=state / "valkey",
        log=state / "valkey.log",
        port=free_port(),
        password=kept["valkey"],
        environment=marked,
    )
    started.append(record_of("valkey", valkey_pid := valkey.start().pid))
    port = free_port()
    environment = compose(
        kept=kept,
        addresses=addresses | {"REDIS_URL": valkey.url},
        port=port,
        sandbox_port=free_port(in_a_row=2),
        metrics=state / "metrics",
        platform_env="demo",
    )
    _migrate(marked | environment, state)
    web = _start_web(marked | environment, state, port)
    started.append(record_of("web", web.pid))
    _wait_until_ready(environment["BASE_URL"], web, state)
    return Platform(
        environment=environment,
        admin_url=admin_url(cluster),
        base_url=environment["BASE_URL"],
        port=port,
        postgres_pid=server.pid,
        web_pid=web.pid,
        valkey_pid=valkey_pid,
        state=state,
    )


def _migrate(environment: dict[str, str], state: Path) -> None:
    log = state / "migrate.log"
    with log.open("wb") as stream:
        done = subprocess.run(
            [str(PYTHON), "manage.py", "migrate", "--no-input"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise LauncherError("`manage.py migrate` failed.", log=log)


def _start_web(environment: dict[str, str], state: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the web processes with the very command of `python3 run.py`."""
    with (state / "web.log").open("wb") as log:
        return subprocess.Popen(
            [str(PYTHON), "-m", "granian", *WEB, "--port", str(port), WSGI],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait_until_ready(base_url: str, web: subprocess.Popen[bytes], state: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and web.poll() is None:
        if answers(f"{base_url}/readyz")[0] == 200:
            return
        time.sleep(0.05)
    raise LauncherError("The web processes are not ready.", log=state / "web.log")
