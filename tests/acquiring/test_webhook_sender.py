"""Deliveries to endpoints: a queue for each, real receivers, a clock that can be moved, a worker that is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from acquiring.endpoint_contracts import ChangeWebhookEndpoint, CreateWebhookEndpoint
from acquiring.event_types import EventType
from acquiring.models import Delivery, DeliveryTry, MerchantEvent, WebhookEndpoint
from acquiring.services import notifications
from acquiring.services.notifications import (
    DeliveryResult,
    claim_due_deliveries,
    deliver_due_notifications,
    empty_endpoints,
    record_results,
)
from acquiring.services.webhook_endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    rotate_endpoint_secret,
    send_test_event,
)
from acquiring.webhooks import delivery_lanes
from acquiring.webhooks.schedule import Verdict
from paymentplatform.figures import REGISTRY
from tests.acquiring.outbox import record_event
from tests.clock import VirtualClock
from tests.environment import LONG, ROOT
from tests.lateness import measuring_time
from tests.makers import make_merchant
from tests.roundtrips import counting_round_trips
from tests.waiting import wait_until
from tests.webhook_receiver import Answer, WebhookReceiver

WORKER = """
import django
django.setup()
from acquiring.services.notifications import deliver_due_notifications
deliver_due_notifications()
"""


class Shop:
    """A merchant of this test alone, with named endpoints at one receiver."""

    def __init__(self, receiver: WebhookReceiver) -> None:
        self.merchant_no = make_merchant()["merchant_no"]
        self.receiver = receiver
        self.secrets: dict[str, str] = {}

    def open(self, path: str, *answers: Answer, events: tuple[str, ...] = ()) -> str:
        """Register an endpoint at a path that answers so; returns its id."""
        if answers:
            self.receiver.script(path, *answers)
        made = create_endpoint(
            merchant_no=self.merchant_no,
            body=CreateWebhookEndpoint(
                url=self.receiver.url(path), events=[EventType(name) for name in events]
            ),
        )
        self.secrets[made.id] = made.secret
        return made.id

    def change(self, endpoint_id: str, **changes: Any) -> None:
        change_endpoint(
            merchant_no=self.merchant_no,
            endpoint_id=endpoint_id,
            body=ChangeWebhookEndpoint(**changes),
        )

    def tell(self, kind: str = "order.success", *, url: str | None = None) -> str:
        """Let something happen; returns the event's id."""
        return record_event(self.merchant_no, url, kind=kind)

    def notices(self) -> list[MerchantEvent]:
        """The events that tell of an endpoint which was switched off."""
        found = MerchantEvent.objects.filter(
            merchant_no=self.merchant_no, type="webhook_endpoint.disabled"
        )
        return list(found.order_by("event_id"))


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as running:
        yield running


@pytest.fixture
def shop(receiver: WebhookReceiver) -> Shop:
    return Shop(receiver)


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


def read(event_id: str, endpoint_id: str) -> Delivery:
    return Delivery.objects.get(event_id=event_id, endpoint_id=endpoint_id)


def state(endpoint_id: str) -> tuple[bool, str | None]:
    endpoint = WebhookEndpoint.objects.get(pk=endpoint_id)
    assert (endpoint.disabled_at is None) is endpoint.enabled
    return endpoint.enabled, endpoint.disabled_reason


def use_up(shop: Shop, clock: VirtualClock, event_id: str, endpoint_id: str) -> None:
    """Let a delivery fail until its last try is due, without sending anything."""
    for number in range(1, 11):
        (claimed,) = claim_due_deliveries(limit=1, per_queue=1)
        assert claimed.endpoint_id == endpoint_id
        result = DeliveryResult(claimed, Verdict("DUE", wait_s=60), status_code=500, error="x")
        assert record_results(results=[result])
        clock.advance(61)
        assert read(event_id, endpoint_id).tries == number


# --- what is sent where, and how it is signed


def test_each_endpoint_gets_its_own_signature(shop: Shop, receiver: WebhookReceiver) -> None:
    first, second = shop.open("/a"), shop.open("/b", events=("order.success",))
    event_id = shop.tell(url=receiver.url("/notify"))
    assert deliver_due_notifications() == {"DELIVERED": 3}
    (to_first,), (to_second,) = receiver.list_requests("/a"), receiver.list_requests("/b")
    (to_order,) = receiver.list_requests("/notify")
    payload = MerchantEvent.objects.get(pk=event_id).payload.encode()
    for request, endpoint_id in ((to_first, first), (to_second, second)):
        assert request.headers["webhook-id"] == event_id
        assert request.body == payload
        assert request.verify(shop.secrets[endpoint_id])["id"] == event_id
        assert read(event_id, endpoint_id).status == "DELIVERED"
    for request, endpoint_id in ((to_first, second), (to_order, first)):
        with pytest.raises(Exception, match="No matching signature"):
            request.verify(shop.secrets[endpoint_id])


def test_replaced_secret_verifies_for_a_day(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock
) -> None:
    endpoint_id = shop.open("/a")
    fresh = rotate_endpoint_secret(merchant_no=shop.merchant_no, endpoint_id=endpoint_id).secret
    shop.tell()
    deliver_due_notifications()
    clock.advance(24 * 3600 + 1)
    shop.tell()
    deliver_due_notifications()
    during, afterwards = receiver.list_requests("/a")
    assert during.verify(fresh) == during.verify(shop.secrets[endpoint_id])
    assert during.headers["webhook-signature"].count("v1,") == 2
    assert afterwards.verify(fresh)
    assert afterwards.headers["webhook-signature"].count("v1,") == 1
    with pytest.raises(Exception, match="No matching signature"):
        afterwards.verify(shop.secrets[endpoint_id])


def test_test_event_arrives_and_shows_its_result(shop: Shop, receiver: WebhookReceiver) -> None:
    endpoint_id = shop.open("/a", Answer(status=418), events=("refund.failed",))
    shop.open("/b")
    event_id = send_test_event(merchant_no=shop.merchant_no, endpoint_id=endpoint_id)
    assert deliver_due_notifications() == {"DUE": 1}
    (request,) = receiver.list_requests()
    assert request.path == "/a"
    assert request.verify(shop.secrets[endpoint_id])["type"] == "webhook_endpoint.test"
    assert read(event_id, endpoint_id).last_status_code == 418


def test_waiting_delivery_follows_its_endpoint(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock
) -> None:
    endpoint_id = shop.open("/old", Answer(status=500))
    event_id = shop.tell()
    assert deliver_due_notifications() == {"DUE": 1}
    shop.change(endpoint_id, url=receiver.url("/new"))
    fresh = rotate_endpoint_secret(merchant_no=shop.merchant_no, endpoint_id=endpoint_id).secret
    clock.advance(20)
    assert deliver_due_notifications() == {"DELIVERED": 1}
    (old,), (new,) = receiver.list_requests("/old"), receiver.list_requests("/new")
    assert old.headers["webhook-id"] == new.headers["webhook-id"]
    assert new.verify(fresh)
    delivery = read(event_id, endpoint_id)
    assert (delivery.url, delivery.tries) == (receiver.url("/new"), 2)


# --- no endpoint waits for another


def test_hanging_endpoint_delays_neither_its_neighbour_nor_a_later_run(
    shop: Shop, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker. While it waits for A, after it stopped claiming slow ones, B is told all the same."""
    monkeypatch.setattr(notifications, "TOTAL_TIMEOUT_S", 7.0)
    monkeypatch.setattr(notifications, "RUN_S", 0.5)
    shop.open("/a", Answer(never=True))
    shop.open("/b")
    for _ in range(30):
        shop.tell()
    worker = threading.Thread(target=deliver_due_notifications)
    started = time.time()
    worker.start()
    with measuring_time() as span:
        wait_until(lambda: len(receiver.list_requests("/b")) == 30, what="B's events")
    span.must_be_under(4)
    wait_until(lambda: time.time() - started > 1.5, what="the time of claiming to be over")
    shop.tell()
    with measuring_time() as span:
        wait_until(lambda: len(receiver.list_requests("/b")) == 31, what="the event told late")
    span.must_be_under(4)
    assert worker.is_alive(), "A is still waited for"
    worker.join()
    connection.close()
    assert 1 <= len(receiver.list_requests("/a")) <= 8


def test_dead_endpoints_leave_room_for_one_nobody_knows(
    receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eighteen that hang, eight events each, stand before a new merchant's endpoint: 144 sends, 128 threads."""
    monkeypatch.setattr(notifications, "TOTAL_TIMEOUT_S", 4.0)
    monkeypatch.setattr(delivery_lanes, "LINGERS_AFTER_S", 0.5)
    monkeypatch.setattr(notifications, "RUN_S", 3.0)
    for _ in range(3):
        dead = Shop(receiver)
        for number in range(6):
            dead.open(f"/dead{number}", Answer(never=True))
        for _ in range(8):
            dead.tell()
    quick = Shop(receiver)
    quick.open("/quick")
    for _ in range(8):
        quick.tell()
    started = time.time()
    with measuring_time() as span:
        assert deliver_due_notifications()["DELIVERED"] == 8
    assert receiver.list_requests("/quick")[-1].at - started < 4.0 + span.late_s


def test_pile_of_one_endpoint_hides_nobody(
    shop: Shop, receiver: WebhookReceiver, owner_connection: psycopg.Connection
) -> None:
    """20 000 older rows of one queue (100 000 with --long): another's row is claimed at once, and claiming does not
    walk through the pile.
    """
    piled, other = shop.open("/piled"), Shop(receiver)
    first = shop.tell()
    owner_connection.execute(
        "INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, endpoint_id, url, status)"
        " SELECT 'dlv_pile' || g, event_id, merchant_no, target, endpoint_id, url, 'DUE'"
        " FROM acquiring_delivery, generate_series(1, %s) AS g WHERE event_id = %s",
        [100_000 if LONG else 20_000, first],
    )
    other.open("/other")
    wanted = other.tell()
    try:
        claimed = claim_due_deliveries(limit=32, per_queue=8)
        assert [d.endpoint_id for d in claimed].count(piled) == 8
        assert wanted in [d.event_id for d in claimed]
        plain = other.tell(url=receiver.url("/notify"))
        with measuring_time() as span:
            for _ in range(5):
                again = claim_due_deliveries(limit=32, per_queue=8, busy_queues=[piled])
                assert {d.event_id for d in again} in ({plain}, set())
        span.must_be_under(1)
    finally:
        shop.change(piled, enabled=False)
        started = time.monotonic()
        while WebhookEndpoint.objects.get(pk=piled).emptying and time.monotonic() - started < 1:
            empty_endpoints()
        owner_connection.execute(
            "UPDATE acquiring_delivery SET status = 'SKIPPED', reason = 'endpoint_disabled', due_at = NULL"
            " WHERE endpoint_id = %s AND status = 'DUE' AND lease_token IS NULL",
            [piled],
        )


def test_claim_costs_one_statement_however_many_endpoints(shop: Shop) -> None:
    for number in range(8):
        shop.open(f"/{number}")
    claim_due_deliveries(limit=1, per_queue=1)
    for _ in range(3):
        shop.tell()
    with counting_round_trips() as seen:
        claimed = claim_due_deliveries(limit=32, per_queue=8)
        record_results(results=[DeliveryResult(d, Verdict("DELIVERED")) for d in claimed])
    assert (len(claimed), len(seen)) == (24, 2)


# --- when an endpoint is switched off


def test_410_switches_off_at_once_and_the_others_are_told(
    shop: Shop, receiver: WebhookReceiver
) -> None:
    gone = shop.open("/gone", Answer(status=410))
    told = shop.open("/told", events=("webhook_endpoint.disabled",))
    deaf = shop.open("/deaf", events=("order.failed",))
    event_id = shop.tell()
    waiting = shop.tell("order.closed")
    Delivery.objects.filter(event_id=waiting).update(due_at="2100-01-01T00:00:00Z")
    assert deliver_due_notifications() == {"DEAD": 1, "DELIVERED": 1}
    assert state(gone) == (False, "gone")
    assert (read(event_id, gone).status, read(event_id, gone).reason) == ("DEAD", "gone")
    ended = read(waiting, gone)
    assert (ended.status, ended.reason) == ("SKIPPED", "endpoint_disabled")
    (notice,) = shop.notices()
    assert notice.object_no == gone
    (request,) = receiver.list_requests("/told")
    data = request.verify(shop.secrets[told])["data"]
    assert (data["id"], data["enabled"], data["disabled_reason"]) == (gone, False, "gone")
    assert set(data) == {"id", "url", "events", "enabled", "disabled_reason", "created_at"}
    assert [d.endpoint_id for d in Delivery.objects.filter(event=notice)] == [told]
    assert state(deaf) == (True, None)
    shop.tell()
    assert deliver_due_notifications() == {}
    assert len(receiver.list_requests("/gone")) == 1


def test_410_of_an_order_or_of_an_address_left_meanwhile_switches_nothing_off(
    shop: Shop, receiver: WebhookReceiver
) -> None:
    endpoint_id = shop.open("/moved")
    shop.tell()
    (claimed,) = claim_due_deliveries(limit=1, per_queue=1)
    shop.change(endpoint_id, url=receiver.url("/elsewhere"))
    late = DeliveryResult(claimed, Verdict("DEAD", "gone"), status_code=410, error="x")
    assert record_results(results=[late]) == {claimed.delivery_no}
    receiver.script("/notify", Answer(status=410))
    shop.tell(url=receiver.url("/notify"))
    assert deliver_due_notifications() == {"DEAD": 1, "DELIVERED": 1}
    assert state(endpoint_id) == (True, None)
    assert shop.notices() == []


def test_last_try_that_fails_switches_off_and_the_event_is_kept(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock
) -> None:
    endpoint_id = shop.open("/dead", Answer(status=500))
    event_id = shop.tell()
    use_up(shop, clock, event_id, endpoint_id)
    tried_before = shop.tell("order.closed")
    assert deliver_due_notifications() == {"DEAD": 1, "DUE": 1}
    assert read(event_id, endpoint_id).reason == "exhausted"
    assert state(endpoint_id) == (False, "exhausted")
    (notice,) = shop.notices()
    (delivery,) = Delivery.objects.filter(event=notice)
    assert (delivery.status, delivery.reason) == ("SKIPPED", "no_target"), "there is no other"
    clock.advance(20)
    deliver_due_notifications()
    ended = read(tried_before, endpoint_id)
    assert (ended.status, ended.reason, ended.tries) == ("DEAD", "endpoint_disabled", 1)
    assert not WebhookEndpoint.objects.get(pk=endpoint_id).emptying

    receiver.script("/dead", Answer())
    shop.change(endpoint_id, enabled=True)
    assert state(endpoint_id) == (True, None)
    fresh = shop.tell("order.failed")
    assert deliver_due_notifications() == {"DELIVERED": 1}
    assert read(fresh, endpoint_id).status == "DELIVERED"
    assert len(shop.notices()) == 1


def test_endpoint_that_took_something_meanwhile_stays_on(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock
) -> None:
    endpoint_id = shop.open("/flaky", Answer(status=200), Answer(status=500))
    event_id = shop.tell()
    use_up(shop, clock, event_id, endpoint_id)
    Delivery.objects.filter(event_id=event_id).update(due_at="2100-01-01T00:00:00Z")
    send_test_event(merchant_no=shop.merchant_no, endpoint_id=endpoint_id)
    assert deliver_due_notifications() == {"DELIVERED": 1}
    Delivery.objects.filter(event_id=event_id).update(due_at="2020-01-01T00:00:00Z")
    assert deliver_due_notifications() == {"DEAD": 1}
    assert read(event_id, endpoint_id).reason == "exhausted"
    assert state(endpoint_id) == (True, None)
    assert shop.notices() == []


def test_result_of_a_lost_lease_switches_nothing_off(shop: Shop, clock: VirtualClock) -> None:
    endpoint_id = shop.open("/a")
    shop.tell()
    (zombie,) = claim_due_deliveries(limit=1, per_queue=1)
    clock.advance(notifications.LEASE_S + 1)
    (heir,) = claim_due_deliveries(limit=1, per_queue=1)
    gone = Verdict("DEAD", "gone")
    assert record_results(results=[DeliveryResult(zombie, gone, status_code=410)]) == set()
    assert state(endpoint_id) == (True, None)
    assert record_results(results=[DeliveryResult(heir, gone, status_code=410)])
    assert record_results(results=[DeliveryResult(heir, gone, status_code=410)]) == set()
    assert state(endpoint_id) == (False, "gone")
    assert len(shop.notices()) == 1


def test_worker_that_dies_before_the_record_has_done_nothing(
    shop: Shop, receiver: WebhookReceiver, clock: VirtualClock, tmp_path: Path
) -> None:
    """kill -9 after the merchant has said 410: the try is made again, with the same id, and counts once."""
    endpoint_id = shop.open("/gone", Answer(status=410))
    event_id = shop.tell()
    (tmp_path / "delivery_sent").touch()
    worker = subprocess.run(
        [sys.executable, "-c", WORKER],
        cwd=ROOT,
        env={**os.environ, "PLATFORM_FAILPOINT_DIR": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert worker.returncode == -signal.SIGKILL
    assert len(receiver.list_requests("/gone")) == 1
    assert state(endpoint_id) == (True, None)
    assert (read(event_id, endpoint_id).status, shop.notices()) == ("DUE", [])
    clock.advance(notifications.LEASE_S + 1)
    assert deliver_due_notifications() == {"DEAD": 1}
    assert state(endpoint_id) == (False, "gone")
    assert len(shop.notices()) == 1
    first, second = receiver.list_requests("/gone")
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == event_id
    tries = DeliveryTry.objects.filter(delivery=read(event_id, endpoint_id))
    assert [(tried.number, tried.status_code) for tried in tries] == [(1, 410)]


def test_operator_switches_off_and_on(shop: Shop, receiver: WebhookReceiver) -> None:
    endpoint_id, other = shop.open("/a"), shop.open("/b")
    for _twice in range(2):
        disable_endpoint(endpoint_id=endpoint_id)
    assert state(endpoint_id) == (False, "operator")
    (notice,) = shop.notices()
    assert [d.endpoint_id for d in Delivery.objects.filter(event=notice)] == [other]
    for _twice in range(2):
        enable_endpoint(endpoint_id=endpoint_id)
    assert state(endpoint_id) == (True, None)
    shop.tell()
    assert deliver_due_notifications() == {"DELIVERED": 3}
    assert [json.loads(r.body)["type"] for r in receiver.list_requests("/a")] == ["order.success"]


def test_delivery_made_while_its_endpoint_was_switched_off_is_ended(shop: Shop) -> None:
    """An event's transaction may commit after that of the switch: its delivery is not sent, and not forgotten."""
    endpoint_id = shop.open("/a")
    event_id = shop.tell()
    Delivery.objects.filter(event_id=event_id).update(due_at="2100-01-01T00:00:00Z")
    WebhookEndpoint.objects.filter(pk=endpoint_id).update(
        enabled=False, disabled_reason="merchant", disabled_at="2026-01-01T00:00:00Z"
    )
    Delivery.objects.filter(event_id=event_id).update(due_at="2020-01-01T00:00:00Z")
    assert deliver_due_notifications() == {"SKIPPED": 1}
    ended = read(event_id, endpoint_id)
    assert (ended.status, ended.reason, ended.tries) == ("SKIPPED", "endpoint_disabled", 0)


def test_long_queue_of_a_deleted_endpoint_is_emptied_bit_by_bit(
    shop: Shop, owner_connection: psycopg.Connection
) -> None:
    endpoint_id = shop.open("/a")
    first = shop.tell()
    owner_connection.execute(
        "INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, endpoint_id, url, status)"
        " SELECT 'dlv_long' || g, event_id, merchant_no, target, endpoint_id, url, 'DUE'"
        " FROM acquiring_delivery, generate_series(1, 1199) AS g WHERE event_id = %s",
        [first],
    )
    waiting = Delivery.objects.filter(endpoint_id=endpoint_id, status="DUE")
    delete_endpoint(merchant_no=shop.merchant_no, endpoint_id=endpoint_id)
    assert waiting.count() == 200
    assert deliver_due_notifications() == {}
    assert waiting.count() == 0
    assert not WebhookEndpoint.objects.get(pk=endpoint_id).emptying
    assert empty_endpoints() == 0


def test_metrics_count_endpoints_and_what_is_due_by_age(shop: Shop, clock: VirtualClock) -> None:
    def shown(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(f"platform_webhook_{name}", labels) or 0

    on, off = shown("endpoints", state="enabled"), shown("endpoints", state="operator")
    shop.open("/a")
    disable_endpoint(endpoint_id=shop.open("/b"))
    shop.tell()
    assert shown("endpoints", state="enabled") == on + 1
    assert shown("endpoints", state="operator") == off + 1
    assert shown("backlog", age="under_1m") == 2, "the notice and the event"
    clock.advance(3600)
    assert (shown("backlog", age="under_1m"), shown("backlog", age="under_6h")) == (0, 2)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE acquiring_webhook_endpoint SET enabled = false WHERE endpoint_id = %s",
        "UPDATE acquiring_webhook_endpoint SET deleted_at = now() WHERE endpoint_id = %s",
        "UPDATE acquiring_webhook_endpoint SET merchant_no = 'mch_x' WHERE endpoint_id = %s",
        "DELETE FROM acquiring_webhook_endpoint WHERE endpoint_id = %s",
    ],
)
def test_database_keeps_an_endpoint_in_order(
    shop: Shop, owner_connection: psycopg.Connection, statement: str
) -> None:
    endpoint_id = shop.open("/a")
    with pytest.raises(psycopg.Error):
        owner_connection.execute(statement, [endpoint_id])
    assert state(endpoint_id) == (True, None)
