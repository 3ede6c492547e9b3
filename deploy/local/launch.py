"""`python3 run.py`: from a bare checkout to a running shop, and back to nothing on Ctrl-C."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from deploy.local import database
from deploy.local.children import Child, answers, degraded_parts, platform_children
from deploy.local.environment import ADDRESSES, compose, keep_secrets
from deploy.local.errors import EXIT_WRONG_USE, LauncherError, Stopped
from deploy.local.files import read_environment, read_json, write_environment, write_json
from deploy.local.paths import PYTHON, ROOT, RUNTIME_LOCK
from deploy.local.places import database_home
from deploy.local.postgres import Cluster
from deploy.local.processes import MARK, free_port, port_is_taken, record_of, run_to_end
from deploy.local.run_state import READY, STARTING, Run
from deploy.local.screen import say, show_addresses
from deploy.local.signals import held_signals, no_signals
from deploy.local.valkey import Valkey
from deploy.local.venv import install

READY_SECONDS = 120.0
WHOLE_SECONDS = 20.0
HIGHEST_PORT = 65535


class Launch:
    """One run of the platform, from the first check to the last process."""

    def __init__(self, state: Path, *, port: int) -> None:
        self.state = state
        self.logs = state / "logs"
        self.port = port
        self.run = Run.load(state)
        self.own_addresses = addresses_of_ours(state)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def until_stopped(self) -> int:
        """Start everything and stay until a signal; return 0 when we were ready and then told to end.

        A failure or a dead child ends everything too, as a LauncherError with the log to look at.
        """
        try:
            self._start()
            self._watch()
        except Stopped as stopped:
            code = 0 if self.run.phase == READY else 128 + stopped.signal_number
        finally:
            self._end()
        say("Stopped. The data are kept: `python3 run.py` goes on, `python3 run.py reset` forgets.")
        return code

    def _start(self) -> None:
        self.run.launcher = record_of("launcher", os.getpid())
        self.run.phase = STARTING
        self.run.save()
        self.run.end_children()
        if port_is_taken(self.port):
            raise LauncherError(
                f"Port {self.port} on 127.0.0.1 is taken by another program."
                f" End it, or choose another: PORT={self.port + 1} python3 run.py",
                exit_code=EXIT_WRONG_USE,
            )
        install(RUNTIME_LOCK, log=self.logs / "install.log")
        environment = self._start_servers()
        say("Preparing the database …")
        self._manage("migrate", "--no-input", environment=environment)
        demo = self._seed(environment)
        say("Starting the platform …")
        for child in self._children():
            with held_signals():
                self._remember(child.name, child.start(environment=environment, logs=self.logs))
        late = self._wait_until_ready(environment)
        self.run.phase = READY
        self.run.save()
        show_addresses(demo, late=late, logs=self.logs)

    def _start_servers(self) -> dict[str, str]:
        """Start the servers that the user did not supply; return and write the environment."""
        kept = keep_secrets(self.state)
        metrics = self.state / "metrics"
        shutil.rmtree(metrics, ignore_errors=True)
        metrics.mkdir()
        addresses = self._start_postgres(kept) | self._start_valkey(kept)
        sandbox_port = self._port_for("sandbox", in_a_row=2)  # its pages, its API
        environment = compose(
            kept=kept,
            addresses=addresses,
            port=self.port,
            sandbox_port=sandbox_port,
            metrics=metrics,
            platform_env="demo",
        )
        write_environment(self.state / "env", environment)
        return dict(os.environ) | {MARK: str(self.state)} | environment

    def _start_postgres(self, kept: dict[str, str]) -> dict[str, str]:
        given = self._given("DATABASE_URL")
        if given:
            owner = self._given("MIGRATION_DATABASE_URL") or given
            return {"DATABASE_URL": given, "MIGRATION_DATABASE_URL": owner}
        say("Starting PostgreSQL …")
        cluster = Cluster(
            home=database_home(self.state),
            log=self.logs / "postgres.log",
            port=self._port_for("postgres"),
            admin_password=kept["postgres_admin"],
            environment=dict(os.environ) | {MARK: str(self.state)},
        )
        self._remember("postgres", cluster.start())
        return database.prepare(
            cluster, owner_password=kept["postgres_owner"], app_password=kept["postgres_app"]
        )

    def _start_valkey(self, kept: dict[str, str]) -> dict[str, str]:
        given = self._given("REDIS_URL")
        if given:
            return {"REDIS_URL": given}
        say("Starting Valkey …")
        valkey = Valkey(
            home=self.state / "valkey",
            log=self.logs / "valkey.log",
            port=self._port_for("valkey"),
            password=kept["valkey"],
            environment=dict(os.environ) | {MARK: str(self.state)},
        )
        self._remember("valkey", valkey.start())
        return {"REDIS_URL": valkey.url}

    def _given(self, name: str) -> str:
        """Return an address that the user supplies, but not our own come back through `.run/env`."""
        value = os.environ.get(name, "")
        return "" if value == self.own_addresses.get(name) else value

    def _port_for(self, name: str, *, in_a_row: int = 1) -> int:
        """Choose a port, the same as last time if it is free: open shells keep their addresses."""
        self.run.ports[name] = free_port(
            self.run.ports.get(name), in_a_row=in_a_row, but_not=self.port
        )
        return self.run.ports[name]

    def _remember(self, name: str, process: "subprocess.Popen[bytes]") -> None:
        self.processes[name] = process
        self.run.add(record_of(name, process.pid))

    def _children(self) -> list[Child]:
        return platform_children(
            port=self.port, sandbox_port=self.run.ports["sandbox"], state=self.state
        )

    def _manage(self, *arguments: str, environment: dict[str, str]) -> str:
        """Run a management command; its answer comes back, everything else goes to its log."""
        log = self.logs / f"{arguments[0]}.log"
        with log.open("wb") as stream:
            done = run_to_end(
                [str(PYTHON), "manage.py", *arguments],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
            )
            if done.returncode != 0:
                stream.write(done.stdout)
        if done.returncode != 0:
            raise LauncherError(f"`manage.py {arguments[0]}` failed.", log=log)
        return done.stdout.decode("utf-8")

    def _seed(self, environment: dict[str, str]) -> dict[str, Any]:
        """Seed the demo and write `.run/demo.json`: what a person or a script needs to start."""
        path = self.state / "demo.json"
        previous = ("--previous", str(path)) if path.exists() else ()
        answer = self._manage("seed_demo", "--json", *previous, environment=environment)
        base = environment["BASE_URL"]
        demo = json.loads(answer) | {
            "base_url": base,
            "admin_url": f"{base}/admin/",
            "demo_url": f"{base}/demo/",
            "sandbox_url": environment["SANDBOX_URL"],
        }
        write_json(path, demo)
        return dict(demo)

    def _wait_until_ready(self, environment: dict[str, str]) -> list[str]:
        """Wait for web and sandbox, then a little for the rest; return what is still not there."""
        needed = [f"{environment['SANDBOX_URL']}/healthz", f"{environment['BASE_URL']}/readyz"]
        started = time.monotonic()
        while True:
            self._check_children()
            replies = [answers(url) for url in needed]
            waited = time.monotonic() - started
            if all(status == 200 for status, _body in replies):
                late = degraded_parts(replies[-1][1])
                if not late or waited > WHOLE_SECONDS:
                    return late
            elif waited > READY_SECONDS:
                slow = next(
                    url for url, reply in zip(needed, replies, strict=True) if reply[0] != 200
                )
                name = "sandbox" if slow == needed[0] else "web"
                raise LauncherError(
                    f"{slow} is not ready after {READY_SECONDS:.0f} s.",
                    log=self.logs / f"{name}.log",
                )
            time.sleep(0.1)

    def _watch(self) -> None:
        while True:
            self._check_children()
            time.sleep(0.3)

    def _check_children(self) -> None:
        """Raise LauncherError when a child has ended: half a platform is worse than none."""
        for name, process in self.processes.items():
            code = process.poll()
            if code is not None:
                raise LauncherError(
                    f"{name} ended unexpectedly ({_how_it_ended(code)}); everything is stopped.",
                    log=self.logs / f"{name}.log",
                )

    def _end(self) -> None:
        """End all children; a second Ctrl-C makes it quick."""
        if self.run.children:
            say("\nStopping …")
        try:
            self.run.end_children()
        except Stopped:
            with no_signals():
                self.run.end_children(seconds=0)


def _how_it_ended(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"signal {-code}"


def addresses_of_ours(state: Path) -> dict[str, str]:
    """Return the addresses of servers that a launcher started here before."""
    ports = read_json(state / "run.json").get("ports", {}).values()
    known = read_environment(state / "env")
    return {
        name: known[name]
        for name in ADDRESSES
        if any(f"@127.0.0.1:{port}/" in known.get(name, "") for port in ports)
    }


def chosen_port() -> int:
    """Return the port that PORT asks for, 8000 by default; raise LauncherError if it is no port."""
    text = os.environ.get("PORT", "") or "8000"
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= HIGHEST_PORT):
        raise LauncherError(
            f"PORT must be a number from 1 to {HIGHEST_PORT}, not {text!r}.",
            exit_code=EXIT_WRONG_USE,
        )
    return int(text)
