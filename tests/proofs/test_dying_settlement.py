"""kill -9 in the middle of a settlement: the next run finds what was done, and does the rest once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from paymentplatform.console import selectors
from tests.acquiring.settling import LONG, Seller, make_seller
from tests.clock import VirtualClock
from tests.environment import ROOT

DEATHS_OF_SETTLEMENT = frozenset(
    {"settlement_collected", "release_before_commit", "release_committed"}
)
LEFT_BEHIND = {
    "settlement_collected": (10_00, 0, []),
    "release_before_commit": (10_00, 0, []),
    "release_committed": (0, 10_00, ["OPEN"]),
}
"""What is pending and available, and the batches, after a death at each place."""


def settle_in_a_process(seller: Seller, folder: Path) -> int:
    """Settle as an operator does, in a process that may die; returns how it ended."""
    command = [
        sys.executable,
        "manage.py",
        "settle_merchants",
        "--merchant",
        seller.number,
        "--json",
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PLATFORM_FAILPOINT_DIR": str(folder)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize("name", sorted(DEATHS_OF_SETTLEMENT))
def test_a_killed_settlement_releases_nothing_twice(clock: VirtualClock, tmp_path: Path, name: str):
    seller = make_seller()
    seller.sell(10_00)
    clock.advance(LONG)
    (tmp_path / name).touch()
    assert settle_in_a_process(seller, tmp_path) == -signal.SIGKILL
    assert not (tmp_path / name).exists()
    pending, available, statuses = LEFT_BEHIND[name]
    assert seller.balances() == (pending, available, 0)
    assert [row["status"] for row in seller.batches()] == statuses
    assert seller.payouts() == []

    assert settle_in_a_process(seller, tmp_path) == 0
    assert seller.balances() == (0, 10_00, 0)
    assert [row["net_amount"] for row in seller.batches()] == [10_00]
    assert [row["amount"] for row in seller.payouts()] == [10_00]
    proof = selectors.prove_invariants()
    ours = {seller.number, *(row["batch_no"] for row in seller.batches())}
    assert [row for row in proof.violations if any(word in row.subject for word in ours)] == []
