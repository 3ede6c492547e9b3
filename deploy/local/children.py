"""The platform's processes: how each is called, and how one knows that it is there."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.paths import PYTHON, ROOT

AS_ROOT = "ignore:You're running the worker with superuser privileges"
SANDBOX = "engine.channels.sandbox.institution"
WSGI = "paymentplatform.wsgi:application"
LOOPBACK = ("--host", "127.0.0.1")
WEB = (
    *("--interface", "wsgi", "--http", "1", "--no-ws", *LOOPBACK),
    *("--workers", "2", "--blocking-threads", "16", "--backlog", "1024"),
    # A thread has a database connection with plans of its own: one that ends takes them with it.
    *("--blocking-threads-idle-timeout", "600"),
    *("--respawn-failed-workers", "--workers-kill-timeout", "10"),
)
QUIET_START = ("--without-gossip", "--without-mingle", "-l", "info")
WORKER = ("-Q", "celery,channels", "--concurrency", "3", *QUIET_START)
WEBHOOKS = ("-Q", "webhooks", "--concurrency", "1", "-n", "webhooks@%h", *QUIET_START)
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Child:
    """A process to start: its name (also its log's), its command, and additions to its environment."""

    name: str
    command: tuple[str, ...]
    extra: dict[str, str] = field(default_factory=dict)

    def start(self, *, environment: dict[str, str], logs: Path) -> "subprocess.Popen[bytes]":
        """Start it in a session of its own, so that the terminal's Ctrl-C reaches only the launcher."""
        with (logs / f"{self.name}.log").open("wb") as log:
            return subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=environment | {"PYTHONUNBUFFERED": "1"} | self.extra,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def platform_children(*, port: int, sandbox_port: int, state: Path) -> list[Child]:
    """Return the processes of the platform. Programs are run as modules: a path may contain spaces."""
    python = str(PYTHON)
    celery = (python, "-m", "celery", "-A", "paymentplatform")
    quiet = {"PYTHONWARNINGS": AS_ROOT} if os.geteuid() == 0 else {}
    book = str(state / "sandbox-book.sqlite3")
    schedule = str(state / "beat-schedule")
    return [
        Child(
            "sandbox",
            (python, "-m", SANDBOX, *LOOPBACK, "--port", str(sandbox_port), "--book", book),
        ),
        Child("web", (python, "-m", "granian", *WEB, "--port", str(port), WSGI)),
        Child("worker", (*celery, "worker", *WORKER), quiet),
        Child("webhooks", (*celery, "worker", *WEBHOOKS), quiet),
        Child("beat", (*celery, "beat", "-s", schedule, "-l", "info")),
    ]


def answers(url: str) -> tuple[int, str]:
    """Ask an address without any proxy; return status and body, or 0 when nobody answers."""
    try:
        with DIRECT.open(url, timeout=3) as answer:
            return answer.status, answer.read(65536).decode("utf-8", "replace")
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read(65536).decode("utf-8", "replace")
    except (OSError, ValueError):
        return 0, ""


def degraded_parts(body: str) -> list[str]:
    """Return what /readyz calls degraded; nothing when its body says nothing about it."""
    try:
        parts = json.loads(body).get("degraded", [])
    except (ValueError, AttributeError):
        return []
    return [str(part) for part in parts]
