"""How a whole run shares its tests out: what needs a live platform to two workers, the rest file by file, slow first.

(xdist's own groups do not reach the node ids of this pytest, so ``--dist loadgroup`` would group nothing.)
"""

from __future__ import annotations

from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.environment import ROOT

PROOFS = "a live platform to kill"
LIVE = "a live platform"
SLOW = (
    "tests/test_launcher.py",
    "tests/concurrency/test_ending.py",
    "tests/console/test_admin.py",
    "tests/engine/channels/test_scenarios.py",
    "tests/ledger/test_races.py",
    "tests/checkout/test_acceptance.py",
    "tests/acquiring/test_webhook_delivery.py",
    "tests/engine/channels/test_races.py",
    "tests/kernel/test_http.py",
)
"""What takes longest, longest first: begun last, it would keep one worker busy while the others rest."""


class FewPlatforms(LoadScopeScheduling):
    """Two workers start a live platform, one of them to be killed again and again; the others never need one."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope_of(nodeid.partition("::")[0])


def slow_first(items: list[pytest.Item]) -> None:
    """Put the tests into the order in which they are given to workers: it is the order of the collection."""
    items.sort(key=lambda item: _urgency_of(item.nodeid.partition("::")[0]))


def _urgency_of(path: str) -> int:
    scope = _scope_of(path)
    if scope in {PROOFS, LIVE}:
        return -2 if scope == PROOFS else -1
    return SLOW.index(path) if path in SLOW else len(SLOW)


@cache
def _scope_of(path: str) -> str:
    """Tell by what the file, or the conftest beside it, imports."""
    file = ROOT / path
    sources = [source for source in (file, file.with_name("conftest.py")) if source.exists()]
    texts = [source.read_text(encoding="utf-8") for source in sources]
    if not any("from tests.live import" in text for text in texts):
        return path
    return PROOFS if path.startswith("tests/proofs/") else LIVE
