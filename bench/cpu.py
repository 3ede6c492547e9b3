"""CPU seconds by group of processes, read from /proc: what a request costs whoever else uses the machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK_S: Final = 1 / os.sysconf("SC_CLK_TCK")
_PROC: Final = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """CPU seconds used so far: by PostgreSQL, by the web processes, by the whole machine."""

    postgres: float
    web: float
    machine: float

    def since(self, earlier: Usage) -> Usage:
        """Return what was used between two readings."""
        return Usage(
            self.postgres - earlier.postgres,
            self.web - earlier.web,
            self.machine - earlier.machine,
        )


def read_usage(*, postgres_pid: int, web_pid: int) -> Usage:
    """Read all three. A server's children that have ended already count with it."""
    spent: dict[int, float] = {}
    parents: dict[int, int] = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            fields = entry.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(entry.parent.name)
        parents[pid] = int(fields[1])
        spent[pid] = sum(int(value) for value in fields[11:13]) * _TICK_S
        if pid in {postgres_pid, web_pid}:
            spent[pid] += sum(int(value) for value in fields[13:15]) * _TICK_S
    return Usage(_tree(postgres_pid, spent, parents), _tree(web_pid, spent, parents), _machine())


def _tree(root: int, spent: dict[int, float], parents: dict[int, int]) -> float:
    children = [pid for pid, parent in parents.items() if parent == root]
    return spent.get(root, 0.0) + sum(_tree(child, spent, parents) for child in children)


def _machine() -> float:
    """Return the busy CPU seconds of the machine; waiting for a disk is not busy."""
    fields = (_PROC / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, irq, soft_irq = (int(value) for value in fields[:7])
    return (user + nice + system + irq + soft_irq) * _TICK_S
