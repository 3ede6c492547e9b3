"""Merchant events on their way: real PostgreSQL, real HTTP, a clock that can be moved. No Redis is needed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction

from acquiring.models import Delivery, DeliveryTry, MerchantEvent, Transition
from acquiring.services import notifications
from acquiring.services.merchants import create_merchant, rotate_webhook_secret
from acquiring.services.notifications import (
    DeliveryResult,
    claim_due_deliveries,
    deliver_due_notifications,
    record_results,
)
from acquiring.webhooks import delivery_lanes
from acquiring.webhooks.schedule import Verdict
from paymentplatform.kernel import numbers
from paymentplatform.kernel.http import SendPolicy
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.barrier import run_together
from tests.clock import VirtualClock
from tests.environment import ROOT
from tests.lateness import measuring_time
from tests.waiting import wait_until
from tests.webhook_receiver import Answer, WebhookReceiver

LADDER = (0, 15, 30, 180, 600, 1200, 1800, 3600, 7200, 21600, 54000)

WORKER = """
import django
django.setup()
from acquiring.services.notifications import deliver_due_notifications
deliver_due_notifications()
"""


@dataclass(frozen=True)
class Shop:
    """A merchant of this test alone."""

    merchant_no: str
    secret: str


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def shop() -> Shop:
    return make_shop()


@pytest.fixture(autouse=True)
def empty_outbox(owner_connection: psycopg.Connection) -> Iterator[None]:
    """Put what other tests have left far into the future: nothing but this test's rows is due."""
    notifications._receivers.clear()
    owner_connection.execute(
        "UPDATE acquiring_delivery SET due_at = due_at + interval '100 years'"
        " WHERE due_at < platform_now() + interval '50 years'"
    )
    yield
    notifications._receivers.clear()


def make_shop() -> Shop:
    made = create_merchant(name="Webhook shop")
    return Shop(made.merchant_no, made.webhook_secret)


def record_event(
    shop: Shop, url: str | None, *, kind: str = "order.success", object_no: str | None = None
) -> str:
    """Record one event as the payment function does; returns the number of its delivery."""
    event_id = numbers.new_number(numbers.EVENT)
    delivery_no = numbers.new_number(numbers.DELIVERY)
    object_no = object_no or numbers.new_number(numbers.ORDER)
    payload = json.dumps(
        {
            "id": event_id,
            "type": kind,
            "timestamp": "2026-01-02T03:04:05.678Z",
            "data": {"商品": "茶"},
        },
        ensure_ascii=False,
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT acquiring_record_event(%s, %s, %s, %s, %s, %s, %s)",
            [event_id, kind, shop.merchant_no, object_no, payload, url, delivery_no],
        )
    return delivery_no


def read(delivery_no: str) -> Delivery:
    return Delivery.objects.select_related("event").get(delivery_no=delivery_no)


def list_tries(delivery_no: str) -> list[tuple[int, int | None, str]]:
    tries = DeliveryTry.objects.filter(delivery_id=delivery_no).order_by("number")
    return list(tries.values_list("number", "status_code", "error"))


def list_moves(delivery_no: str) -> list[tuple[str, str, str]]:
    moves = Transition.objects.filter(machine="delivery", object_no=delivery_no).order_by("id")
    return list(moves.values_list("from_status", "to_status", "cause"))


def wait_of(delivery_no: str, since: datetime) -> float:
    due_at = read(delivery_no).due_at
    assert due_at is not None
    return (due_at - since).total_seconds()


def shorten(monkeypatch: pytest.MonkeyPatch, total_s: float = 0.5) -> None:
    """Make the 15 seconds short."""
    monkeypatch.setattr(notifications, "TOTAL_TIMEOUT_S", total_s)


def refused_by_guard(statement: str, *values: Any) -> str:
    """Run a statement with the application's role; return the SQLSTATE that refused it."""
    with (
        pytest.raises(DatabaseError) as refused,
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, values)
    return str(refused.value.__cause__.sqlstate)  # type: ignore[union-attr]


# --- what is sent


def test_event_arrives_signed_and_byte_for_byte(shop: Shop, receiver: WebhookReceiver) -> None:
    delivery_no = record_event(shop, receiver.url("/hook?shop=1"))
    assert deliver_due_notifications() == {"DELIVERED": 1}

    (request,) = receiver.list_requests()
    delivery = read(delivery_no)
    assert (request.method, request.path) == ("POST", "/hook?shop=1")
    assert request.body == delivery.event.payload.encode()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == delivery.event_id
    assert request.verify(shop.secret)["id"] == delivery.event_id
    assert delivery.status == "DELIVERED"
    assert delivery.delivered_at is not None
    assert (delivery.tries, delivery.due_at, delivery.lease_token) == (1, None, None)
    assert list_tries(delivery_no) == [(1, 200, "")]
    assert list_moves(delivery_no) == [("DUE", "DELIVERED", "answer")]
    assert deliver_due_notifications() == {}
    assert len(receiver.list_requests()) == 1


def test_old_and_new_secret_verify_during_rotation(shop: Shop, receiver: WebhookReceiver) -> None:
    fresh = rotate_webhook_secret(merchant_no=shop.merchant_no)
    record_event(shop, receiver.url())
    deliver_due_notifications()
    (request,) = receiver.list_requests()
    assert request.verify(fresh) == request.verify(shop.secret)


def test_event_without_url_is_kept_and_skipped(shop: Shop) -> None:
    delivery_no = record_event(shop, None)
    delivery = read(delivery_no)
    assert delivery.due_at is None
    assert deliver_due_notifications() == {}
    assert (delivery.status, delivery.reason, delivery.tries) == ("SKIPPED", "no_target", 0)
    assert list_tries(delivery_no) == []
    assert list_moves(delivery_no) == [("DUE", "SKIPPED", "no_target")]


# --- what is done about failures


@dataclass(frozen=True)
class Failing:
    """What a receiver does, and what is recorded of it."""

    answer: Answer
    status_code: int | None
    error: str


@pytest.mark.parametrize(
    "failing",
    [
        Failing(Answer(status=500), 500, "unexpected_status"),
        Failing(Answer(status=404), 404, "unexpected_status"),
        Failing(Answer(status=302, redirect_to="http://127.0.0.1:1/"), 302, "unexpected_status"),
        Failing(Answer(hang_up=True), None, "bad_answer"),
        Failing(Answer(raw=b"hello\r\n\r\n"), None, "bad_answer"),
        Failing(Answer(never=True), None, "timeout"),
        Failing(Answer(drip_s=0.1), None, "timeout"),
        Failing(Answer(drip_body_s=0.1, body=b"x" * 500), None, "timeout"),
    ],
)
def test_failed_try_is_recorded_and_due_again(
    shop: Shop,
    receiver: WebhookReceiver,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    failing: Failing,
) -> None:
    shorten(monkeypatch)
    receiver.script("/", failing.answer)
    delivery_no = record_event(shop, receiver.url("/"))
    before = clock.now()
    assert deliver_due_notifications() == {"DUE": 1}
    delivery = read(delivery_no)
    assert (delivery.status, delivery.tries, delivery.reason) == ("DUE", 1, "")
    assert (delivery.last_status_code, delivery.last_error) == (failing.status_code, failing.error)
    assert (delivery.lease_token, delivery.leased_until) == (None, None)
    assert list_tries(delivery_no) == [(1, failing.status_code, failing.error)]
    assert 13.4 <= wait_of(delivery_no, before) <= 18
    assert list_moves(delivery_no) == []


def test_whole_ladder_then_dead(shop: Shop, receiver: WebhookReceiver, clock: VirtualClock) -> None:
    receiver.script("/", Answer(status=503))
    delivery_no = record_event(shop, receiver.url("/"))
    for number in range(1, 11):
        before = clock.now()
        assert deliver_due_notifications() == {"DUE": 1}, number
        wait_s = wait_of(delivery_no, before)
        assert 0.9 * LADDER[number] - 0.1 <= wait_s <= 1.1 * LADDER[number] + 2, number
        clock.advance(wait_s - 2)
        assert deliver_due_notifications() == {}, "a try before its time"
        clock.advance(3)
    assert deliver_due_notifications() == {"DEAD": 1}

    delivery = read(delivery_no)
    assert (delivery.status, delivery.reason, delivery.tries) == ("DEAD", "exhausted", 11)
    assert list_moves(delivery_no) == [("DUE", "DEAD", "exhausted")]
    requests = receiver.list_requests()
    assert len(requests) == 11
    assert {request.headers["webhook-id"] for request in requests} == {delivery.event_id}
    assert {request.body for request in requests} == {delivery.event.payload.encode()}
    clock.advance(10 * 86400)
    assert deliver_due_notifications() == {}


def test_receiver_down_for_a_day_gets_its_event(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock
) -> None:
    receiver.script("/", Answer(status=502))
    delivery_no = record_event(shop, receiver.url("/"))
    up_again_at = clock.now() + timedelta(days=1)
    while clock.now() < up_again_at:
        deliver_due_notifications()
        clock.advance(max(0.1, wait_of(delivery_no, clock.now()) + 0.1))
    receiver.script("/", Answer())
    assert deliver_due_notifications() == {"DELIVERED": 1}
    assert read(delivery_no).tries == 11


def test_410_ends_the_delivery_at_once(shop: Shop, receiver: WebhookReceiver) -> None:
    receiver.script("/", Answer(status=410))
    delivery_no = record_event(shop, receiver.url("/"))
    assert deliver_due_notifications() == {"DEAD": 1}
    delivery = read(delivery_no)
    assert (delivery.status, delivery.reason) == ("DEAD", "gone")
    assert list_tries(delivery_no) == [(1, 410, "unexpected_status")]


@pytest.mark.parametrize(
    ("retry_after", "granted_s"), [("7200", 7200), ("99999999999", 86400), ("nonsense", 15)]
)
def test_retry_after_is_honoured_up_to_a_day(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock, retry_after: str, granted_s: float
) -> None:
    receiver.script("/", Answer(status=429, retry_after=retry_after))
    delivery_no = record_event(shop, receiver.url("/"))
    before = clock.now()
    deliver_due_notifications()
    assert 0.9 * granted_s - 0.1 <= wait_of(delivery_no, before) <= 1.1 * granted_s + 2


@pytest.mark.parametrize(
    "url", ["https://10.0.0.1/", "http://shop.example.com/", "https://localhost/"]
)
def test_url_that_no_rule_allows_is_dead(shop: Shop, url: str) -> None:
    delivery_no = record_event(shop, url)
    assert deliver_due_notifications() == {"DEAD": 1}
    assert read(delivery_no).reason == "url_refused"
    assert list_tries(delivery_no) == [(1, None, "url_refused")]


def test_name_that_leads_inside_is_never_called(
    shop: Shop, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(address: str, port: int, timeout_s: float) -> socket.socket:
        raise AssertionError(f"connected to {address}")

    def policy(**changes: Any) -> SendPolicy:
        return SendPolicy(
            resolve=lambda *_: ["8.8.8.8", "169.254.169.254"], connect=connect, **changes
        )

    monkeypatch.setattr(notifications, "SendPolicy", policy)
    delivery_no = record_event(shop, "https://rebound.example.com/")
    assert deliver_due_notifications() == {"DUE": 1}
    assert list_tries(delivery_no) == [(1, None, "address_refused")]


def test_broken_row_is_counted_and_others_arrive(shop: Shop, receiver: WebhookReceiver) -> None:
    """A merchant that is not there has no secret to sign with."""
    broken = record_event(Shop("mch_nobody", ""), receiver.url("/broken"))
    good = record_event(shop, receiver.url("/good"))
    assert deliver_due_notifications() == {"DUE": 1, "DELIVERED": 1}
    assert list_tries(broken) == [(1, None, "internal_error")]
    assert read(good).status == "DELIVERED"
    assert receiver.list_requests("/broken") == []


# --- crashes, leases, fencing


def test_a_lease_lasts_thirty_seconds_and_outlasts_every_try(
    shop: Shop, clock: VirtualClock
) -> None:
    delivery_no = record_event(shop, "http://127.0.0.1:9/")
    (held,) = claim_due_deliveries(limit=1, per_queue=1)
    assert held.delivery_no == delivery_no
    clock.advance(29)
    assert claim_due_deliveries(limit=1, per_queue=1) == []
    clock.advance(2)
    (taken_over,) = claim_due_deliveries(limit=1, per_queue=1)
    assert (taken_over.delivery_no, taken_over.token == held.token) == (delivery_no, False)
    assert notifications.LEASE_S > notifications.TOTAL_TIMEOUT_S + notifications.CONNECT_TIMEOUT_S


def test_crash_between_call_and_record_repeats_the_same_id(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery_no = record_event(shop, receiver.url())

    def crash(**_: Any) -> set[str]:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(notifications, "record_results", crash)
        with pytest.raises(RuntimeError, match="power cut"):
            deliver_due_notifications()
    assert (read(delivery_no).status, list_tries(delivery_no)) == ("DUE", [])
    assert deliver_due_notifications() == {}, "the lease protects the row"
    clock.advance(notifications.LEASE_S + 1)
    assert deliver_due_notifications() == {"DELIVERED": 1}
    first, second = receiver.list_requests()
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_killed_worker_loses_nothing(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock
) -> None:
    """kill -9 while the merchant is thinking; another worker takes over when the lease has ended."""
    receiver.script("/", Answer(wait_s=20), Answer())
    delivery_no = record_event(shop, receiver.url("/"))
    worker = subprocess.Popen(
        [
            sys.executable,
            "-c",
            WORKER,
        ],
        cwd=ROOT,
        env=dict(os.environ),
    )
    wait_until(receiver.list_requests, what="the first call")
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    clock.advance(notifications.LEASE_S + 1)
    assert deliver_due_notifications() == {"DELIVERED": 1}
    assert list_tries(delivery_no) == [(1, 200, "")]
    assert len({request.headers["webhook-id"] for request in receiver.list_requests()}) == 1


def test_zombie_with_an_old_token_writes_nothing(shop: Shop, clock: VirtualClock) -> None:
    delivery_no = record_event(shop, "https://shop.example.com/")
    (zombie,) = claim_due_deliveries(limit=10, per_queue=10)
    assert claim_due_deliveries(limit=10, per_queue=10) == []
    clock.advance(notifications.LEASE_S + 1)
    (heir,) = claim_due_deliveries(limit=10, per_queue=10)
    assert heir.delivery_no == zombie.delivery_no == delivery_no
    assert heir.token != zombie.token

    late = DeliveryResult(zombie, Verdict("DEAD", "gone"), status_code=410, error="x")
    assert record_results(results=[late]) == set()
    assert (read(delivery_no).status, read(delivery_no).lease_token) == ("DUE", heir.token)
    assert (list_tries(delivery_no), list_moves(delivery_no)) == ([], [])

    timely = DeliveryResult(heir, Verdict("DELIVERED"), status_code=200)
    assert record_results(results=[timely]) == {delivery_no}
    assert record_results(results=[timely]) == set(), "a result is written once"
    assert list_tries(delivery_no) == [(1, 200, "")]


def test_fenced_result_is_reported(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This run sleeps through its lease, as after SIGSTOP; another takes over; this one's result is refused."""
    record_event(shop, receiver.url())
    real = notifications.record_results
    taken_over: list[Any] = []

    def oversleep(*, results: list[DeliveryResult]) -> set[str]:
        if not taken_over:
            clock.advance(notifications.LEASE_S + 1)
            taken_over.extend(claim_due_deliveries(limit=10, per_queue=10))
        return real(results=results)

    monkeypatch.setattr(notifications, "record_results", oversleep)
    assert deliver_due_notifications() == {"FENCED": 1}
    assert len(taken_over) == 1


def test_sweeps_at_once_deliver_each_event_once(receiver: WebhookReceiver) -> None:
    shops = [make_shop() for _ in range(4)]
    numbers_made = [record_event(shops[i % 4], receiver.url()) for i in range(60)]
    counts = run_together([deliver_due_notifications] * 3)
    assert sum(count.get("DELIVERED", 0) for count in counts) == 60, counts
    arrived = Counter(request.headers["webhook-id"] for request in receiver.list_requests())
    assert len(arrived) == 60
    assert set(arrived.values()) == {1}
    assert all(list_tries(delivery_no) == [(1, 200, "")] for delivery_no in numbers_made)


# --- nobody waits for a slow merchant


def test_slow_merchant_delays_nobody(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One merchant's pile of 60 stands in front of the queue and never answers."""
    shorten(monkeypatch, 3.0)
    receiver.script("/slow", Answer(never=True))
    slow, quick = make_shop(), make_shop()
    for _ in range(60):
        record_event(slow, receiver.url("/slow"))
    for _ in range(20):
        record_event(quick, receiver.url("/quick"))
    monkeypatch.setattr(notifications, "RUN_S", 1.5)
    started = time.time()
    with measuring_time() as span:
        counts = deliver_due_notifications()
    assert counts["DELIVERED"] == 20
    last = max(request.at for request in receiver.list_requests("/quick"))
    assert last - started < 1.5 + span.late_s
    assert len(receiver.list_requests("/slow")) < 2 * delivery_lanes.PER_QUEUE


def test_many_slow_merchants_delay_nobody(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve dead merchants would fill all 32 fast senders at once; they move over to the slow lane."""
    shorten(monkeypatch, 5.0)
    monkeypatch.setattr(delivery_lanes, "LINGERS_AFTER_S", 0.5)
    receiver.script("/slow", Answer(never=True))
    for slow in [make_shop() for _ in range(12)]:
        for _ in range(8):
            record_event(slow, receiver.url("/slow"))
    quick = make_shop()
    for _ in range(8):
        record_event(quick, receiver.url("/quick"))
    monkeypatch.setattr(notifications, "RUN_S", 4.0)
    started = time.time()
    with measuring_time() as span:
        assert deliver_due_notifications()["DELIVERED"] == 8
    last = max(request.at for request in receiver.list_requests("/quick"))
    assert last - started < 5.0 + span.late_s


def test_row_that_finds_the_slow_lane_full_waits_untried(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = receiver.url().removeprefix("http://").rstrip("/")
    notifications._receivers.slow[host] = time.monotonic() + 60
    monkeypatch.setattr(delivery_lanes, "SLOW_SENDERS", 0)
    delivery_no = record_event(shop, receiver.url())
    assert deliver_due_notifications() == {"DUE": 1}
    assert (read(delivery_no).tries, list_tries(delivery_no)) == (0, [])
    assert receiver.list_requests() == []
    monkeypatch.undo()
    clock.advance(delivery_lanes.REST_S + 0.1)
    assert deliver_due_notifications() == {"DELIVERED": 1}


def test_claim_is_fair_and_oldest_first(clock: VirtualClock) -> None:
    first, second = make_shop(), make_shop()
    of_first = [record_event(first, "https://a.example.com/") for _ in range(10)]
    of_second = [record_event(second, "https://b.example.com/") for _ in range(3)]
    claimed = claim_due_deliveries(limit=100, per_queue=4)
    assert {d.delivery_no for d in claimed} == {*of_first[:4], *of_second}
    assert claim_due_deliveries(limit=100, per_queue=4, busy_queues=[first.merchant_no]) == []
    rest = claim_due_deliveries(limit=5, per_queue=100)
    assert {d.delivery_no for d in rest} == set(of_first[4:9])


def test_receivers_that_timed_out_can_be_left_out(shop: Shop, clock: VirtualClock) -> None:
    delivery_no = record_event(shop, "https://shop.example.com/")
    (claimed,) = claim_due_deliveries(limit=1, per_queue=1)
    timed_out = DeliveryResult(claimed, Verdict("DUE", wait_s=15), error="timeout")
    record_results(results=[timed_out])
    clock.advance(16)
    assert claim_due_deliveries(limit=1, per_queue=1, with_slow=False) == []
    (again,) = claim_due_deliveries(limit=1, per_queue=1)
    assert (again.delivery_no, again.timed_out_before, again.tries) == (delivery_no, True, 1)


def test_claim_walks_the_index_of_due_rows(owner_connection: psycopg.Connection) -> None:
    """With many ended deliveries beside few due ones, no table scan is planned."""
    plan = owner_connection.execute(
        "EXPLAIN SELECT delivery_no FROM acquiring_delivery WHERE due_at <= platform_now()"
        " ORDER BY due_at LIMIT 500"
    ).fetchall()
    assert "acquiring_delivery_due" in str(plan)


# --- the database's own guards


def test_network_is_never_waited_for_inside_a_transaction(
    shop: Shop, receiver: WebhookReceiver
) -> None:
    delivery_no = record_event(shop, receiver.url())
    with transaction.atomic(), pytest.raises(TransactionMisuse):
        deliver_due_notifications()
    assert read(delivery_no).lease_token is None
    assert receiver.list_requests() == []


def test_object_has_one_result_of_a_type(shop: Shop) -> None:
    object_no = numbers.new_number(numbers.ORDER)
    record_event(shop, None, object_no=object_no)
    with pytest.raises(DatabaseError, match="acquiring_event_one_result"):
        record_event(shop, None, object_no=object_no)
    record_event(shop, None, kind="late_money.pending", object_no=object_no)
    record_event(shop, None, kind="late_money.pending", object_no=object_no)
    events = MerchantEvent.objects.filter(object_no=object_no)
    assert Counter(events.values_list("type", flat=True)) == {
        "order.success": 1,
        "late_money.pending": 2,
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE acquiring_delivery SET status = 'DUE' WHERE delivery_no = %s",
        "UPDATE acquiring_delivery SET url = 'https://evil.example.com/' WHERE delivery_no = %s",
    ],
)
def test_ended_delivery_stays_as_it_is(
    shop: Shop, receiver: WebhookReceiver, statement: str
) -> None:
    delivery_no = record_event(shop, receiver.url())
    deliver_due_notifications()
    assert refused_by_guard(statement, delivery_no) == "PC900"
    assert read(delivery_no).status == "DELIVERED"


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("UPDATE acquiring_merchant_event SET payload = '{}' WHERE event_id = %s", "42501"),
        ("DELETE FROM acquiring_merchant_event WHERE event_id = %s", "42501"),
        ("DELETE FROM acquiring_delivery WHERE event_id = %s", "42501"),
        ("UPDATE acquiring_delivery SET due_at = NULL WHERE event_id = %s", "23514"),
        (
            "UPDATE acquiring_delivery SET status = 'DEAD', due_at = NULL WHERE event_id = %s",
            "23514",
        ),
    ],
)
def test_application_cannot_rewrite_history(shop: Shop, statement: str, sqlstate: str) -> None:
    delivery_no = record_event(shop, "https://shop.example.com/")
    before = read(delivery_no)
    assert refused_by_guard(statement, before.event_id) == sqlstate
    after = read(delivery_no)
    assert (after.status, after.due_at, after.event.payload) == (
        before.status,
        before.due_at,
        before.event.payload,
    )
