"""Fifty people before the cashier at once: how long answers take, and how often a cache knew them.

The model is people, not connections that never rest: each looks 6 to 18 times and reads for about a second in between,
while the shop asks which methods there are; then he chooses, and his page asks every two seconds how it stands (the
page itself slows down to five and ten). Fifty connections in a closed loop:
``python3 run.py bench --path cashier_page --connections 50``.
"""

from __future__ import annotations

import os
import random
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.live import LiveMerchant, LivePlatform, live_platform
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.flow, pytest.mark.timeout(600)]

PAYERS = 50
LOOKS = (6, 18)
THINK_S = (0.5, 1.5)
POLLS = 45
POLL_S = 2.0
MOST_MS = 100.0
BOUNDED = ("page", "consult", "status")
LEAST_HITS = 0.95
CACHES = {"catalogue", "routes", "risk_rules", "cashier_status", "cashier_looks"}
_LOOKUPS = re.compile(
    r'^platform_config_cache_lookups_total\{cache="(\w+)",result="(\w+)"\} ([\d.e+]+)', re.MULTILINE
)
_CSRF = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


def count_lookups(platform: LivePlatform) -> dict[str, dict[str, float]]:
    """What /metrics says of each cache: its hits and its misses since the start."""
    text = httpx.get(f"{platform.base_url}/metrics", trust_env=False).text
    counted: dict[str, dict[str, float]] = defaultdict(dict)
    for cache, result, number in _LOOKUPS.findall(text):
        counted[cache][result] = float(number)
    return counted


@dataclass
class Payer:
    """One person with a browser, and the shop's server that asks beside him; notes milliseconds."""

    merchant: LiveMerchant
    order: dict[str, Any]
    took: dict[str, list[float]]
    faults: list[str]
    barrier: threading.Barrier
    chance: random.Random
    payment_no: str = ""
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(trust_env=False, timeout=30, follow_redirects=False)
    )

    def time(self, name: str, ask: Callable[[], httpx.Response]) -> httpx.Response:
        began = time.perf_counter()
        answer = ask()
        self.took[name].append((time.perf_counter() - began) * 1000)
        assert answer.status_code in {200, 303}, answer.text
        return answer

    def think(self) -> None:
        time.sleep(self.chance.uniform(*THINK_S))

    def look(self) -> str:
        page = self.time("page", lambda: self.client.get(self.order["cashier_url"]))
        api = self.merchant.api
        address = f"{api.base_url}orders/{self.order['order_no']}/payment-methods"
        headers = dict(api.headers)
        self.time("consult", lambda: self.client.post(address, headers=headers, json={}))
        return page.text

    def choose(self) -> str:
        """Send the form; returns where the page of the wait is."""
        found = _CSRF.search(self.look())
        assert found is not None
        sent = {"method": "QR_CODE", "csrfmiddlewaretoken": found[1]}
        headers = {"Origin": self.merchant.platform.base_url}
        pay = f"{self.order['cashier_url']}/pay"
        chosen = self.time("pay", lambda: self.client.post(pay, data=sent, headers=headers))
        wait = self.merchant.platform.base_url + chosen.headers["Location"]
        assert 'class="qr"' in self.time("wait", lambda: self.client.get(wait)).text
        return wait.rsplit("/", 1)[1]

    def poll(self) -> str:
        status = f"{self.order['cashier_url']}/status?payment_no={self.payment_no}"
        return str(self.time("status", lambda: self.client.get(status)).json()["status"])

    def live(self) -> None:
        try:
            self.barrier.wait()
            self.think()
            for _ in range(self.chance.randint(*LOOKS)):
                self.look()
                self.think()
            self.payment_no = self.choose()
            for _ in range(POLLS):
                time.sleep(POLL_S)
                assert self.poll() == "PAYING"
        except Exception as error:  # noqa: BLE001 - a thread tells by this list what the test must say
            self.faults.append(repr(error))


@pytest.fixture
def fast_platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[LivePlatform]:
    """A platform of its own whose processes nobody measures for coverage, which doubles what they compute."""
    for name in [name for name in os.environ if "COVERAGE" in name]:
        monkeypatch.delenv(name)
    with live_platform() as made:
        yield made


def make_payers(
    merchant: LiveMerchant, number: int, took: dict[str, list[float]], faults: list[str]
) -> list[Payer]:
    barrier = threading.Barrier(number)
    return [
        Payer(merchant, merchant.create(), took, faults, barrier, random.Random(seed))
        for seed in range(number)
    ]


def find_shares(
    before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]
) -> dict[str, float]:
    """Return the share of answers from memory, of the caches that were asked."""
    shares = {}
    for cache, counted in after.items():
        hits, misses = (
            counted.get(result, 0) - before.get(cache, {}).get(result, 0)
            for result in ("hit", "miss")
        )
        if hits + misses >= PAYERS:
            shares[cache] = hits / (hits + misses)
    return shares


def test_fifty_payers_at_once(
    fast_platform: LivePlatform, capsys: pytest.CaptureFixture[str]
) -> None:
    merchant = fast_platform.merchant()
    took: dict[str, list[float]] = defaultdict(list)
    faults: list[str] = []
    for early in make_payers(merchant, 16, defaultdict(list), faults):
        early.choose()  # as in a web process that has worked for a while
    payers = make_payers(merchant, PAYERS, took, faults)
    before = count_lookups(fast_platform)
    threads = [threading.Thread(target=payer.live) for payer in payers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    shares = find_shares(before, count_lookups(fast_platform))
    last = payers[0]
    fast_platform.confirm(last.payment_no)
    number = last.order["order_no"]
    wait_until(
        lambda: merchant.api.get(f"orders/{number}").json()["status"] == "SUCCESS", 30, what="it"
    )
    assert last.poll() == "SUCCESS", "told at the next question, whatever is remembered"
    p99s = {}
    with capsys.disabled():
        for name, times in took.items():
            times.sort()
            p50, p99s[name] = (times[int(len(times) * share)] for share in (0.5, 0.99))
            print(f"\n{name}: {len(times)} answers, p50 {p50:.1f} ms, p99 {p99s[name]:.1f} ms")  # noqa: T201
        print({cache: f"{share:.1%}" for cache, share in shares.items()})  # noqa: T201
    assert set(shares) >= CACHES
    assert all(share > LEAST_HITS for share in shares.values()), shares
    assert len(took["page"]) >= PAYERS * LOOKS[0]
    assert all(p99s[name] < MOST_MS for name in BOUNDED), p99s
