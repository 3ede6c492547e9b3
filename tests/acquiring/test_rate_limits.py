"""Rate limits: what a merchant may ask, how processes share it, and that nobody waits for Redis."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from acquiring.models import Merchant
from acquiring.services import rate_limits
from acquiring.services.merchants import change_merchant
from acquiring.services.rate_limits import (
    MOST_ADDRESSES,
    PLATFORM_BURST_S,
    GuessLimits,
    MerchantLimits,
)
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import InvalidRequest, RateLimited
from tests.lateness import measuring_time
from tests.makers import make_merchant, order_body
from tests.roundtrips import counting_round_trips
from tests.trading import rows


class Time:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admitted(limits: MerchantLimits, merchant_no: str, limit: int, *, tries: int) -> int:
    """How many of so many requests at once get in."""
    count = 0
    for _ in range(tries):
        with suppress(RateLimited):
            limits.admit(merchant_no=merchant_no, limit_per_s=limit)
            count += 1
    return count


def never_connect() -> redis.Redis:
    raise redis.ConnectionError


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as made:
        yield made


def seconds_of(client: redis.Redis) -> float:
    """Redis' own clock, which its shared buckets run by."""
    seconds, microseconds = client.time()
    return seconds + microseconds / 1e6


def fresh() -> str:
    return numbers.new_number(numbers.MERCHANT)


class TestBuckets:
    def test_everybody_together_has_a_small_one_so_that_no_crowd_waits_in_line(
        self, settings, monkeypatch
    ):
        limits = MerchantLimits(never_connect, clock=Time())
        monkeypatch.setattr(rate_limits, "_merchants", limits)
        settings.PLATFORM_RATE_LIMIT_PER_S = 100
        count = 0
        for _ in range(100):
            with suppress(RateLimited):
                rate_limits.admit_request(merchant_no=fresh(), limit_per_s=None)
                count += 1
        assert count == 100 * PLATFORM_BURST_S == 20

    def test_let_in_one_second_at_once_and_then_the_rate(self):
        clock, merchant_no = Time(), fresh()
        limits = MerchantLimits(never_connect, clock=clock)
        assert admitted(limits, merchant_no, 10, tries=30) == 10
        clock.now += 0.35
        assert admitted(limits, merchant_no, 10, tries=30) == 3
        clock.now += 100
        assert admitted(limits, merchant_no, 10, tries=30) == 10

    def test_say_when_there_is_room_again(self):
        clock, merchant_no = Time(), fresh()
        limits = MerchantLimits(never_connect, clock=clock)
        limits.admit(merchant_no=merchant_no, limit_per_s=1)
        with pytest.raises(RateLimited) as refusal:
            limits.admit(merchant_no=merchant_no, limit_per_s=1)
        assert refusal.value.retry_after_s == 1
        clock.now += refusal.value.retry_after_s
        limits.admit(merchant_no=merchant_no, limit_per_s=1)

    @given(
        st.integers(1, 50),
        st.lists(st.tuples(st.floats(0, 2), st.integers(0, 120)), max_size=20),
    )
    @settings(max_examples=100, deadline=None)
    def test_never_let_in_more_than_a_burst_and_the_rate(
        self, limit: int, story: list[tuple[float, int]]
    ):
        clock, merchant_no = Time(), fresh()
        limits = MerchantLimits(never_connect, clock=clock)
        began, inside = clock.now, 0
        for seconds, tries in story:
            clock.now += seconds
            inside += admitted(limits, merchant_no, limit, tries=tries)
            assert inside <= limit + limit * (clock.now - began) + 1e-6

    def test_of_one_merchant_are_not_anothers(self):
        limits = MerchantLimits(never_connect, clock=Time())
        flood, quiet = fresh(), fresh()
        assert admitted(limits, flood, 5, tries=500) == 5
        assert admitted(limits, quiet, 5, tries=5) == 5


class TestSharing:
    def test_processes_hold_one_limit_together(self, client: redis.Redis):
        merchant_no = fresh()
        clocks = Time(), Time()
        one, other = (MerchantLimits(never_connect, clock=clock) for clock in clocks)
        assert admitted(one, merchant_no, 1_000, tries=900) == 900
        assert admitted(other, merchant_no, 1_000, tries=1) == 1
        began = seconds_of(client)
        one.share(client)
        other.share(client)
        passed_s = seconds_of(client) - began
        assert 99 <= admitted(other, merchant_no, 1_000, tries=2_000) <= 100 + 1_000 * passed_s

    def test_what_came_meanwhile_is_not_forgotten(self, client: redis.Redis):
        merchant_no, limits = fresh(), MerchantLimits(never_connect, clock=Time())
        assert admitted(limits, merchant_no, 10, tries=4) == 4
        began = seconds_of(client)
        limits.share(client)
        assert admitted(limits, merchant_no, 10, tries=3) == 3
        limits.share(client)
        passed_s = seconds_of(client) - began
        (level, _) = client.hmget(f"paymentplatform:rate:{merchant_no}", "level", "at")
        assert level is not None
        assert max(3.0, 7 - 10 * passed_s) - 0.01 <= float(level) <= 7
        assert 0 < client.pttl(f"paymentplatform:rate:{merchant_no}") <= 2_000

    def test_what_comes_while_redis_answers_counts_too(
        self, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ):
        merchant_no, limits = fresh(), MerchantLimits(never_connect, clock=Time())
        assert admitted(limits, merchant_no, 10, tries=4) == 4
        pipeline = client.pipeline(transaction=False)
        answer = pipeline.execute

        def slow_answer() -> list[bytes]:
            assert admitted(limits, merchant_no, 10, tries=5) == 5
            return answer()

        monkeypatch.setattr(pipeline, "execute", slow_answer)
        monkeypatch.setattr(client, "pipeline", lambda transaction: pipeline)
        limits.share(client)
        assert admitted(limits, merchant_no, 10, tries=9) == 1

    def test_without_redis_nobody_waits_and_each_process_holds_the_limit(self):
        def unreachable() -> redis.Redis:
            return redis.Redis(host="127.0.0.1", port=1, socket_timeout=1)

        merchant_no, limits = fresh(), MerchantLimits(unreachable)
        with measuring_time() as span:
            assert 5 <= admitted(limits, merchant_no, 5, tries=200) <= 8
        span.must_be_under(0.5)

    def test_room_is_made_of_those_who_are_done(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(rate_limits, "MOST_BUCKETS", 10)
        clock = Time()
        limits = MerchantLimits(never_connect, clock=clock)
        for _ in range(10):
            limits.admit(merchant_no=fresh(), limit_per_s=1)
        clock.now += 2
        limits.admit(merchant_no=fresh(), limit_per_s=1)
        assert len(limits._buckets) == 1


class TestMerchants:
    def test_a_flood_is_429_before_anything_is_asked_and_hurts_nobody_else(self):
        flood, quiet = make_merchant(), make_merchant()
        limit(flood, 1)  # the next call is let through a second later
        limit(quiet, 30)
        before = refusals("merchant")
        client = Client(headers={"Authorization": f"Bearer {flood['secret_key']}"})
        answers = [client.get("/api/v1/refunds") for _ in range(30)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) >= 20
        assert refused[0].json()["code"] == "rate_limited"
        assert refused[0].json()["action"] == "RETRY_LATER"
        assert int(refused[0]["Retry-After"]) >= 1
        assert refusals("merchant") - before == len(refused)
        for let_through in range(5):  # as often as this machine sleeps for that second
            with counting_round_trips() as seen:
                answer = client.post(
                    "/api/v1/orders",
                    data=json.dumps(order_body()),
                    content_type="application/json",
                    headers={"Idempotency-Key": f"k{let_through}"},
                )
            if answer.status_code == 429:
                break
        assert (answer.status_code, len(seen)) == (429, 0)
        assert counted("acquiring_idempotency_key", flood) == let_through
        assert counted("acquiring_trade_order", flood) == let_through
        other = Client(headers={"Authorization": f"Bearer {quiet['secret_key']}"})
        assert {other.get("/api/v1/refunds").status_code for _ in range(30)} == {200}

    def test_all_together_are_held_to_what_the_machine_can_do(self, settings):
        one, other = make_merchant(), make_merchant()
        clients = [
            Client(headers={"Authorization": f"Bearer {m['secret_key']}"}) for m in (one, other)
        ]
        assert {client.get("/api/v1/refunds").status_code for client in clients} == {200}
        settings.PLATFORM_RATE_LIMIT_PER_S = 1
        answers = [clients[n % 2].get("/api/v1/refunds") for n in range(20)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert len(refused) >= 15
        assert int(refused[-1]["Retry-After"]) >= 1
        with counting_round_trips() as seen:
            answer = clients[0].post("/api/v1/orders", json.dumps(order_body()), "application/json")
        assert (answer.status_code, len(seen)) == (429, 0)
        assert counted("acquiring_trade_order", one) == 0
        settings.PLATFORM_RATE_LIMIT_PER_S = 0
        assert {client.get("/api/v1/refunds").status_code for client in clients} == {200}

    def test_operators_change_the_limit_or_take_it_back(self):
        merchant = make_merchant()
        limit(merchant, 7)
        assert Merchant.objects.get(pk=merchant["merchant_no"]).rate_limit_per_s == 7
        with pytest.raises(InvalidRequest):
            limit(merchant, 0)
        assert Merchant.objects.get(pk=merchant["merchant_no"]).rate_limit_per_s == 7
        limit(merchant, None)
        assert Merchant.objects.get(pk=merchant["merchant_no"]).rate_limit_per_s is None


class TestGuessing:
    def test_wrong_keys_must_wait_and_known_ones_need_not(self, settings, monkeypatch):
        settings.WRONG_KEYS_PER_MINUTE = 60
        monkeypatch.setattr(rate_limits, "_guesses", GuessLimits(clock=lambda: 0.0))
        merchant, before = make_merchant(), refusals("address")
        good = Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})
        assert good.get("/api/v1/orders").status_code == 200
        statuses = [guess() for _ in range(30)]
        assert statuses == [401] * 20 + [429] * 10
        assert refusals("address") - before == 10
        assert good.get("/api/v1/orders").status_code == 200
        assert guess(REMOTE_ADDR="192.0.2.9") == 401

    def test_whoever_signs_by_keys_that_do_not_exist_must_wait_as_well(self, settings, monkeypatch):
        settings.WRONG_KEYS_PER_MINUTE = 60
        monkeypatch.setattr(rate_limits, "_guesses", GuessLimits(clock=lambda: 0.0))
        before = refusals("address")
        statuses = [guess_signer() for _ in range(30)]
        assert statuses == [401] * 20 + [429] * 10
        assert refusals("address") - before == 10
        assert guess_signer(REMOTE_ADDR="192.0.2.9") == 401

    def test_addresses_are_few(self):
        guesses = GuessLimits()
        for number in range(MOST_ADDRESSES + 5):
            guesses.note(f"a{number}", per_minute=60)
        assert len(guesses._buckets) == MOST_ADDRESSES
        assert "a0" not in guesses._buckets

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "whom"),
        [(0, "6.6.6.6", "127.0.0.1"), (1, "6.6.6.6, 5.5.5.5", "5.5.5.5"), (2, "5.5.5.5", "")],
    )
    def test_only_trusted_proxies_say_who_it_was(
        self, settings, monkeypatch, proxies: int, forwarded: str, whom: str
    ):
        settings.WRONG_KEYS_PER_MINUTE, settings.AXES_IPWARE_PROXY_COUNT = 60, proxies
        guesses = GuessLimits()
        monkeypatch.setattr(rate_limits, "_guesses", guesses)
        assert guess(HTTP_X_FORWARDED_FOR=forwarded) == 401
        assert list(guesses._buckets) == [whom]


def guess(**meta: str) -> int:
    wrong = Client(headers={"Authorization": f"Bearer sk_{numbers.new_number('x')}"})
    return wrong.get("/api/v1/orders", **meta).status_code


def guess_signer(**meta: str) -> int:
    named = f'nonce="n";keyid="{numbers.new_number(numbers.KEY)}"'
    parameters = f'("@method" "@target-uri");created={int(time.time())};{named}'
    wrong = Client(headers={"Signature-Input": f"s={parameters}", "Signature": "s=:AAAA:"})
    return wrong.get("/api/v1/orders", **meta).status_code


def limit(merchant: dict[str, str], rate: int | None) -> None:
    row = Merchant.objects.get(pk=merchant["merchant_no"])
    change_merchant(
        merchant_no=row.merchant_no,
        name=row.name,
        return_origins=tuple(row.return_origins),
        late_money_policy=row.late_money_policy,
        late_money_ask_minutes=row.late_money_ask_minutes,
        max_refunds_per_order=row.max_refunds_per_order,
        refund_window_days=row.refund_window_days,
        status=row.status,
        rate_limit_per_s=rate,
    )


def refusals(reason: str) -> float:
    return REGISTRY.get_sample_value("platform_rate_limited_total", {"reason": reason}) or 0.0


def counted(table: str, merchant: dict[str, str]) -> int:
    (row,) = rows(
        f"SELECT count(*) AS n FROM {table} WHERE merchant_no = %s", merchant["merchant_no"]
    )
    return int(row["n"])
