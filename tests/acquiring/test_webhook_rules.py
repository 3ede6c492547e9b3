"""The pure rules of webhooks: signatures, the ladder, who may send next."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook

from acquiring.webhooks import delivery_lanes
from acquiring.webhooks.delivery_lanes import Lanes
from acquiring.webhooks.schedule import MAX_RETRY_AFTER_S, Verdict, judge_try, parse_retry_after
from acquiring.webhooks.signing import make_webhook_secret, sign_webhook

LADDER = (0, 15, 30, 180, 600, 1200, 1800, 3600, 7200, 21600, 54000)
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def judge(
    status_code: int | None = 500,
    *,
    error: str = "",
    retry_after_s: float | None = None,
    tries: int = 1,
    chance: float = 3 / 13,
) -> Verdict:
    return judge_try(
        status_code=status_code,
        error=error,
        retry_after_s=retry_after_s,
        tries=tries,
        ladder=LADDER,
        chance=chance,
    )


def test_published_vector_of_standard_webhooks() -> None:
    """The vector that the specification's own libraries are tested with."""
    headers = sign_webhook(
        secrets=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        payload=b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("payload", ['{"a":1}', '{"商户":"中文 😀"}', "", "x" * 70_000])
def test_public_library_agrees(payload: str) -> None:
    secret = make_webhook_secret()
    now = datetime.now(UTC)
    headers = sign_webhook(
        secrets=[secret],
        event_id="evt_1",
        timestamp=int(now.timestamp()),
        payload=payload.encode(),
    )
    assert headers["webhook-signature"] == Webhook(secret).sign("evt_1", now, payload)
    Webhook(secret).verify(payload, headers, json_parse=False)


def test_both_secrets_verify_during_rotation() -> None:
    fresh, previous, foreign = make_webhook_secret(), make_webhook_secret(), make_webhook_secret()
    headers = sign_webhook(
        secrets=[fresh, previous],
        event_id="evt_1",
        timestamp=int(datetime.now(UTC).timestamp()),
        payload=b"{}",
    )
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (fresh, previous):
        assert Webhook(secret).verify(b"{}", headers) == {}
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(foreign).verify(b"{}", headers)


def test_secret_is_32_random_bytes() -> None:
    one, other = make_webhook_secret(), make_webhook_secret()
    assert one != other
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) == 32


@pytest.mark.parametrize("secrets", [[], ["whsec_"], ["whsec_not base64"], [""]])
def test_nothing_is_signed_without_a_usable_secret(secrets: list[str]) -> None:
    with pytest.raises(ValueError):
        sign_webhook(secrets=secrets, event_id="evt_1", timestamp=1, payload=b"{}")


@pytest.mark.parametrize("status_code", [200, 201, 202, 204, 299])
def test_every_2xx_is_success(status_code: int) -> None:
    assert judge(status_code) == Verdict("DELIVERED")
    assert judge(status_code, tries=11, retry_after_s=60) == Verdict("DELIVERED")


@pytest.mark.parametrize(
    "status_code", [None, 100, 199, 300, 301, 307, 400, 401, 404, 429, 500, 503]
)
def test_everything_else_is_tried_again(status_code: int | None) -> None:
    verdict = judge(status_code, error="whatever")
    assert (verdict.status, verdict.reason) == ("DUE", "")
    assert verdict.wait_s == pytest.approx(15)


def test_ladder_step_by_step_within_ten_percent() -> None:
    for tries in range(1, 11):
        waits = [judge(tries=tries, chance=chance).wait_s for chance in (0.0, 3 / 13, 1.0)]
        assert waits == pytest.approx([LADDER[tries] * factor for factor in (0.97, 1.0, 1.1)])
    assert judge(tries=11) == Verdict("DEAD", "exhausted")
    assert judge(tries=12) == Verdict("DEAD", "exhausted")


def test_schedule_outlasts_a_day() -> None:
    """A receiver that is down for 24 h 4 min is reached afterwards, even when every wait is the shortest."""
    assert sum(judge(tries=tries, chance=0.0).wait_s for tries in range(1, 11)) > 24 * 3600 + 240


def test_410_and_a_url_no_rule_allows_end_it() -> None:
    assert judge(410) == Verdict("DEAD", "gone")
    assert judge(None, error="url_refused") == Verdict("DEAD", "url_refused")
    assert judge(None, error="address_refused").status == "DUE"


@pytest.mark.parametrize(
    ("asked", "granted"),
    [(None, 15), (0, 15), (14, 15), (60, 60), (86400, 86400), (86401, 86400), (10**12, 86400)],
)
def test_retry_after_lengthens_the_wait_up_to_a_day(asked: float | None, granted: float) -> None:
    assert judge(429, retry_after_s=asked).wait_s == pytest.approx(granted)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("120", 120),
        ("0", 0),
        ("999999999999", 999999999999),
        ("-5", None),
        ("1.5", None),
        ("１２０", None),
        ("9" * 5000, None),
        ("soon", None),
        ("", None),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(days=1), usegmt=True), 0),
        ("Fri, 02 Jan 2026 03:05:05 -0000", 60),
        ("Fri, 32 Foo 2026 99:99:99 GMT", None),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_read_with_care(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds
    assert MAX_RETRY_AFTER_S == 86400


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the lanes: a list of one number."""
    now = [1000.0]
    monkeypatch.setattr(delivery_lanes.time, "monotonic", lambda: now[0])
    return now


def start(
    lanes: Lanes, number: int, *, queue: str = "", receiver: str = "", slow: bool = False
) -> float:
    """Try to start a send; returns for how many seconds it must wait."""
    return lanes.start_or_rest(
        delivery_no=str(number),
        queue=queue or f"wep_{number}",
        receiver=receiver or queue or f"wep_{number}",
        timed_out_before=slow,
    )


def learn(lanes: Lanes, receiver: str, took_s: float) -> None:
    """Let a receiver answer after so long."""
    lanes.memory.note(receiver, took_s)


def test_lingering_sends_make_room_for_others(ticking: list[float]) -> None:
    lanes = Lanes()
    for number in range(delivery_lanes.FAST_SENDERS):
        assert not start(lanes, number)
    assert lanes.count_room() == 0
    ticking[0] += delivery_lanes.LINGERS_AFTER_S
    assert lanes.count_room() == delivery_lanes.FAST_SENDERS


def test_threads_are_bounded_and_the_last_are_for_the_quick(ticking: list[float]) -> None:
    lanes = Lanes()
    number = 0
    while lanes.count_lingering() < delivery_lanes.STRANGE_SENDERS:
        for _ in range(min(16, lanes.count_room())):
            number += 1
            assert not start(lanes, number)
        ticking[0] += delivery_lanes.LINGERS_AFTER_S
    assert start(lanes, 9000) == delivery_lanes.STRANGE_REST_S
    learn(lanes, "wep_quick", 0.1)
    for _ in range(lanes.count_room()):
        number += 1
        assert not start(lanes, number, queue="wep_quick")
    assert number == delivery_lanes.SENDERS
    assert lanes.count_room() == 0


@pytest.mark.parametrize("known_by", ["row", "receiver"])
def test_slow_receivers_never_take_all_senders(ticking: list[float], known_by: str) -> None:
    lanes = Lanes()
    by_row = known_by == "row"
    if not by_row:
        lanes.memory.slow["crawl"] = ticking[0] + 60
    for number in range(delivery_lanes.SLOW_SENDERS):
        assert not start(lanes, number, receiver="crawl", slow=by_row)
    assert not lanes.has_slow_room()
    waits = start(lanes, 1000, queue="wep_waits", receiver="crawl", slow=by_row)
    assert waits == delivery_lanes.REST_S
    assert "wep_waits" in lanes.list_busy_queues()
    assert not start(lanes, 1001, receiver="other")
    ticking[0] += delivery_lanes.REST_S
    assert "wep_waits" not in lanes.list_busy_queues()


def test_strange_receiver_starts_with_one_while_many_linger(ticking: list[float]) -> None:
    lanes = Lanes()
    for number in range(delivery_lanes.SLOW_SENDERS):
        assert not start(lanes, number, queue=f"wep_{number // 8}")
    ticking[0] += delivery_lanes.LINGERS_AFTER_S
    assert not start(lanes, 1000, queue="wep_new")
    assert start(lanes, 1001, queue="wep_new") == delivery_lanes.STRANGE_REST_S
    lanes.end(delivery_no="1000", took_s=0.1)
    assert not start(lanes, 1002, queue="wep_new")
    assert not start(lanes, 1003, queue="wep_new")


def test_receiver_that_hangs_gets_one_sender_until_it_is_quick_again(ticking: list[float]) -> None:
    lanes = Lanes()
    learn(lanes, "wep_a", delivery_lanes.HANGS_AFTER_S)
    assert not start(lanes, 1, queue="wep_a")
    assert start(lanes, 2, queue="wep_a") == delivery_lanes.REST_S
    learn(lanes, "wep_b", delivery_lanes.LINGERS_AFTER_S)
    assert not start(lanes, 3, queue="wep_b")
    assert not start(lanes, 4, queue="wep_b")
    lanes.end(delivery_no="3", took_s=0.5, timed_out=True)
    assert start(lanes, 40, queue="wep_b") == delivery_lanes.REST_S
    lanes.end(delivery_no="1", took_s=0.1)
    for number in range(5, 13):
        assert not start(lanes, number, queue="wep_a", slow=True), "it is known to be quick by now"


def test_run_that_wants_to_end_starts_nobody_who_hangs(ticking: list[float]) -> None:
    lanes = Lanes(closed_to_hanging=True)
    learn(lanes, "wep_a", 15.0)
    learn(lanes, "wep_b", 2.0)
    assert start(lanes, 1, queue="wep_a") == delivery_lanes.REST_S
    assert start(lanes, 2, queue="wep_c", slow=True) == delivery_lanes.REST_S
    assert not start(lanes, 3, queue="wep_b")
    assert not start(lanes, 4, queue="wep_d")


def test_receiver_is_remembered_until_it_is_different(ticking: list[float]) -> None:
    lanes = Lanes()
    memory = lanes.memory
    start(lanes, 1, receiver="crawl")
    lanes.end(delivery_no="1", took_s=15)
    assert (list(memory.slow), list(memory.hanging), list(memory.quick)) == (
        ["crawl"],
        ["crawl"],
        [],
    )
    start(lanes, 2, receiver="crawl")
    lanes.end(delivery_no="2", took_s=0.1)
    assert (list(memory.slow), list(memory.hanging), list(memory.quick)) == ([], [], ["crawl"])
    ticking[0] += delivery_lanes.REMEMBERED_S
    start(lanes, 3, receiver="other")
    lanes.end(delivery_no="3", took_s=15)
    assert (list(memory.slow), list(memory.hanging), list(memory.quick)) == (
        ["other"],
        ["other"],
        [],
    )


def test_queue_with_all_its_senders_is_busy(ticking: list[float]) -> None:
    lanes = Lanes()
    for number in range(delivery_lanes.PER_QUEUE):
        assert lanes.list_busy_queues() == []
        start(lanes, number, queue="wep_a")
    assert lanes.list_busy_queues() == ["wep_a"]
    lanes.end(delivery_no="0", took_s=0.1)
    assert lanes.list_busy_queues() == []
