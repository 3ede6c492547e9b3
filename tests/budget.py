"""The tables at the end of a run: what each capability's tests have cost, and each folder's."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import pytest
from _pytest.terminal import TerminalReporter

from tests.capabilities import CAPABILITIES, capability_of

PLATFORMS = "the live platforms' processes"


@dataclass
class Share:
    """One part of a run, in seconds of the workers.

    ``cpu_s`` has what they and the processes they have started and ended have computed, but not the databases' part.
    """

    tests: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


@dataclass
class Meter:
    """What this process and those whose end it has waited for have computed, in seconds."""

    computed_s: float = 0.0
    apart_s: float = 0.0

    def advance(self) -> float:
        """Return what has been computed since the last time."""
        began, self.computed_s = self.computed_s, sum(os.times()[:4])
        return self.computed_s - began


_meter = Meter(sum(os.times()[:4]))


@contextmanager
def apart() -> Iterator[None]:
    """Count what is computed, or comes to light, in this block for the live platforms and for no test.

    A process is charged to whoever waits for its end: a platform that has served many would be one test's.
    """
    began = sum(os.times()[:4])
    try:
        yield
    finally:
        _meter.apart_s += sum(os.times()[:4]) - began


def note_costs(report: pytest.TestReport) -> None:
    """Write on the report what this process has computed since the one before; it travels to the tables with it."""
    report.apart_s, _meter.apart_s = _meter.apart_s, 0.0
    report.cpu_s = _meter.advance() - report.apart_s


def shares_of(
    reports: Iterable[pytest.TestReport], part_of: Callable[[str], str]
) -> dict[str, Share]:
    """Add up by what ``part_of`` says of a file. A shared fixture counts for the test that needed it first."""
    shares: defaultdict[str, Share] = defaultdict(Share)
    for report in reports:
        share = shares[part_of(report.nodeid.partition("::")[0])]
        share.tests += report.when == "setup"
        share.wall_s += report.duration
        share.cpu_s += getattr(report, "cpu_s", 0.0)
        apart_s = getattr(report, "apart_s", 0.0)
        if apart_s:
            shares[PLATFORMS].cpu_s += apart_s
    return dict(shares)


def print_tables(terminal: TerminalReporter) -> None:
    """Print what each capability and each top folder has cost, the dearest first, when there is more than one."""
    entries = chain.from_iterable(terminal.stats.values())
    reports = [entry for entry in entries if isinstance(entry, pytest.TestReport)]
    by_folder = shares_of(reports, lambda path: "/".join(path.split("/")[:2]))
    if len(by_folder) < 2:
        return
    titles = {
        capability.letter: f"{capability.letter}  {capability.title}"
        + (f" (alone ≤ {capability.budget_s:.0f} s)" if capability.budget_s else "")
        for capability in CAPABILITIES
    }
    _print_shares(
        terminal,
        "seconds of workers by capability (tests/capabilities.py)",
        shares_of(reports, lambda path: titles[capability_of(path).letter]),
    )
    _print_shares(terminal, "seconds of workers by folder", by_folder)


def _print_shares(terminal: TerminalReporter, title: str, shares: dict[str, Share]) -> None:
    terminal.section(title)
    terminal.write_line(f"{'wall':>8} {'cpu':>8} {'tests':>6}")
    for part, share in sorted(shares.items(), key=lambda entry: -entry[1].wall_s):
        terminal.write_line(f"{share.wall_s:8.1f} {share.cpu_s:8.1f} {share.tests:6} {part}")
    total = sum(share.wall_s for share in shares.values())
    computed = sum(share.cpu_s for share in shares.values())
    terminal.write_line(f"{total:8.1f} {computed:8.1f} {'':6} all")
