"""Circuit breakers and maintenance windows: what moves them, and that nothing new goes where it should not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acquiring.contracts import CloseReason, Method
from acquiring.services.closing import close_order
from checkout.contracts import MethodUnavailable
from checkout.services.routing import Route, plan_route
from engine import health
from engine.breaker import (
    LONGEST_OPEN_S,
    PROBES,
    Limits,
    Sample,
    Standing,
    decide_breaker,
)
from engine.channels.base import Capability, ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.health_contracts import BreakerState
from engine.models import BreakerMove, ChannelAttempt, MaintenanceWindow
from engine.services.breakers import (
    close_breaker,
    end_maintenance,
    plan_maintenance,
    watch_channels,
)
from engine.services.outcomes import apply_attempt_outcome
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from tests.barrier import run_times
from tests.clock import VirtualClock
from tests.engine.scripted import UNKNOWN, ScriptedChannel, charged
from tests.engine.test_funnel import PENDING, RETRIABLE, new_trade_no
from tests.slots import no_slot_free
from tests.trading import Trade, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMITS = Limits(min_bad=5, open_s=30)
CLOSED = ChannelAnswer(outcome=Outcome.CLOSED)
_PASTS = count(1_000, 3)
"""Days from now on that no other test has made attempts in."""
DECLINED = ChannelAnswer(outcome=Outcome.FAILED, failure_code="declined")


@pytest.fixture
def fresh(channels: Channels, clock: VirtualClock) -> Iterator[VirtualClock]:
    """A time in which these channels have no past, and leave none."""
    clock.advance(next(_PASTS) * 86_400)
    health.forget_health()
    begun = clock.now()
    yield clock
    for number in ChannelAttempt.objects.filter(
        live_detail_no__isnull=False, created_at__gte=begun
    ).values_list("attempt_no", flat=True):
        apply_attempt_outcome(attempt_no=number, answer=CLOSED, cause=Cause.CLOSE)
    for row in BreakerMove.objects.order_by("channel_code", "method", "-id").distinct(
        "channel_code", "method"
    ):
        if row.state != "CLOSED":
            close_breaker(channel_code=row.channel_code, method=row.method)
    health.forget_health()


def pay(channels: Channels, *answers: ChannelAnswer) -> list[Trade]:
    """One payment for each answer of the first channel."""
    trades = [make_trade() for _ in answers]
    for trade, answer in zip(trades, answers, strict=True):
        channels[0].pay_answers.append(answer)
        trade.pay()
    return trades


def moves() -> list[tuple[str, int]]:
    found = BreakerMove.objects.filter(channel_code="scripted", method="QR_CODE").order_by("id")
    return [(row.state, row.trips) for row in found]


def route(seed: str = "") -> Route:
    return plan_route(
        merchant_no="mch_1", method=Method.QR_CODE, currency="CNY", amount=10_00, seed=seed
    )


def reason() -> str:
    return {row.channel: row.reason for row in route().choice.candidates}["scripted"]


class TestRule:
    def test_opens_at_enough_silence_and_only_then(self):
        for good, bad, opens in ((0, 4, False), (0, 5, True), (5, 5, True), (6, 5, False)):
            following = decide_breaker(Standing(), Sample(good, bad), now=NOW, limits=LIMITS)
            assert (following is not None) == opens
        assert following is None

    def test_tries_again_and_stays_open_longer_each_time(self):
        standing, seconds = Standing(), []
        for _trip in range(7):
            opened = decide_breaker(standing, Sample(0, 5), now=NOW, limits=LIMITS)
            assert opened is not None
            assert opened.until is not None
            seconds.append((opened.until - NOW).total_seconds())
            early = opened.until - timedelta(seconds=1)
            assert decide_breaker(opened, Sample(0, 99), now=early, limits=LIMITS) is None
            tried = decide_breaker(opened, Sample(0, 0), now=opened.until, limits=LIMITS)
            assert tried == Standing(BreakerState.HALF_OPEN, opened.trips)
            standing = tried
        assert seconds == [30, 60, 120, 240, 480, LONGEST_OPEN_S, LONGEST_OPEN_S]

    @given(st.integers(0, 50), st.integers(0, 50))
    def test_half_open_closes_by_answers_and_opens_by_one_silence(self, good: int, bad: int):
        half = Standing(BreakerState.HALF_OPEN, 2)
        following = decide_breaker(half, Sample(good, bad), now=NOW, limits=LIMITS)
        if bad:
            assert following is not None
            assert (following.state, following.trips) == (BreakerState.OPEN, 3)
        else:
            assert following == (Standing() if good >= PROBES else None)


class TestBreaker:
    def test_counts_nothing_that_was_closed_before_it_was_sent(
        self, channels: Channels, fresh: VirtualClock
    ):
        for trade in [make_trade() for _ in range(6)]:
            with no_slot_free():
                trade.pay()
            close_order(
                order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
            )
            assert trade.order()["status"] == "CLOSED"
        assert watch_channels() == 0
        assert channels[0].calls == []

    def test_its_whole_life(self, channels: Channels, fresh: VirtualClock):
        before = len(moves())
        pay(channels, *[UNKNOWN] * 4)
        assert watch_channels() == 0
        pay(channels, UNKNOWN)
        assert watch_channels() == 1
        assert moves()[before:] == [("OPEN", 1)]
        assert reason() == "breaker_open"
        assert route().candidates == ("scripted2",)
        channels[1].pay_answers.append(PENDING)
        other = make_trade()
        other.pay()
        assert other.attempts()[0]["channel_code"] == "scripted2"
        assert watch_channels() == 0

        fresh.advance(31)
        health.forget_health()
        assert reason() in {"probe", "fallback"}, "by the clock, also without a worker"
        assert watch_channels() == 1
        assert moves()[-1] == ("HALF_OPEN", 1)
        assert {route(f"pay_{n}").candidates[0] for n in range(100)} == {"scripted", "scripted2"}

        channels[1].pay_answers += [PENDING] * 9
        probes = 0
        while probes < PROBES:
            channels[0].pay_answers[:] = [DECLINED]
            trade = make_trade()
            trade.pay()
            probes += trade.attempts()[0]["channel_code"] == "scripted"
            channels[1].pay_answers.append(PENDING)
        assert watch_channels() == 1
        assert moves()[-1] == ("CLOSED", 0)
        assert reason() == "first"
        assert watch_channels() == 0, "the silence of before is forgotten"

    def test_a_silent_probe_opens_it_for_longer(self, channels: Channels, fresh: VirtualClock):
        pay(channels, *[UNKNOWN] * 5)
        watch_channels()
        fresh.advance(31)
        watch_channels()
        channels[1].capabilities = frozenset()
        try:
            (trade,) = pay(channels, UNKNOWN)
        finally:
            del channels[1].capabilities
        assert trade.attempts()[0]["channel_code"] == "scripted", "nobody else was there"
        watch_channels()
        newest = BreakerMove.objects.order_by("-id").first()
        assert newest is not None
        assert newest.until is not None
        assert (newest.state, newest.trips, newest.bad) == ("OPEN", 2, 1)
        assert 55 <= (newest.until - fresh.now()).total_seconds() <= 60

    @pytest.mark.parametrize("answer", [DECLINED, PENDING], ids=["declined", "pending"])
    def test_an_answer_is_an_answer(
        self, channels: Channels, fresh: VirtualClock, answer: ChannelAnswer
    ):
        pay(channels, *[answer] * 8)
        assert watch_channels() == 0
        assert reason() == "first"

    def test_later_inquiries_do_not_hide_what_the_sending_came_to(
        self, channels: Channels, fresh: VirtualClock
    ):
        for trade in pay(channels, *[UNKNOWN] * 5):
            attempt = trade.attempts()[0]
            apply_attempt_outcome(
                attempt_no=attempt["attempt_no"],
                answer=charged(10_00, trade_no=new_trade_no()),
                cause=Cause.INQUIRY,
            )
            assert trade.attempts()[0]["submit_outcome"] == "UNKNOWN"
            assert trade.order()["status"] == "SUCCESS"
        assert watch_channels() == 1
        assert moves()[-1][0] == "OPEN"

    def test_without_another_channel_nothing_is_accepted(
        self, channels: Channels, fresh: VirtualClock
    ):
        pay(channels, *[UNKNOWN] * 5)
        watch_channels()
        trade = make_trade()
        channels[1].capabilities = frozenset()
        try:
            with pytest.raises(MethodUnavailable, match="channel_unavailable"):
                trade.pay()
        finally:
            del channels[1].capabilities
        assert trade.payments() == []

    def test_a_fail_over_does_not_go_there(self, channels: Channels, fresh: VirtualClock):
        trade = make_trade()
        channels[0].pay_answers.append(PENDING)
        trade.pay()
        rows(
            "INSERT INTO engine_breaker_move (channel_code, method, state, trips, until, good, bad, cause, actor)"
            " VALUES ('scripted2', 'QR_CODE', 'OPEN', 1, platform_now() + interval '30 seconds', 0, 5, 'test', '')"
            " RETURNING 1"
        )
        health.forget_health()
        attempt_no = trade.attempts()[0]["attempt_no"]
        apply_attempt_outcome(attempt_no=attempt_no, answer=RETRIABLE, cause=Cause.CALLBACK)
        assert [row["channel_code"] for row in trade.attempts()] == ["scripted"]
        assert trade.payments()[0]["status"] == "FAILED"

    def test_watchers_at_once_move_it_once(self, channels: Channels, fresh: VirtualClock):
        before = len(moves())
        pay(channels, *[UNKNOWN] * 5)
        assert sorted(run_times(6, watch_channels)) == [0, 0, 0, 0, 0, 1]
        assert len(moves()) == before + 1

    def test_an_exempt_channel_has_none(
        self, channels: Channels, fresh: VirtualClock, settings: pytest.FixtureRequest
    ):
        settings.CHANNEL_EXPOSURE_EXEMPT = frozenset({"scripted", "scripted2"})  # type: ignore[attr-defined]
        pay(channels, *[UNKNOWN] * 9)
        assert watch_channels() == 0
        assert reason() == "first"

    def test_an_operator_closes_it_and_a_closed_one_stays(
        self, channels: Channels, fresh: VirtualClock
    ):
        with pytest.raises(NotFound):
            close_breaker(channel_code="scripted", method="QR_CODE")
        pay(channels, *[UNKNOWN] * 5)
        watch_channels()
        close_breaker(channel_code="scripted", method="QR_CODE")
        assert reason() == "first"
        assert watch_channels() == 0


class TestSuccessRate:
    def test_is_told_from_twenty_ended_payments_on(self, channels: Channels, fresh: VirtualClock):
        def told() -> tuple[int | None, int]:
            health.forget_health()
            facts = health.list_channel_facts(method=Capability.QR_CODE, currency="CNY")[0]
            return facts.success_ppm, facts.sample

        paid = [charged(10_00, trade_no=new_trade_no()) for _ in range(15)]
        pay(channels, *paid, *[DECLINED] * 4, PENDING)
        assert told() == (None, 19)
        pay(channels, DECLINED)
        assert told() == (750_000, 20)


class TestMaintenance:
    def plan(self, **changes: object) -> int:
        wanted: dict[str, object] = {
            "channel_code": "scripted",
            "method": None,
            "starts_at": None,
            "minutes": 60,
            "reason": "their new version",
            "made_by": "ann",
        }
        return plan_maintenance(**wanted | changes)  # type: ignore[arg-type]

    def test_keeps_new_payments_away_for_its_time(self, channels: Channels, fresh: VirtualClock):
        starts = fresh.now() + timedelta(minutes=5)
        self.plan(starts_at=starts)
        assert reason() == "first"
        fresh.advance(5 * 60 + 1)
        health.forget_health()
        assert reason() == "in_maintenance"
        assert route().candidates == ("scripted2",)
        fresh.advance(60 * 60)
        health.forget_health()
        assert reason() == "first"

    def test_of_one_method_leaves_the_others_and_can_be_ended(
        self, channels: Channels, fresh: VirtualClock
    ):
        self.plan(method="WALLET")
        assert reason() == "first"
        window = self.plan(method="QR_CODE")
        assert reason() == "in_maintenance"
        end_maintenance(window_id=window)
        assert reason() == "first"
        with pytest.raises(NotFound):
            end_maintenance(window_id=window)

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"channel_code": "nobody"}, "channel_code"),
            ({"method": "BALANCE"}, "method"),
            ({"minutes": 0}, "minutes"),
            ({"minutes": 30 * 24 * 60 + 1}, "minutes"),
            ({"starts_at": NOW}, "starts_at"),
        ],
    )
    def test_odd_ones_are_refused(
        self, channels: Channels, fresh: VirtualClock, changes: dict[str, object], field: str
    ):
        before = MaintenanceWindow.objects.count()
        with pytest.raises(InvalidRequest) as caught:
            self.plan(**changes)
        assert [error.field for error in caught.value.errors] == [field]
        assert MaintenanceWindow.objects.count() == before
