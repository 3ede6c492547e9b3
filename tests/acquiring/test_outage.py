"""A merchant's server is down for a day: it gets every event afterwards, each under its one id. Virtual time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

import psycopg
import pytest
from django.db.models import Min
from hypothesis import example, given
from hypothesis import strategies as st

from acquiring.models import Delivery, DeliveryTry
from acquiring.services import notifications
from acquiring.services.notifications import deliver_due_notifications
from acquiring.webhooks.schedule import EARLIEST, MAX_RETRY_AFTER_S, judge_try, parse_retry_after
from paymentplatform.settings.payments import WEBHOOK_LADDER_S
from tests.acquiring.outbox import make_endpoint, record_event
from tests.clock import VirtualClock
from tests.makers import make_merchant
from tests.webhook_receiver import Answer, WebhookReceiver

DOWN = timedelta(hours=24)
PROMISED_S = 24 * 3600 + 240


@pytest.fixture(autouse=True)
def empty_outbox(owner_connection: psycopg.Connection) -> None:
    """Put what other tests have left far into the future: nothing but this test's rows is due."""
    owner_connection.execute(
        "UPDATE acquiring_delivery SET due_at = due_at + interval '100 years'"
        " WHERE due_at < platform_now() + interval '50 years'"
    )


def run_until_nothing_is_due(merchant_no: str, clock: VirtualClock, end: datetime | None) -> None:
    """Jump from one due time to the next and deliver, up to ``end`` or until nothing is left."""
    for _jump in range(200):
        waiting = Delivery.objects.filter(merchant_no=merchant_no, status="DUE")
        next_due = waiting.aggregate(at=Min("due_at"))["at"]
        if next_due is None or (end is not None and next_due >= end):
            return
        clock.advance(max((next_due - clock.now()).total_seconds(), 0) + 1)
        deliver_due_notifications()
    raise AssertionError("it goes on for ever")


def chances(monkeypatch: pytest.MonkeyPatch, chance: float) -> None:
    """Let every wait have this jitter (0 is the shortest, 1 the longest)."""
    monkeypatch.setattr(notifications.random, "random", lambda: chance)


@pytest.mark.parametrize(("chance", "how"), [(0.0, 503), (1.0, None)])
def test_after_a_day_of_silence_everything_arrives_once(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, chance: float, how: int | None
):
    """By notify_url and by an endpoint; events of the whole day; with an unlucky and a lucky jitter."""
    chances(monkeypatch, chance)
    merchant_no = make_merchant()["merchant_no"]
    start = clock.now()
    with WebhookReceiver() as receiver:
        make_endpoint(merchant_no, receiver.url("/endpoint"))
        down = Answer(hang_up=True) if how is None else Answer(status=how)
        for path in ("/notify", "/endpoint"):
            receiver.script(path, down)
        told = [record_event(merchant_no, receiver.url("/notify")) for _ in range(3)]
        for hour in (6, 12, 23):
            run_until_nothing_is_due(merchant_no, clock, start + timedelta(hours=hour))
            clock.advance((start + timedelta(hours=hour) - clock.now()).total_seconds())
            told.append(record_event(merchant_no, receiver.url("/notify")))
        run_until_nothing_is_due(merchant_no, clock, start + DOWN)
        in_vain = len(receiver.list_requests())
        deliveries = Delivery.objects.filter(merchant_no=merchant_no)
        assert {delivery.status for delivery in deliveries} == {"DUE"}

        clock.advance(max((start + DOWN - clock.now()).total_seconds(), 0))
        for path in ("/notify", "/endpoint"):
            receiver.script(path, Answer())
        run_until_nothing_is_due(merchant_no, clock, None)
        arrived = receiver.list_requests()[in_vain:]

    assert {delivery.status for delivery in deliveries.all()} == {"DELIVERED"}
    for path in ("/notify", "/endpoint"):
        ids = Counter(request.headers["webhook-id"] for request in arrived if request.path == path)
        assert ids == dict.fromkeys(told, 1)
    tries = DeliveryTry.objects.filter(delivery__in=deliveries.all())
    assert tries.filter(error="").count() == len(arrived) == 2 * len(told)
    assert tries.count() == in_vain + len(arrived)
    latest = max(delivery.delivered_at for delivery in deliveries.all())
    assert latest - start < DOWN + timedelta(hours=23 + 15 * 1.1)


def judge(tries: int, chance: float, retry_after_s: float | None = None) -> float | None:
    """The wait after try number ``tries``, None when it was the last."""
    verdict = judge_try(
        status_code=503,
        error="unexpected_status",
        retry_after_s=retry_after_s,
        tries=tries,
        ladder=WEBHOOK_LADDER_S,
        chance=chance,
    )
    return verdict.wait_s if verdict.status == "DUE" else None


@given(st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_every_jitter_outlasts_a_day_and_four_minutes(jitter: list[float]):
    waits = [judge(tries, chance) for tries, chance in enumerate(jitter, start=1)]
    assert None not in waits
    assert sum(wait for wait in waits if wait is not None) >= PROMISED_S
    assert judge(11, jitter[0]) is None


@given(chance=st.floats(0, 1), tries=st.integers(1, 10))
def test_each_wait_is_within_ten_percent(chance: float, tries: int):
    wait, plan = judge(tries, chance), WEBHOOK_LADDER_S[tries]
    assert wait is not None
    assert plan * EARLIEST <= wait <= plan * 1.1 + 1e-6


@given(
    asked=st.one_of(
        st.text(max_size=40),
        st.integers().map(str),
        st.floats(allow_nan=True, allow_infinity=True).map(str),
        st.from_regex(
            r"(Mon|Fri), [0-9]{2} (Jan|Feb|Foo) [0-9]{2,6} [0-9]{2}:[0-9]{2}:[0-9]{2} \S+"
        ),
        st.sampled_from(["9" * 400, "-0", "1e9", "0x10", "²", "+60", " 60 ", "60, 90", "\x00"]),
    ),
    tries=st.integers(1, 10),
)
@example(asked="99999999999", tries=1)
@example(asked="Fri, 01 Jan 2038 00:00:00 GMT", tries=10)
def test_no_retry_after_ends_the_tries_or_holds_them_longer_than_a_day(asked: str, tries: int):
    now = datetime.fromisoformat("2026-01-02T03:04:05+00:00")
    read = parse_retry_after(asked, now=now)
    assert read is None or read >= 0
    wait = judge(tries, 0.0, read)
    shortest = WEBHOOK_LADDER_S[tries] * EARLIEST
    assert wait is not None
    assert shortest <= wait <= max(shortest, MAX_RETRY_AFTER_S)


@pytest.mark.parametrize(
    ("asked", "waited_s"),
    [("0", 15), ("-1", 15), ("soon", 15), ("3600", 3600), ("99999999999", MAX_RETRY_AFTER_S)],
)
def test_absurd_retry_after_in_a_real_answer(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, asked: str, waited_s: float
):
    chances(monkeypatch, 3 / 13)
    merchant_no = make_merchant()["merchant_no"]
    with WebhookReceiver() as receiver:
        receiver.script("/", Answer(status=429, retry_after=asked), Answer())
        event_id = record_event(merchant_no, receiver.url("/"))
        tried_at = clock.now()
        deliver_due_notifications()
        delivery = Delivery.objects.get(event_id=event_id)
        assert (delivery.status, delivery.tries) == ("DUE", 1)
        assert (delivery.due_at - tried_at).total_seconds() == pytest.approx(waited_s, abs=2)
        clock.advance(waited_s + 2)
        deliver_due_notifications()
    assert Delivery.objects.get(event_id=event_id).status == "DELIVERED"
