"""Processes that we may end, told apart from strangers that inherited their number.

A pid alone names nobody: after `kill -9` or a restart the system hands it to someone else. We keep
the pid together with the moment the process started (and the boot it belongs to), and we signal a
process only when both still agree. What was never written down is recognised by a mark that we put
in the environment of everything that we start.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.local.errors import LauncherError
from deploy.local.signals import held_signals

OUR_PORTS = (15000, 30000)
MARK = "LAUNCHER_STATE"
TESTS_MARK = (
    "LAUNCHER_TESTS"  # of everything that a test run starts; a launcher that it tries keeps it
)
PROC = Path("/proc")


@dataclass(frozen=True)
class Record:
    """One process of ours, as written down in the state folder."""

    name: str
    pid: int
    started: str

    def is_alive(self) -> bool:
        """Say whether this very process still runs (a zombie does not)."""
        return start_mark(self.pid) == self.started

    def as_json(self) -> dict[str, Any]:
        """Return the form that goes into a state file."""
        return asdict(self)


def record_of(name: str, pid: int) -> Record:
    """Write down a process that we have just started; it may already be dead."""
    return Record(name=name, pid=pid, started=start_mark(pid) or "ended at once")


def start_mark(pid: int) -> str | None:
    """Return when a process started, in a form unique over reboots; None when it does not run."""
    if sys.platform == "linux":
        fields = _stat_fields(pid)
        return None if fields is None or fields[0] in "ZX" else f"{_boot_id()}:{fields[19]}"
    answer = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return None if not answer or answer.startswith("Z") else answer.split(None, 1)[-1]


def _stat_fields(pid: int) -> list[str] | None:
    """Return /proc/PID/stat from the state on; the name before it may contain anything."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _boot_id() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown-boot"


def pids() -> list[int]:
    """Return the numbers of all processes; elsewhere than on Linux none."""
    return [int(entry.name) for entry in PROC.glob("[0-9]*")] if PROC.is_dir() else []


def is_in_use(pid: int) -> bool:
    """Say whether a number belongs to any process at all, be it somebody else's or a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def servers_in(folder: Path, *, program: str) -> list[Record]:
    """Find servers by the folder they work in: both of ours go into their data folder.

    Their environment cannot be read, because they write their titles over it. Linux only.
    """
    return [record_of(program, pid) for pid in pids() if _works_in(pid, folder.resolve(), program)]


def _works_in(pid: int, folder: Path, program: str) -> bool:
    process = PROC / str(pid)
    try:
        name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
        return name == program and (process / "cwd").readlink() == folder
    except OSError:
        return False


def descendants(ancestor: int) -> list[Record]:
    """Find the children of a process, their children, and so on, as far as each still has its parent. Linux only."""
    children: dict[int, list[int]] = {}
    for pid in pids():
        fields = _stat_fields(pid)
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(pid)
    found, parents = [], [ancestor]
    while parents:
        found += (born := [pid for parent in parents for pid in children.get(parent, [])])
        parents = born
    return [record_of("descendant", pid) for pid in found]


def carrying(mark: str, *, name: str = MARK) -> Iterator[Record]:
    """Find processes with our mark in their environment, except ourselves.

    This is how we recognise what a killed launcher had no time to write down, and workers whose
    parent was killed. Linux only: elsewhere nothing is found, and such processes stay.
    """
    wanted = f"{name}={mark}".encode()
    for pid in pids():
        with contextlib.suppress(OSError):
            given = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
            if wanted in given and pid != os.getpid():
                yield record_of("left behind", pid)


def send(record: Record, signal_number: int) -> None:
    """Signal a process of ours; when it is gone, do nothing."""
    if record.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, signal_number)


def wait_until_gone(records: list[Record], *, seconds: float) -> list[Record]:
    """Wait for processes to end; return those that have not when the time is up."""
    deadline = time.monotonic() + seconds
    left = records
    while (
        left := [record for record in left if record.is_alive()]
    ) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def end(records: list[Record], *, seconds: float) -> None:
    """End processes kindly and together, by force when the time is up."""
    for record in records:
        send(record, signal.SIGTERM)
    for record in wait_until_gone(records, seconds=seconds):
        send(record, signal.SIGKILL)
    wait_until_gone(records, seconds=5)


def sweep(mark: str) -> None:
    """End by force whatever still carries our mark."""
    left = list(carrying(mark))
    for record in left:
        send(record, signal.SIGKILL)
    wait_until_gone(left, seconds=5)


def run_to_end(
    command: Sequence[str | Path], **options: Any
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program to its end, whatever that is; when we are told to end first, it is ended too.

    subprocess.run leaves its child behind when a signal comes just while it starts it.
    """
    process = None
    try:
        with held_signals():
            process = subprocess.Popen(command, **options)
        said, complained = process.communicate()
    except BaseException:
        if process is not None:
            process.kill()
            process.wait()
        raise
    return subprocess.CompletedProcess(command, process.returncode, said, complained)


def free_port(
    preferred: int | None = None, *, in_a_row: int = 1, but_not: int | None = None
) -> int:
    """Return the preferred loopback port when nobody has it, else some free one.

    `in_a_row` ports in a row are free; `but_not` is spoken for though nobody listens there yet. We stay
    below the range from which the system takes ports for outgoing connections: one of those could
    otherwise slip in before our server does.
    """
    tries = [random.randint(*OUR_PORTS) for _ in range(100)]  # noqa: S311 (no secret)
    for first in [preferred, *tries] if preferred else tries:
        ports = range(first, first + in_a_row)
        if but_not not in ports and not any(port_is_taken(port) for port in ports):
            return first
    raise LauncherError("No free port on 127.0.0.1.")


def port_is_taken(port: int) -> bool:
    """Say whether somebody already listens where we want to."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return True
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
