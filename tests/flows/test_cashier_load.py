"""Fifty payers before the cashier at once: how long pages and consults take, and how often a cache knew the answer.

Each payer opens his order's page, the shop asks which methods there are, he reads for a second, and looks again.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

import httpx
import pytest

from tests.live import LiveMerchant, LivePlatform, live_platform

pytestmark = [pytest.mark.long, pytest.mark.flow]

PAYERS = 50
ROUNDS = 20
THINK_S = 1.0
MOST_MS = 100.0
_LOOKUPS = re.compile(
    r'^platform_config_cache_lookups_total\{cache="(\w+)",result="(\w+)"\} ([\d.e+]+)', re.MULTILINE
)


def count_lookups(platform: LivePlatform) -> dict[str, dict[str, float]]:
    """What /metrics says of each cache: its hits and its misses since the start."""
    text = httpx.get(f"{platform.base_url}/metrics", trust_env=False).text
    counted: dict[str, dict[str, float]] = defaultdict(dict)
    for cache, result, number in _LOOKUPS.findall(text):
        counted[cache][result] = float(number)
    return counted


def be_a_payer(
    merchant: LiveMerchant,
    order: dict[str, str],
    barrier: threading.Barrier,
    took: dict[str, list[float]],
) -> None:
    """Look at the page and ask for the methods, again and again; notes milliseconds."""
    path = f"{merchant.api.base_url}orders/{order['order_no']}/payment-methods"
    headers = dict(merchant.api.headers)
    asks = {
        "page": lambda client: client.get(order["cashier_url"]),
        "status": lambda client: client.get(f"{order['cashier_url']}/status"),
        "consult": lambda client: client.post(path, headers=headers, json={}),
    }
    with httpx.Client(trust_env=False, timeout=30) as client:
        asks["page"](client)
        barrier.wait()
        time.sleep(
            hash(order["order_no"]) % 1000 / 1000 * THINK_S
        )  # they did not all come in one moment
        for _ in range(ROUNDS):
            for name, ask in asks.items():
                began = time.perf_counter()
                answer = ask(client)
                took[name].append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200, answer.text
            time.sleep(THINK_S)


@pytest.fixture
def fast_platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[LivePlatform]:
    """A platform of its own whose processes nobody measures for coverage, which doubles what they compute."""
    for name in [name for name in os.environ if "COVERAGE" in name]:
        monkeypatch.delenv(name)
    with live_platform() as made:
        yield made


def test_fifty_payers_at_once(
    fast_platform: LivePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    platform = fast_platform
    merchant = platform.merchant()
    orders = [merchant.create() for _ in range(PAYERS)]
    took: dict[str, list[float]] = defaultdict(list)
    barrier = threading.Barrier(PAYERS)
    before = count_lookups(platform)
    payers = [
        threading.Thread(target=be_a_payer, args=(merchant, order, barrier, took))
        for order in orders
    ]
    for payer in payers:
        payer.start()
    for payer in payers:
        payer.join()
    after = count_lookups(platform)
    with capsys.disabled():
        for name, times in took.items():
            times.sort()
            p50, p99 = (times[int(len(times) * share)] for share in (0.5, 0.99))
            print(f"\n{name}: {len(times)} answers, p50 {p50:.1f} ms, p99 {p99:.1f} ms")  # noqa: T201
    asked = {}
    for cache, counted in after.items():
        hits, misses = (
            counted.get(result, 0) - before.get(cache, {}).get(result, 0)
            for result in ("hit", "miss")
        )
        if hits + misses >= PAYERS:
            asked[cache] = hits / (hits + misses)
    with capsys.disabled():
        print({cache: f"{share:.1%}" for cache, share in asked.items()})  # noqa: T201
    assert "cashier_looks" in asked
    assert all(share > 0.95 for share in asked.values()), asked
    for name, times in took.items():
        assert len(times) == PAYERS * ROUNDS, name
        assert times[int(len(times) * 0.99)] < MOST_MS, name
