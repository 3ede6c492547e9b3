"""The launcher: its pure parts, and real starts and stops of a platform that is only a stand-in.

The stand-in is small but runs on the real programs: PostgreSQL, Valkey, granian, Celery. So the
launcher's promises are tested in seconds; the long test at the end makes the same with the real
platform, from a fresh copy in a folder with a space in its name.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from deploy.local import checks, environment, files, processes, throwaway, venv
from deploy.local.accounts import account_for
from deploy.local.checks import Check
from deploy.local.children import degraded_parts, platform_children
from deploy.local.errors import LauncherError, Stopped, tail
from deploy.local.launch import addresses_of_ours, chosen_port
from deploy.local.paths import system_folder
from deploy.local.signals import ending_signals

ROOT = Path(__file__).resolve().parent.parent
DEMO = {
    "merchant_no": "M1",
    "secret_key": "sk_1",
    "webhook_secret": "whsec_1",
    "payer_no": "P1",
    "payer_password": "secret",
    "payer_token": "token",
    "admin_user": "admin",
    "admin_password": "secret",
}
STAND_IN = {
    "manage.py": f"import sys\nif sys.argv[1] == 'seed_demo': print('{json.dumps(DEMO)}')\n",
    "paymentplatform/__init__.py": (
        "import os\nfrom celery import Celery\n"
        "celery = Celery('stand-in', broker=os.environ['REDIS_URL'])\n"
    ),
    "paymentplatform/settings.py": "SECRET_KEY = 'stand-in'\n",
    "paymentplatform/wsgi.py": (
        "import os\nimport psycopg\n"
        "def application(environ, start_response):\n"
        "    user = os.environ['DATABASE_URL'] if environ['PATH_INFO'] == '/readyz' else None\n"
        "    if user: psycopg.connect(user).close()\n"
        "    start_response('200 OK', [('Content-Type', 'application/json')])\n"
        "    return [b'{\"degraded\": []}']\n"
    ),
    "engine/__init__.py": "",
    "engine/channels/__init__.py": "",
    "engine/channels/sandbox/__init__.py": "",
    "engine/channels/sandbox/institution.py": (
        "import sys\nfrom http.server import BaseHTTPRequestHandler, HTTPServer\n"
        "class Bank(BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n        self.end_headers()\n"
        "HTTPServer(('127.0.0.1', int(sys.argv[sys.argv.index('--port') + 1])), Bank)"
        ".serve_forever()\n"
    ),
}


@pytest.fixture(scope="module", autouse=True)
def unit_database() -> None:
    """The launcher knows nothing of the platform's database, so its tests need none."""


# The pure parts


def test_environment_file_survives_a_round_trip_and_a_shell(tmp_path: Path) -> None:
    path = tmp_path / "env"
    told = {
        "PLAIN": "postgresql://a:b@127.0.0.1:5/x",
        "KEY": "abc=",
        "SPACED": "/a b/it's",
        "NIL": "",
    }
    files.write_environment(path, told)
    assert files.read_environment(path) == told
    assert "PLAIN=postgresql://a:b@127.0.0.1:5/x\n" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o600
    script = f'set -a; . "{path}"; printf %s "$SPACED"'
    assert subprocess.check_output(["/bin/sh", "-c", script], text=True) == "/a b/it's"


def test_torn_state_file_reads_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    assert files.read_json(path) == {}
    for torn in ('{"launcher": ', "[]", "null"):
        path.write_text(torn, encoding="utf-8")
        assert files.read_json(path) == {}


def test_secrets_are_drawn_once(tmp_path: Path) -> None:
    first = environment.keep_secrets(tmp_path)
    assert environment.keep_secrets(tmp_path) == first
    assert len(set(first.values())) == len(first)


def test_lock_is_held_by_one(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with files.locked(lock), pytest.raises(files.Busy), files.locked(lock, wait=False):
        pass
    with files.locked(tmp_path / "lock", wait=False):
        pass


def test_a_stranger_with_our_pid_is_not_ours() -> None:
    stranger = processes.Record(name="web", pid=os.getpid(), started="another boot:1")
    assert not stranger.is_alive()
    processes.send(stranger, signal.SIGKILL)  # we are still here to say so
    assert processes.record_of("self", os.getpid()).is_alive()


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    record = processes.record_of("child", child.pid)
    assert processes.wait_until_gone([record], seconds=10) == []
    child.wait()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_sweep_ends_what_carries_our_mark_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    marked = subprocess.Popen(command, env=os.environ | {processes.MARK: str(tmp_path)})
    other = subprocess.Popen(command, env=os.environ | {processes.MARK: f"{tmp_path}-2"})
    try:
        processes.sweep(str(tmp_path))
        assert marked.wait(timeout=60) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_free_port_prefers_the_last_one_and_avoids_a_taken_one() -> None:
    port = processes.free_port()
    assert processes.free_port(port) == port
    with socket.create_server(("127.0.0.1", port)):
        assert processes.port_is_taken(port)
        assert processes.free_port(port) != port
        assert processes.free_port(port - 1, in_a_row=2) != port - 1
    assert processes.free_port(port, but_not=port) != port


@pytest.mark.parametrize("text", ["0", "65536", "-1", "8000x", "８０００", "1.5"])
def test_port_must_be_a_port(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", text)
    with pytest.raises(LauncherError) as refused:
        chosen_port()
    assert refused.value.exit_code == 2


def test_port_is_8000_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    assert chosen_port() == 8000
    monkeypatch.setenv("PORT", "8123")
    assert chosen_port() == 8123


def test_children_are_run_as_modules_on_loopback(tmp_path: Path) -> None:
    children = platform_children(port=1, sandbox_port=2, state=tmp_path / "a b")
    assert [child.name for child in children] == ["sandbox", "web", "worker", "webhooks", "beat"]
    assert all(child.command[1] == "-m" for child in children)
    assert all("127.0.0.1" in child.command for child in children[:2])


def test_readiness_body_may_be_anything() -> None:
    assert degraded_parts('{"degraded": ["beat"]}') == ["beat"]
    for body in ("", "[]", '{"status": "ok"}', "<html>"):
        assert degraded_parts(body) == []


def test_tail_of_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == ""


def test_each_checkout_has_a_system_folder_of_its_own(tmp_path: Path) -> None:
    assert system_folder(tmp_path / "a") != system_folder(tmp_path / "b")


def test_postgres_never_runs_as_root(tmp_path: Path) -> None:
    account = account_for(tmp_path / "none")
    assert account.user_id != 0
    assert (account.user_id is None) == (os.geteuid() != 0)


def test_own_addresses_from_a_sourced_file_do_not_count_as_the_users(tmp_path: Path) -> None:
    told = {"DATABASE_URL": "postgresql://a:b@127.0.0.1:15001/platform", "REDIS_URL": "redis://h/0"}
    files.write_environment(tmp_path / "env", told)
    files.write_json(tmp_path / "run.json", {"ports": {"postgres": 15001}})
    assert addresses_of_ours(tmp_path) == {"DATABASE_URL": told["DATABASE_URL"]}


@pytest.mark.parametrize(
    ("codes", "tests", "expected"), [((0, 0), 0, 0), ((1, 0), 0, 1), ((0, 0), 5, 5), ((1, 1), 1, 1)]
)
def test_every_check_runs_and_any_failure_counts(
    codes: tuple[int, ...], tests: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []
    made = [Check(str(code), lambda _told, code=code: ran.append(code) or code) for code in codes]
    monkeypatch.setattr(checks, "CHECKS", made)
    monkeypatch.setattr(checks, "call", lambda command, _told: ran.append(len(command)) or tests)
    assert checks.run_on({}, []) == expected
    assert len(ran) == len(codes) + 1
    assert checks.run_on({}, ["tests/test_launcher.py"]) == tests
    assert len(ran) == len(codes) + 2


def test_an_interrupted_command_may_clean_up(tmp_path: Path) -> None:
    script = (
        "import pathlib, time\npathlib.Path('started').touch()\n"
        "try: time.sleep(60)\nfinally: pathlib.Path('cleaned').touch()"
    )

    def interrupt() -> None:
        while not (tmp_path / "started").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt).start()
    there = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(tmp_path)]
    with ending_signals(), pytest.raises(Stopped):
        checks.call([*there, sys.executable, "-c", script], dict(os.environ))
    assert (tmp_path / "cleaned").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_signal_between_fork_and_exec_leaves_no_program_behind() -> None:
    """There Python's own Popen forgets its child."""
    mark, me = f"signal-{os.getpid()}-{time.monotonic_ns()}", os.getpid()
    with ending_signals(), pytest.raises(Stopped):
        processes.run_to_end(
            ["sleep", "60"],
            env=dict(os.environ) | {"SIGNALLED": mark},
            preexec_fn=lambda: os.kill(me, signal.SIGTERM),
        )
    left = list(processes.carrying(mark, name="SIGNALLED"))
    processes.end(left, seconds=1)
    assert left == []


def test_nothing_is_installed_while_the_lock_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "some.txt"
    lock.write_text("", encoding="utf-8")
    called: list[list[str]] = []
    monkeypatch.setattr(venv, "VENV", tmp_path)
    monkeypatch.setattr(venv, "_is_usable", lambda: True)
    monkeypatch.setattr(venv, "_call", lambda command, **_rest: called.append(command))
    (tmp_path / "pyvenv.cfg").touch()
    assert venv.install(lock, log=tmp_path / "log")
    assert not venv.install(lock, log=tmp_path / "log")
    lock.write_text("# changed", encoding="utf-8")
    assert venv.install(lock, log=tmp_path / "log")
    assert [{"--require-hashes", "--no-deps"} <= set(command) for command in called] == [True] * 2


def test_without_ensurepip_the_systems_pip_fills_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(venv, "VENV", tmp_path)
    assert "--python" in venv.find_pip()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(LauncherError, match="apt-get install python3-venv"):
        venv.find_pip()


# The real thing


@dataclass
class Checkout:
    """A folder with a `run.py`, and what a person does there."""

    folder: Path
    port: int

    def command(self, *arguments: str, port: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run `run.py` to its end."""
        return subprocess.run(
            self._line(*arguments),
            env=self._environment(port),
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )

    def start(self, *arguments: str, **extra: str) -> subprocess.Popen[bytes]:
        """Start `run.py` in the background, with additions to its environment."""
        told = self._environment(None) | extra
        with (self.folder / "screen.txt").open("ab") as screen:
            return subprocess.Popen(self._line(*arguments), env=told, stdout=screen, stderr=screen)

    def _line(self, *arguments: str) -> list[str]:
        return [sys.executable, str(self.folder / "run.py"), *arguments]

    def _environment(self, port: int | None) -> dict[str, str]:
        """Return the environment without the test servers, which would count as the user's own."""
        mine = {key: value for key, value in os.environ.items() if key not in environment.ADDRESSES}
        return mine | {"PORT": str(port or self.port)}

    def children(self) -> dict[str, processes.Record]:
        """Return the children that the state folder names."""
        known = files.read_json(self.folder / ".run/run.json")
        records = [processes.Record(**child) for child in known.get("children", [])]
        return {record.name: record for record in records}

    def wait_for_ready(self, seconds: float = 120.0) -> None:
        """Wait until the launcher says that all is ready."""
        deadline = time.monotonic() + seconds
        while files.read_json(self.folder / ".run/run.json").get("phase") != "ready":
            assert time.monotonic() < deadline, self.screen()
            time.sleep(0.1)

    def screen(self) -> str:
        """Return what `run.py` has printed."""
        return (self.folder / "screen.txt").read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    """A checkout of the stand-in, in a folder with a space; whatever happens, nothing stays running."""
    folder = tmp_path / "stand in"
    for name, text in STAND_IN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "deploy/local", folder / "deploy/local")
    for name in ("run.py", "deploy/__init__.py", "requirements.txt"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(Path(sys.prefix))
    made = Checkout(folder=folder, port=processes.free_port())
    yield made
    made.command("reset")


@pytest.mark.timeout(400)
def test_whole_life(checkout: Checkout) -> None:
    """Start, report, status, a taken port, a killed launcher, a restart, stop: one story."""
    launcher = checkout.start()
    checkout.wait_for_ready()
    demo = json.loads((checkout.folder / ".run/demo.json").read_text(encoding="utf-8"))
    assert demo == DEMO | {
        "base_url": f"http://127.0.0.1:{checkout.port}",
        "admin_url": f"http://127.0.0.1:{checkout.port}/admin/",
        "demo_url": f"http://127.0.0.1:{checkout.port}/demo/",
        "sandbox_url": demo["sandbox_url"],
    }
    assert urllib.request.urlopen(demo["sandbox_url"], timeout=60).status == 200
    told = files.read_environment(checkout.folder / ".run/env")
    assert told["PLATFORM_ENV"] == "demo"

    again = checkout.command()
    assert (again.returncode, demo["demo_url"] in again.stdout) == (0, True)
    assert checkout.command("status").returncode == 0

    first = checkout.children()
    assert set(first) == {"postgres", "valkey", "sandbox", "web", "worker", "webhooks", "beat"}
    launcher.kill()
    launcher.wait()
    assert all(child.is_alive() for child in first.values())
    assert checkout.command("status").returncode == 1

    os.kill(first["postgres"].pid, signal.SIGKILL)  # so that a stale pid file stays as well
    files.write_json(checkout.folder / ".run/run.json", {})
    launcher = checkout.start()
    checkout.wait_for_ready()
    assert not any(child.is_alive() for child in first.values())
    assert files.read_environment(checkout.folder / ".run/env")["SECRET_KEY"] == told["SECRET_KEY"]

    second = checkout.children()
    assert checkout.command("stop").returncode == 0
    assert launcher.wait(timeout=60) == 0
    assert not any(child.is_alive() for child in second.values())
    assert not processes.port_is_taken(checkout.port)
    assert checkout.command("stop").returncode == 0


class Family:
    """All processes that a launcher has ever had, found by looking often."""

    def __init__(self, launcher: subprocess.Popen[bytes]) -> None:
        self.launcher = launcher
        self.seen: set[processes.Record] = set()

    def watch(self, until: Callable[[], object], seconds: float = 120.0) -> None:
        """Look until the condition holds."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline
            self.seen |= set(processes.descendants(self.launcher.pid))
            time.sleep(0.02)

    def living(self) -> list[str]:
        """Name those that live."""
        left = [one for one in self.seen if one.is_alive()]
        return [Path(f"/proc/{one.pid}/cmdline").read_text().replace("\0", " ") for one in left]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("when", "number", "another"),
    [
        ("postgres", signal.SIGTERM, None),
        ("valkey", signal.SIGINT, None),
        ("beat", signal.SIGHUP, signal.SIGTERM),
    ],
)
def test_a_signal_while_it_starts_leaves_no_process(
    checkout: Checkout, when: str, number: signal.Signals, another: signal.Signals | None
) -> None:
    family = Family(launcher := checkout.start())
    log = checkout.folder / f".run/logs/{when}.log"
    family.watch(until=lambda: log.exists() and family.seen)
    launcher.send_signal(number)
    if another is not None:
        time.sleep(0.05)  # so that it is a second one, and not heard first
        launcher.send_signal(another)
    family.watch(until=lambda: launcher.poll() is not None)
    assert launcher.returncode == 128 + number
    assert family.living() == []
    assert list(processes.carrying(str(checkout.folder / ".run"))) == []


STUBBORN_TEST = """
import os, pathlib, signal, subprocess, sys, time
STAY = "import signal, time; [signal.signal(n, signal.SIG_IGN) for n in (2, 15)]; print(1, flush=True); time.sleep(300)"
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {STAY!r}], start_new_session=True)"
def test_that_leaves_processes():
    subprocess.Popen([sys.executable, "-c", STAY], start_new_session=True, stdout=subprocess.PIPE).stdout.readline()
    subprocess.run([sys.executable, "-c", ORPHAN], check=True)
    pathlib.Path("started").touch()
    time.sleep(300)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.timeout(300)
@pytest.mark.long  # installs the whole lock in a checkout of its own
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_test_run_leaves_no_process(
    checkout: Checkout, number: signal.Signals
) -> None:
    """Not its servers, nor its workers, nor what a test has started in a session of its own, nor an orphan of that."""
    shutil.copy(ROOT / "requirements-dev.txt", checkout.folder / "requirements-dev.txt")
    (checkout.folder / "test_stubborn.py").write_text(STUBBORN_TEST, encoding="utf-8")
    known = {one.pid for one in processes.carrying(str(checkout.folder), name="STUBBORN")}
    launcher = checkout.start(
        *("test", "test_stubborn.py", "-n", "1", "-p", "no:cacheprovider"),
        STUBBORN=str(checkout.folder),
    )
    family = Family(launcher)
    family.watch(until=(checkout.folder / "started").exists)
    started = set(processes.carrying(str(checkout.folder), name="STUBBORN"))
    assert len(started) > 4, "run.py, pytest, its worker, what stays, an orphan"
    assert known == set()
    launcher.send_signal(number)
    family.watch(until=lambda: launcher.poll() is not None)
    assert launcher.returncode == 128 + number
    assert family.living() == []
    assert [one for one in started if one.is_alive()] == []


@pytest.mark.timeout(300)
def test_a_dead_child_ends_everything_and_shows_its_log(checkout: Checkout) -> None:
    launcher = checkout.start()
    checkout.wait_for_ready()
    children = checkout.children()
    os.kill(children["beat"].pid, signal.SIGKILL)
    assert launcher.wait(timeout=60) == 1
    assert "beat ended unexpectedly (signal 9)" in checkout.screen()
    assert "celery beat" in checkout.screen()
    assert not any(child.is_alive() for child in children.values())


@pytest.mark.timeout(300)
def test_servers_of_the_user_are_used_and_left_alone(checkout: Checkout) -> None:
    with throwaway.servers() as told:
        launcher = checkout.start(**{name: told[name] for name in environment.ADDRESSES})
        checkout.wait_for_ready()
        assert set(checkout.children()) == {"sandbox", "web", "worker", "webhooks", "beat"}
        used = files.read_environment(checkout.folder / ".run/env")
        assert {used[name] == told[name] for name in environment.ADDRESSES} == {True}
        launcher.terminate()
        assert launcher.wait(timeout=60) == 0
        with psycopg.connect(told["DATABASE_URL"]) as database:
            assert database.execute("SELECT current_user").fetchone() == ("platform_app",)


def test_throw_away_servers_have_two_roles_and_vanish() -> None:
    with throwaway.servers() as told:
        with psycopg.connect(told["MIGRATION_DATABASE_URL"], autocommit=True) as owner:
            owner.execute("CREATE DATABASE another")
            owner.execute("CREATE TABLE public.thing (id integer)")
            row = owner.execute("SELECT current_setting('is_superuser')").fetchone()
            assert row == ("off",)
        with psycopg.connect(told["DATABASE_URL"], autocommit=True) as application:
            for refused in ("CREATE TABLE public.other (id integer)", "DROP TABLE public.thing"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    application.execute(refused)
    folder = Path(told["PROMETHEUS_MULTIPROC_DIR"]).parent
    assert not folder.exists()
    for name in ("DATABASE_URL", "REDIS_URL"):
        assert not processes.port_is_taken(urlsplit(told[name]).port or 0)


def test_taken_port_is_a_clear_error(checkout: Checkout) -> None:
    with socket.create_server(("127.0.0.1", checkout.port)):
        refused = checkout.command()
    assert refused.returncode == 2
    assert f"Port {checkout.port}" in refused.stderr
    assert f"PORT={checkout.port + 1}" in refused.stderr


def test_wrong_use_changes_nothing(checkout: Checkout) -> None:
    for wrong in (("restart",), ("reset", "please"), ("--verbose",)):
        assert checkout.command(*wrong).returncode == 2
    assert checkout.command("--help").returncode == 0
    assert checkout.command("prove").returncode == 1
    assert not (checkout.folder / ".run").exists()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_fresh_clone_comes_up_proves_its_books_and_goes(tmp_path: Path) -> None:
    """Install, start, prove and reset the real platform from a clone, as a newcomer would."""
    folder = tmp_path / "fresh clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    fresh = Checkout(folder=folder, port=processes.free_port())
    launcher = fresh.start()
    try:
        fresh.wait_for_ready(seconds=400)
        proof = fresh.command("prove")
        assert proof.returncode == 0, proof.stdout + proof.stderr
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(timeout=60) == 0
    finally:
        fresh.command("reset")
    assert not (folder / ".run").exists()
