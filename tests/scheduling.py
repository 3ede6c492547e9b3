"""How a whole run shares its tests out: the live platform's to one worker, the rest file by file, slow files first.

(xdist's own groups do not reach the node ids of this pytest, so ``--dist loadgroup`` would group nothing.)
"""

from __future__ import annotations

from functools import cache

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.environment import ROOT

LIVE = "the live platform"
SLOW = (
    "tests/test_launcher.py",
    "tests/concurrency/test_ending.py",
    "tests/engine/channels/test_scenarios.py",
    "tests/console/test_admin.py",
    "tests/ledger/test_races.py",
    "tests/checkout/test_acceptance.py",
    "tests/acquiring/test_webhook_delivery.py",
    "tests/engine/channels/test_races.py",
    "tests/kernel/test_http.py",
)
"""What takes longest, longest first: begun last, it would keep one worker busy while the others rest."""


class OnePlatform(LoadScopeScheduling):
    """One worker starts the live platform; the others never need it."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope_of(nodeid.partition("::")[0])


def slow_first(items: list[pytest.Item]) -> None:
    """Put the tests into the order in which they are given to workers: it is the order of the collection."""
    items.sort(key=lambda item: _urgency_of(item.nodeid.partition("::")[0]))


def _urgency_of(path: str) -> int:
    if _scope_of(path) == LIVE:
        return -1
    return SLOW.index(path) if path in SLOW else len(SLOW)


@cache
def _scope_of(path: str) -> str:
    """Tell by what the file, or the conftest beside it, imports."""
    file = ROOT / path
    sources = [source for source in (file, file.with_name("conftest.py")) if source.exists()]
    texts = [source.read_text(encoding="utf-8") for source in sources]
    return LIVE if any("from tests.live import" in text for text in texts) else path
