"""One path for many minutes, with checkpoints in between: does speed stay, does memory?"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from bench.measuring import Bench, Plan
from bench.paths import PATHS
from bench.servers import Platform

CHECKPOINT_EVERY_MIN: Final = 3


@dataclass(frozen=True)
class Minute:
    """One minute: lives a second, the slowest percent, resident memory afterwards in MiB."""

    minute: int
    tps: float
    p99_ms: float
    web_mib: float
    postgres_mib: float


def soak(bench: Bench, running: Platform, plan: Plan, *, minutes: int) -> list[Minute]:
    """Pay from balances minute after minute; the checkpointer works and autovacuum comes as in daily life."""
    path = next(path for path in PATHS if path.name == "balance_payment")
    seen = []
    for minute in range(1, minutes + 1):
        began = time.monotonic()
        cell = bench.load_once(path, connections=plan.connections[0], seconds=60)
        latencies = sorted(cell.latencies_ms)
        seen.append(
            Minute(
                minute,
                cell.tps,
                latencies[len(latencies) * 99 // 100],
                resident_mib(running.web_pid),
                resident_mib(running.postgres_pid),
            )
        )
        print(line(seen[-1]), f"({time.monotonic() - began:.0f} s)", flush=True)
        if minute % CHECKPOINT_EVERY_MIN == 0:
            with psycopg.connect(running.admin_url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
    return seen


def resident_mib(root: int) -> float:
    """Add up what a process and its children alone have in memory (shared pages left out)."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(entry.split(":", 1) for entry in status.read_text().splitlines())
        except (OSError, ValueError):
            continue
        if str(root) in (fields["Pid"].strip(), fields["PPid"].strip()) and "RssAnon" in fields:
            total += int(fields["RssAnon"].split()[0])
    return total / 1024


def line(minute: Minute) -> str:
    """Write one minute for people."""
    return (
        f"minute {minute.minute:>3}: {minute.tps:>6.0f} a second, p99 {minute.p99_ms:>5.0f} ms,"
        f" web {minute.web_mib:>6.1f} MiB, PostgreSQL {minute.postgres_mib:>6.1f} MiB"
    )


def as_json(minutes: list[Minute]) -> list[dict[str, Any]]:
    """Return the minutes for a document."""
    return [asdict(minute) for minute in minutes]
