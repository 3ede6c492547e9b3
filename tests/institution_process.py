"""The real sandbox institution as a process of its own, for whoever needs an outside world."""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.environment import ROOT
from tests.waiting import wait_until


def free_port_pair() -> int:
    """Return a port that is free together with the next one, below those the kernel gives to clients."""
    for _ in range(200):
        port = random.randrange(20_000, 32_000, 2)
        try:
            with socket.socket() as first, socket.socket() as second:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
        except OSError:
            continue
        return port
    raise AssertionError("no two free ports beside each other")


class InstitutionProcess:
    """Start, kill and ask one institution; its book is one file, which outlives the process."""

    def __init__(self, book: Path, *, base_url: str = "", port: int = 0, key: str = "") -> None:
        self.port = port or free_port_pair()
        self.url = f"http://127.0.0.1:{self.port}"
        self.api_url = f"http://127.0.0.1:{self.port + 1}"
        self.key = key or secrets.token_hex(32)
        self._book = book
        self._base_url = base_url
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = os.environ | {"SANDBOX_SIGNING_KEY": self.key, "BASE_URL": self._base_url}
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "engine.channels.sandbox.institution"),
                *("--host", "127.0.0.1", "--port", str(self.port), "--book", str(self._book)),
            ],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        wait_until(self._is_ready, what="the institution to start", every_s=0.02)

    def stop(self) -> int:
        """End it kindly; returns its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=60)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=60)

    def confirm(self, payment_no: str, *, decision: str = "pay") -> dict[str, Any]:
        """Do what the payer would do on the page."""
        return self.control("confirm", {"payment_no": payment_no, "decision": decision})

    def fault(self, mode: str, seconds: float = 30) -> None:
        """Put a fault in force on the API."""
        self.control("faults", {"mode": mode, "seconds": seconds})

    def book(self, **filters: str) -> dict[str, list[dict[str, Any]]]:
        """Read the outside truth (``order_no=``, ``payment_no=``, ``full="1"``)."""
        query = "&".join(f"{name}={value}" for name, value in filters.items())
        return self._fetch(f"/control/book?{query}", None)

    def control(self, name: str, document: dict[str, Any]) -> dict[str, Any]:
        """Post to a control endpoint; a refusal comes back with its ``http_status``."""
        return self._fetch(f"/control/{name}", json.dumps(document).encode())

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "the institution ended at once"
        try:
            return self._fetch("/healthz", None) == {"status": "ok"}
        except OSError:
            return False

    def _fetch(self, path: str, body: bytes | None) -> Any:
        request = urllib.request.Request(
            self.url + path, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.load(response)
        except urllib.error.HTTPError as refusal:
            return json.load(refusal) | {"http_status": refusal.code}
