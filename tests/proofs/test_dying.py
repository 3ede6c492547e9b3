"""kill -9 at every named place between "committed" and "outcome committed": recovered, nothing lost or doubled.

Real web, workers, beat and institution. Merchants and payers of ``stories.LIVES`` live their orders side by side
while the processes under them die where the plan says, often several at once, and are started again as a service
manager would. Time runs faster, so that leases end. Then both books are compared charge by charge.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from paymentplatform.kernel.failpoints import FAILPOINTS
from tests.live import LiveMerchant, LivePlatform, live_platform
from tests.proofs.books import find_book_differences
from tests.proofs.lives import PATIENCE_S, Life
from tests.proofs.machine import LONG, PATIENCE
from tests.proofs.stories import LIVES, WHOLE, Cut
from tests.proofs.test_dying_day import DEATHS_OF_DAYS
from tests.proofs.test_dying_reconciliation import DEATHS_OF_RECONCILIATION
from tests.proofs.test_dying_settlement import DEATHS_OF_SETTLEMENT
from tests.waiting import wait_until

AT_ONCE = 10
CUTS = [cut for cut in LIVES if LONG or not cut.long]
TRIES = 4
"""How many orders a plan may need: whoever was to die somewhere may by chance have gone another way."""
RUSH_EVERY_S, RUSH_BY_S = 0.5, 12.0
LONG_PATIENCE_S = 240.0
RECOVERED_WITHIN_S = 60.0 * PATIENCE
OLD_ENOUGH_S = 70
ANYBODY = frozenset(
    {
        "inquiries_claimed",
        "expiry_claimed",
        "deliveries_claimed",
        "delivery_sent",
        "refunds_claimed",
        "late_money_claimed",
        "key_claimed",
        "key_unanswered",
        "key_answered",
    }
)
"""Failpoints in sweeps over many orders, and those that know no order: whoever comes first dies."""

pytestmark = [pytest.mark.timeout(1_800 if LONG else 600)]


@dataclass
class Sweep:
    """What came of it."""

    platform: LivePlatform
    seed: int
    token: str = ""
    lives: dict[str, list[Life]] = field(default_factory=dict)
    failures: dict[str, BaseException] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    settled_at: float = 0.0
    """When nothing was under way any more."""

    def orders(self) -> list[str]:
        """Every order that was created."""
        return [life.order_no for lives in self.lives.values() for life in lives]


@pytest.fixture(scope="module")
def swept(running_platform: LivePlatform) -> Iterator[Sweep]:
    """Live all lives once; with --long on a platform of its own with the schedules of production."""
    if LONG:
        with live_platform(schedules={}) as own:
            yield sweep(own, rush=False)
            proof = own.prove()
            assert proof["code"] == 0, proof
    else:
        running_platform.mend()
        yield sweep(running_platform, rush=True)
        running_platform.mend()


def sweep(platform: LivePlatform, *, rush: bool) -> Sweep:
    """Live every life, in an order that the seed shuffles, and wait until nothing is under way any more."""
    made = Sweep(
        platform, int(os.environ.get("SWEEP_SEED") or random.SystemRandom().randrange(10**9))
    )
    print(f"\nplay again with SWEEP_SEED={made.seed}")  # noqa: T201 - pytest shows it with a failure
    merchant = platform.merchant(fee_rate_ppm=0)
    made.token = merchant.payer_token(platform.payer())
    shuffled = sorted(CUTS, key=lambda cut: cut.name)
    random.Random(made.seed).shuffle(shuffled)
    with platform.supervised(), rushing(platform, rush), ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda cut: live(made, cut, merchant), shuffled))
        settle(made)
        made.settled_at = time.monotonic()
    print_slowest(made)
    return made


def live(made: Sweep, cut: Cut, merchant: LiveMerchant) -> None:
    """Live a story, with a new order until its plan has come true; a failure is kept for its test."""
    began, made.lives[cut.name] = time.monotonic(), []
    try:
        for _try in range(TRIES):
            life = begin(made, cut, merchant)
            made.lives[cut.name].append(life)
            life.create()
            cut.story(life)
            life.see_deaths()
            if life.comes_true():
                break
            life.disarm()
    except BaseException as error:  # noqa: BLE001 - its test raises it
        made.failures[cut.name] = error
    made.took[cut.name] = time.monotonic() - began


def begin(made: Sweep, cut: Cut, merchant: LiveMerchant) -> Life:
    """Put together what merchant and payer know before they begin."""
    options = dict(cut.life)
    if cut.from_balance:
        options["options"] = {"payer_token": made.token}
    if 0 < cut.from_balance < WHOLE:
        options["pay_extra"] = {"balance_amount": cut.from_balance}
    if LONG and "expires_in" in options:
        options["expires_in"] = 60
    return Life(
        merchant,
        cut.name,
        plan=cut.plan,
        anybody=ANYBODY,
        patience_s=LONG_PATIENCE_S if LONG else PATIENCE_S,
        amount=WHOLE,
        **options,
    )


@contextmanager
def rushing(platform: LivePlatform, rush: bool) -> Iterator[None]:
    """Let time run faster until the block ends, so that the leases of the dead are soon over."""
    stopping = threading.Event()

    def run() -> None:
        while not stopping.wait(RUSH_EVERY_S):
            platform.clock.advance(RUSH_BY_S)

    runner = threading.Thread(target=run, name="clock", daemon=True)
    if rush:
        runner.start()
    try:
        yield
    finally:
        stopping.set()
        if rush:
            runner.join()


def settle(made: Sweep) -> None:
    """Wait until nothing about these orders is under way: no attempt, refund, late money or delivery."""
    wait_until(
        lambda: (
            made.platform.sql(
                """SELECT attempt_no AS number FROM engine_channel_attempt
                   WHERE order_no = ANY(%s) AND live_detail_no IS NOT NULL
                   UNION ALL SELECT refund_no FROM engine_refund
                   WHERE order_no = ANY(%s) AND status = 'PROCESSING'
                   UNION ALL SELECT late_money_no FROM engine_late_money
                   WHERE order_no = ANY(%s) AND status <> 'REFUNDED'
                   UNION ALL SELECT d.delivery_no FROM acquiring_delivery d
                   JOIN acquiring_merchant_event e ON e.event_id = d.event_id
                   WHERE e.merchant_no = %s AND d.status = 'DUE'""",
                made.orders(),
                made.orders(),
                made.orders(),
                next(iter(made.lives.values()))[0].merchant.merchant_no,
            )
            == []
        ),
        LONG_PATIENCE_S if LONG else PATIENCE_S,
        what="everything to settle",
    )


def print_slowest(made: Sweep) -> None:
    """Show how long lives took."""
    slowest = sorted(made.took, key=lambda name: -made.took[name])[:5]
    for name in slowest:
        print(f"{made.took[name]:6.1f} s for {name}")  # noqa: T201


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: cut.name)
def test_a_killed_process_loses_and_doubles_nothing(swept: Sweep, cut: Cut):
    if cut.name in swept.failures:
        raise swept.failures[cut.name]
    for life in swept.lives[cut.name]:
        assert life.order()["status"] == cut.end.status
        book = {
            kind: [row["amount"] for row in rows if row["status"] == "SUCCEEDED"]
            for kind, rows in life.book().items()
        }
        assert len(book["charges"]) <= 1
        assert sum(book["charges"]) + life.paid_from_balance() == cut.end.charged
        assert sum(book["refunds"]) + life.refunded_to_balance() == cut.end.returned
        assert life.event_types() == sorted(cut.end.events)
        assert life.heard() == set(cut.end.events)


def test_somebody_died_at_every_failpoint(swept: Sweep):
    """A failpoint that no flow hits proves nothing: arm it in ``stories.LIVES`` or take it away."""
    planned = {point for cut in CUTS for points in cut.plan.values() for point in points}
    others = DEATHS_OF_SETTLEMENT | DEATHS_OF_RECONCILIATION | DEATHS_OF_DAYS
    assert planned | others == set(FAILPOINTS)
    unhit = {name: lives[-1].unhit() for name, lives in swept.lives.items()}
    assert {name: points for name, points in unhit.items() if points} == {}


@pytest.mark.skipif(not LONG, reason="time runs faster: run.py test --long")
def test_everything_settles_within_a_minute_of_the_last_death(swept: Sweep):
    deaths = [life.died_at or 0.0 for lives in swept.lives.values() for life in lives]
    assert swept.settled_at - max(deaths) <= RECOVERED_WITHIN_S


def test_both_books_agree_charge_by_charge(swept: Sweep):
    assert find_book_differences(swept.platform, swept.orders()) == []


def test_the_platform_is_clean(swept: Sweep):
    swept.platform.clock.advance(OLD_ENOUGH_S)  # nothing may hide behind being in flight
    proof = swept.platform.prove()
    assert proof["code"] == 0, [found for found in proof["invariants"] if found["violations"]]
