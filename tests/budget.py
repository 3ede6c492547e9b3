"""The table at the end of a run: what each capability's tests have cost."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import pytest
from _pytest.terminal import TerminalReporter

_computed_s = sum(os.times()[:4])


@dataclass
class Share:
    """One top folder's part of a run, in seconds of the workers.

    ``cpu_s`` has what they and the processes they have started and ended have computed, but not the databases' part.
    """

    tests: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0


def note_costs(report: pytest.TestReport) -> None:
    """Write on the report what this process has computed since the one before; it travels to the table with it."""
    global _computed_s
    began, _computed_s = _computed_s, sum(os.times()[:4])
    report.cpu_s = _computed_s - began


def shares_of(reports: Iterable[pytest.TestReport]) -> dict[str, Share]:
    """Add up by top folder. A shared fixture counts for the test that needed it first."""
    shares: defaultdict[str, Share] = defaultdict(Share)
    for report in reports:
        share = shares["/".join(report.nodeid.partition("::")[0].split("/")[:2])]
        share.tests += report.when == "setup"
        share.wall_s += report.duration
        share.cpu_s += getattr(report, "cpu_s", 0.0)
    return dict(shares)


def print_table(terminal: TerminalReporter) -> None:
    """Print what each top folder has cost, the dearest first, when there is more than one."""
    entries = chain.from_iterable(terminal.stats.values())
    shares = shares_of(entry for entry in entries if isinstance(entry, pytest.TestReport))
    if len(shares) < 2:
        return
    terminal.section("seconds of workers by capability")
    terminal.write_line(f"{'wall':>8} {'cpu':>8} {'tests':>6}")
    for folder, share in sorted(shares.items(), key=lambda entry: -entry[1].wall_s):
        terminal.write_line(f"{share.wall_s:8.1f} {share.cpu_s:8.1f} {share.tests:6} {folder}")
    total = sum(share.wall_s for share in shares.values())
    computed = sum(share.cpu_s for share in shares.values())
    terminal.write_line(f"{total:8.1f} {computed:8.1f} {'':6} all")
