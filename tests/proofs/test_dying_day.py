"""kill -9 inside each of the three transactions that close an accounting day: the next tick closes it, once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger import api as ledger
from paymentplatform.console import selectors
from tests.environment import ROOT
from tests.ledger.test_days import FIRST, Books, close, seal_all
from tests.trading import rows
from tests.waiting import wait_until

DEATHS_OF_DAYS = frozenset({"day_step_before_commit"})
_CLOSE = "import django; django.setup(); from ledger.services import close_next_day; print(close_next_day())"


def close_in_a_process(folder: Path) -> int:
    """Take the next step as a worker does, in a process that may die; returns how it ended."""
    done = subprocess.run(
        [sys.executable, "-c", _CLOSE],
        cwd=ROOT,
        env={**os.environ, "PLATFORM_FAILPOINT_DIR": str(folder)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode


@pytest.mark.parametrize("steps", [0, 1, 2], ids=["marking", "cutting", "closing"])
def test_a_killed_close_leaves_the_day_as_it_was(unit_database: str, tmp_path: Path, steps: int):
    last = ledger.find_last_closed_day()
    day = max(FIRST, last + timedelta(days=1)) if last else FIRST
    books = Books()
    books.earn(day, 100)
    books.release(day, 30)
    seal_all()

    def row() -> list[dict[str, Any]]:
        return rows("SELECT * FROM ledger_day WHERE accounting_date = %s", day)

    for _step in range(steps):
        assert ledger.close_next_day() == "MARKED"
    before = row()
    (tmp_path / "day_step_before_commit").touch()
    # Its last step waits for the transactions of other databases, too.
    wait_until(lambda: _dies(tmp_path), what="the process to die at its step")
    assert row() == before
    assert ledger.find_closed_day(accounting_date=day) is None

    close()
    closed = ledger.find_closed_day(accounting_date=day)
    assert closed is not None
    assert (closed.journal_count, closed.posting_count) == (2, 2)
    found = rows(
        "SELECT a.code, b.balance FROM ledger_daily_balance b JOIN ledger_account a ON a.id = b.account_id"
        " WHERE b.accounting_date = %s AND a.owner = %s ORDER BY a.code",
        day,
        books.merchant,
    )
    assert [(one["code"], one["balance"]) for one in found] == [
        (books.pending, 70),
        (books.available, 30),
    ]
    proof: Any = selectors.prove_invariants()
    ours = (str(day), books.merchant)
    assert [one for one in proof.violations if any(word in one.subject for word in ours)] == []


def _dies(folder: Path) -> bool:
    ledger.seal_journals(limit=100_000)
    ended = close_in_a_process(folder)
    assert ended in {0, -signal.SIGKILL}
    return ended == -signal.SIGKILL
