"""Signs of life: what supervisors ask, and what strangers may not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.test import override_settings

from paymentplatform import health, heartbeat
from tests.paymentplatform.calling import Answer

Call = Callable[..., Answer]


@pytest.fixture
def heartbeats(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep this test's signs of life apart from those of running processes."""
    monkeypatch.setattr(heartbeat, "_KEY", "heartbeat-test:{}")
    yield
    cache.delete_many(["heartbeat-test:worker", "heartbeat-test:beat"])


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch) -> health._MigrationCheck:
    check = health._MigrationCheck()
    monkeypatch.setattr(health, "_migrations", check)
    return check


def test_healthz_asks_nobody(pages: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "connection", None)
    assert pages("GET", "/healthz").json == {"status": "alive"}


def test_silent_worker_and_beat_only_degrade(pages: Call, heartbeats: None) -> None:
    answer = pages("GET", "/readyz")
    assert (answer.status, sorted(answer.json["degraded"])) == (200, ["beat", "worker"])
    assert pages("GET", "/readyz?strict=1").status == 503


def test_all_well_is_ready_even_strictly(pages: Call, heartbeats: None) -> None:
    heartbeat.beat_heart()
    heartbeat.show_beat_alive()
    answer = pages("GET", "/readyz?strict=1")
    assert (answer.status, answer.json["degraded"]) == (200, [])


def test_a_heartbeat_ends_by_itself(heartbeats: None) -> None:
    heartbeat.beat_heart()
    remaining = cache._cache.get_client().ttl(cache.make_key("heartbeat-test:worker"))
    assert 0 < remaining <= heartbeat.LIFETIME_S


def test_without_redis_the_platform_is_degraded_but_ready(pages: Call) -> None:
    with override_settings(
        CACHES={
            "default": {
                "BACKEND": "django.core.cache.backends.redis.RedisCache",
                "LOCATION": "redis://127.0.0.1:1/0",
            }
        }
    ):
        assert pages("GET", "/readyz").json["degraded"] == ["redis"]
        assert pages("GET", "/readyz").status == 200
        assert pages("GET", "/readyz?strict=1").status == 503


def test_a_missing_migration_is_not_ready(
    pages: Call, migrations: health._MigrationCheck, owner_connection: psycopg.Connection
) -> None:
    assert migrations.find_missing() == []
    row = owner_connection.execute(
        "DELETE FROM django_migrations WHERE app = 'console' AND name = '0001_initial' RETURNING applied"
    ).fetchone()
    try:
        assert pages("GET", "/readyz").status == 200, "computed at most every few seconds"
        migrations._checked_at = float("-inf")
        answer = pages("GET", "/readyz")
        assert (answer.status, answer.json["faults"]) == (503, ["migrations"])
    finally:
        owner_connection.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('console', '0001_initial', %s)",
            row,
        )


def test_without_the_database_it_is_not_ready(pages: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def cursor(self) -> None:
            raise OperationalError

    monkeypatch.setattr(health, "connection", Gone())
    answer = pages("GET", "/readyz")
    assert (answer.status, answer.json["faults"]) == (503, ["database"])


def test_metrics_are_for_this_machine_or_a_token(pages: Call) -> None:
    answer = pages("GET", "/metrics")
    assert answer.status == 200
    assert b"platform_http_requests_total" in answer.body
    for stranger in (
        {"REMOTE_ADDR": "10.0.0.9"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "10.0.0.9"},
        {"HTTP_FORWARDED": "for=10.0.0.9"},
        {"REMOTE_ADDR": "10.0.0.9", "HTTP_AUTHORIZATION": "Bearer "},
    ):
        assert pages("GET", "/metrics", **stranger).status == 404
    with override_settings(METRICS_TOKEN="letmesee"):
        assert pages("GET", "/metrics", REMOTE_ADDR="10.0.0.9").status == 404
        wrong = pages("GET", "/metrics", REMOTE_ADDR="10.0.0.9", HTTP_AUTHORIZATION="Bearer x")
        assert wrong.status == 404
        right = pages(
            "GET", "/metrics", REMOTE_ADDR="10.0.0.9", HTTP_AUTHORIZATION="Bearer letmesee"
        )
        assert right.status == 200


def test_metrics_count_requests_by_route(pages: Call, api: Call) -> None:
    api("GET", "/api/v1/things")
    line = b'platform_http_requests_total{method="GET",route="api/v1/things",status="200"}'
    assert line in pages("GET", "/metrics").body
