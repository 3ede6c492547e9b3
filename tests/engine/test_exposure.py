"""Exposure: money whose whereabouts nobody knows takes its channel out of routing, and nothing else does."""

from __future__ import annotations

import pytest
from django.test import override_settings

from acquiring.contracts import Method
from checkout.services.routing import plan_route
from engine import exposure
from engine.contracts import Cause
from engine.services.outcomes import apply_attempt_outcome
from tests.clock import VirtualClock
from tests.engine.scripted import ScriptedChannel, charged
from tests.engine.test_funnel import PENDING, RETRIABLE, new_trade_no, pending_trade
from tests.trading import Trade, make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]


@pytest.fixture(autouse=True)
def fresh_figures() -> None:
    """Look at the table itself at the first question."""
    exposure.forget_figures()


def list_candidates(*, currency: str = "CNY") -> tuple[str, ...]:
    return plan_route(
        merchant_no="mch_1", method=Method.QR_CODE, currency=currency, amount=10_00
    ).candidates


def exposed(code: str = "scripted", currency: str = "CNY") -> dict[str, int]:
    """Minor units by age band."""
    return {
        row.age: row.amount
        for row in exposure.list_exposure()
        if (row.channel_code, row.currency) == (code, currency)
    }


def total(code: str = "scripted") -> int:
    return sum(exposed(code).values())


def silent_trade(channels: Channels, *, amount: int = 10_00) -> Trade:
    """A trade whose channel took the request and said nothing."""
    trade = make_trade(amount=amount)
    assert trade.pay().status == "PAYING"
    assert trade.attempts()[-1]["status"] == "UNKNOWN"
    return trade


def number_of(trade: Trade) -> str:
    return str(trade.attempts()[-1]["attempt_no"])


class TestGauge:
    def test_counts_what_nobody_knows_until_somebody_does(self, channels: Channels):
        before = total()
        trade = silent_trade(channels)
        assert total() == before + 10_00

        answer = charged(10_00, trade_no=new_trade_no())
        apply_attempt_outcome(attempt_no=number_of(trade), answer=answer, cause=Cause.INQUIRY)

        assert total() == before

    def test_does_not_count_what_waits_for_its_payer(self, channels: Channels):
        before = total()
        pending_trade(channels)
        assert total() == before

    def test_counts_a_request_without_answer_only_after_ten_seconds(
        self, channels: Channels, clock: VirtualClock
    ):
        trade = pending_trade(channels)
        copy_of = number_of(trade)
        before = total()
        rows(
            "INSERT INTO engine_channel_attempt SELECT (jsonb_populate_record(a, jsonb_build_object("
            "'attempt_no', %s::text, 'live_detail_no', %s::text, 'status', 'CREATED', "
            "'submit_claimed_at', platform_now()))).* "
            "FROM engine_channel_attempt a WHERE attempt_no = %s RETURNING 1",
            f"{copy_of}x",
            f"{copy_of}x",
            copy_of,
        )
        try:
            assert total() == before
            clock.advance(11)
            assert total() == before + 10_00
        finally:
            rows(
                "UPDATE engine_channel_attempt SET status = 'CLOSED', live_detail_no = NULL, "
                "next_query_at = NULL WHERE attempt_no = %s RETURNING 1",
                f"{copy_of}x",
            )

    def test_ages(self, channels: Channels, clock: VirtualClock):
        clock.advance(400 * 86_400)
        young = exposed().get("under_1m", 0)
        silent_trade(channels, amount=77_00)
        for seconds, band in (
            (0, "under_1m"),
            (61, "under_10m"),
            (600, "under_1h"),
            (3_600, "under_1d"),
            (86_400, "over_1d"),
        ):
            clock.advance(seconds)
            assert exposed()[band] >= 77_00
            assert band == "under_1m" or exposed().get("under_1m", 0) == 0
        assert young == 0


class TestLimit:
    def test_takes_the_channel_out_of_routing_and_lets_it_in_again(self, channels: Channels):
        trade = silent_trade(channels)
        with override_settings(CHANNEL_EXPOSURE_LIMIT=total()):
            exposure.forget_figures()
            assert list_candidates() == ("scripted2",)
            assert list_candidates(currency="USD") == (
                "scripted",
                "scripted2",
            )
            channels[1].pay_answers.append(PENDING)
            other = make_trade()
            other.pay()
            assert other.attempts()[0]["channel_code"] == "scripted2"

            answer = charged(10_00, trade_no=new_trade_no())
            apply_attempt_outcome(attempt_no=number_of(trade), answer=answer, cause=Cause.INQUIRY)
            exposure.forget_figures()

            assert list_candidates()[0] == "scripted"

    def test_of_nothing_is_no_limit(self, channels: Channels):
        silent_trade(channels)
        with override_settings(CHANNEL_EXPOSURE_LIMIT=0):
            assert list_candidates()[0] == "scripted"

    def test_spares_exempt_channels(self, channels: Channels):
        silent_trade(channels)
        with override_settings(
            CHANNEL_EXPOSURE_LIMIT=1, CHANNEL_EXPOSURE_EXEMPT=frozenset({"scripted"})
        ):
            assert list_candidates()[0] == "scripted"

    def test_is_asked_again_at_failover(self, channels: Channels):
        channels[0].pay_answers += [PENDING]
        trade = make_trade()
        trade.pay()
        assert trade.payments()[0]["candidates"] == '["scripted2"]'
        with override_settings(
            CHANNEL_EXPOSURE_LIMIT=total("scripted2") + 10_00,
            CHANNEL_EXPOSURE_EXEMPT=frozenset({"scripted"}),
        ):
            exposure.forget_figures()
            silent = make_trade()
            channels[0].pay_answers.append(RETRIABLE)
            assert silent.pay().status == "PAYING"  # failed over, and the second one says nothing
            assert silent.attempts()[1]["status"] == "UNKNOWN"
            exposure.forget_figures()

            apply_attempt_outcome(
                attempt_no=number_of(trade), answer=RETRIABLE, cause=Cause.CALLBACK
            )

        assert [attempt["channel_code"] for attempt in trade.attempts()] == ["scripted"]
        assert trade.payments()[0]["status"] == "FAILED"

    def test_looks_at_figures_of_a_second_at_most(
        self, channels: Channels, monkeypatch: pytest.MonkeyPatch
    ):
        reads = []
        now = [1_000.0]
        asked = exposure.list_exposure
        monkeypatch.setattr(exposure, "list_exposure", lambda: reads.append(1) or asked())
        monkeypatch.setattr(exposure.time, "monotonic", lambda: now[0])
        with override_settings(CHANNEL_EXPOSURE_LIMIT=1):
            for seconds, expected in ((0, 1), (0.5, 1), (0.6, 2), (0.2, 2), (1, 3)):
                now[0] += seconds
                exposure.is_over_limit(channel_code="scripted", currency="CNY")
                assert len(reads) == expected
