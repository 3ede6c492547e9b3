"""/webhook-endpoints, called as a merchant calls it: every call, every refusal, and nothing changed by a refusal."""

from __future__ import annotations

import base64
import json
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from acquiring.contracts import NoDeliveryTarget
from acquiring.endpoint_contracts import (
    MOST_ENDPOINTS,
    CreateWebhookEndpoint,
    WebhookEndpointView,
    WebhookEndpointWithSecret,
)
from acquiring.event_types import EventType
from acquiring.models import Delivery, MerchantEvent, WebhookEndpoint
from acquiring.services.idempotency import Claim, running_under
from acquiring.services.notifications import claim_due_deliveries
from acquiring.services.redeliveries import redeliver_event
from acquiring.services.webhook_endpoints import (
    create_endpoint,
    rotate_endpoint_secret,
    send_test_event,
)
from acquiring.webhooks.endpoint_secrets import read_signing_secrets
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from tests.acquiring.outbox import DELIVERED, end_deliveries, make_endpoint, record_event
from tests.barrier import run_times
from tests.clock import VirtualClock
from tests.makers import make_merchant

URL = "https://shop.example.com/hooks"
PATH = "/api/v1/webhook-endpoints"


@pytest.fixture
def shop() -> dict[str, str]:
    return make_merchant()


def call(
    shop: dict[str, str],
    method: str,
    path: str = "",
    body: Any = None,
    *,
    status: int,
    **headers: str,
) -> dict[str, Any]:
    """Call and expect this status; returns the body (empty for 204)."""
    answer = Client(headers={"Authorization": f"Bearer {shop['secret_key']}"}).generic(
        method,
        PATH + path,
        b"" if body is None else json.dumps(body).encode(),
        content_type="application/json",
        headers=headers,
    )
    assert answer.status_code == status, answer.content
    return dict(answer.json()) if answer.content else {}


def make(shop: dict[str, str], **changes: Any) -> dict[str, Any]:
    return call(shop, "POST", body={"url": URL, **changes}, status=201)


def table(shop: dict[str, str]) -> list[dict[str, Any]]:
    """Everything that is kept of this merchant's endpoints and events."""
    endpoints = WebhookEndpoint.objects.filter(merchant_id=shop["merchant_no"])
    events = MerchantEvent.objects.filter(merchant_no=shop["merchant_no"])
    deliveries = Delivery.objects.filter(merchant_no=shop["merchant_no"])
    return [
        *endpoints.order_by("pk").values(),
        *events.order_by("pk").values(),
        *deliveries.order_by("pk").values(),
    ]


def claimed() -> AbstractContextManager[None]:
    """Run as a request with an Idempotency-Key of its own does."""
    return running_under(Claim(claim_no=numbers.new_number(numbers.CLAIM), fence=1))


def targets(event_id: str) -> dict[str | None, tuple[str, str]]:
    found = Delivery.objects.filter(event_id=event_id)
    return {d.endpoint_id: (d.status, d.reason) for d in found}


class TestLife:
    def test_endpoint_from_first_to_last(self, shop: dict[str, str]):
        made = make(shop, events=["order.success", "refund.failed"])
        assert set(made) == set(WebhookEndpointWithSecret.__struct_fields__)
        assert numbers.is_number(made["id"], "wep")
        secret = made.pop("secret")
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret[6:], validate=True)) == 32
        assert set(made) == set(WebhookEndpointView.__struct_fields__)
        assert {**made, "id": "", "created_at": ""} == {
            "id": "",
            "url": URL,
            "events": ["order.success", "refund.failed"],
            "enabled": True,
            "disabled_reason": None,
            "created_at": "",
        }
        at = f"/{made['id']}"
        assert call(shop, "GET", at, status=200) == made, "the secret is shown once"
        assert call(shop, "GET", status=200)["data"] == [made]

        other = "https://shop.example.com:8443/other?x=1"
        changed = call(shop, "PATCH", at, {"url": other}, status=200)
        assert changed == made | {"url": other}
        changed = call(shop, "PATCH", at, {"events": []}, status=200)
        assert changed == made | {"url": other, "events": []}
        off = call(shop, "PATCH", at, {"enabled": False}, status=200)
        assert off == changed | {"enabled": False, "disabled_reason": "merchant"}
        assert call(shop, "PATCH", at, {"enabled": False}, status=200) == off
        assert call(shop, "PATCH", at, status=200) == off, "nothing named, nothing changed"
        assert call(shop, "PATCH", at, {"url": None, "enabled": True}, status=200) == changed

        assert call(shop, "DELETE", at, status=204) == {}
        for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
            assert call(shop, method, at + path, status=404)["code"] == "not_found"
        assert call(shop, "POST", f"{at}/rotate-secret", status=404)["code"] == "not_found"
        assert call(shop, "GET", status=200)["data"] == []
        kept = WebhookEndpoint.objects.get(pk=made["id"])
        assert (kept.deleted_at is not None, kept.enabled) == (True, False)

    def test_no_events_means_all_of_them(self, shop: dict[str, str]):
        assert make(shop)["events"] == []
        assert make(shop, events=None)["events"] == []
        assert make(shop, events=[str(kind) for kind in EventType])["events"] == list(EventType)

    def test_list_is_newest_first_in_pages(self, shop: dict[str, str]):
        made = [make(shop)["id"] for _ in range(5)]
        found: list[str] = []
        cursor = ""
        for expected in (2, 2, 1):
            page = call(shop, "GET", f"?limit=2{cursor}", status=200)
            found += [endpoint["id"] for endpoint in page["data"]]
            assert len(page["data"]) == expected
            assert page["has_more"] is (page["next_cursor"] is not None)
            cursor = f"&cursor={page['next_cursor']}"
        assert found == sorted(made, reverse=True)
        assert cursor == "&cursor=None"

    def test_creation_is_done_once_under_a_claim(self, shop: dict[str, str]):
        key = {"Idempotency-Key": "once"}
        first = call(shop, "POST", body={"url": URL}, status=201, **key)
        assert call(shop, "POST", body={"url": URL}, status=201, **key) == first
        assert len(call(shop, "GET", status=200)["data"]) == 1


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "url"),
            ({"url": None}, "url"),
            ({"url": 7}, "url"),
            ({"url": ""}, "url"),
            ({"url": "http://shop.example.com/"}, "url"),
            ({"url": "https://shop.example.com:444/"}, "url"),
            ({"url": "https://user@shop.example.com/"}, "url"),
            ({"url": "https://10.0.0.1/"}, "url"),
            ({"url": "https://[::ffff:127.0.0.1]/"}, "url"),
            ({"url": "https://0x7f000001/"}, "url"),
            ({"url": "https://db.internal/"}, "url"),
            ({"url": URL + "#part"}, "url"),
            ({"url": URL + "x" * 2048}, "url"),
            ({"url": URL, "events": "order.success"}, "events"),
            ({"url": URL, "events": ["order.paid"]}, "events"),
            ({"url": URL, "events": ["*"]}, "events"),
            ({"url": URL, "events": ["order.success", "order.success"]}, "events"),
            ({"url": URL, "enabled": True}, "enabled"),
            ({"url": URL, "secret": "whsec_AAAA"}, "secret"),
        ],
    )
    def test_bad_body_makes_nothing(self, shop: dict[str, str], body: dict[str, Any], field: str):
        problem = call(shop, "POST", body=body, status=400)
        assert problem["code"] == "invalid_request"
        assert [error["field"].partition("[")[0] for error in problem["errors"]] == [field]
        assert table(shop) == []

    @pytest.mark.parametrize(
        "body",
        [
            {"url": "https://127.0.0.1/"},
            {"events": ["order.paid"]},
            {"events": ["order.failed", "order.failed"]},
            {"enabled": "no"},
            {"enabled": False, "disabled_reason": "gone"},
            {"enabled": False, "url": "ftp://shop.example.com/"},
        ],
    )
    def test_bad_change_changes_nothing(self, shop: dict[str, str], body: dict[str, Any]):
        made = make(shop)
        before = table(shop)
        problem = call(shop, "PATCH", f"/{made['id']}", body, status=400)
        assert problem["code"] == "invalid_request"
        assert table(shop) == before

    @pytest.mark.parametrize("query", ["?limit=0", "?limit=101", "?cursor=x", "?page=2"])
    def test_bad_query_is_refused(self, shop: dict[str, str], query: str):
        assert call(shop, "GET", query, status=400)["code"] == "invalid_request"

    @pytest.mark.parametrize("path", ["test", "rotate-secret"])
    def test_calls_without_body_take_none(self, shop: dict[str, str], path: str):
        made = make(shop)
        before = table(shop)
        call(shop, "POST", f"/{made['id']}/{path}", {"force": True}, status=400)
        assert table(shop) == before

    def test_foreign_endpoint_is_as_if_absent(self, shop: dict[str, str]):
        made, stranger = make(shop), make_merchant()
        before = table(shop)
        unknown = numbers.new_number("wep")
        for number in (made["id"], unknown, "wep_1", "ord_" + unknown[4:]):
            at = f"/{number}"
            for method, path, body in (
                ("GET", at, None),
                ("PATCH", at, {"enabled": False}),
                ("DELETE", at, None),
                ("POST", f"{at}/test", None),
                ("POST", f"{at}/rotate-secret", None),
            ):
                assert call(stranger, method, path, body, status=404)["code"] == "not_found"
        assert call(stranger, "GET", status=200)["data"] == []
        assert table(shop) == before
        assert table(stranger) == []

    def test_there_are_sixteen_at_most_also_for_many_at_once(self, shop: dict[str, str]):
        made = [make_endpoint(shop["merchant_no"], URL) for _ in range(MOST_ENDPOINTS - 2)]
        WebhookEndpoint.objects.filter(pk=made[0]).update(
            enabled=False, disabled_reason="gone", disabled_at=database_now()
        )

        def create() -> int:
            answer = Client(headers={"Authorization": f"Bearer {shop['secret_key']}"}).post(
                PATH, {"url": URL}, content_type="application/json"
            )
            return answer.status_code

        assert sorted(run_times(5, create)) == [201, 201, 409, 409, 409]
        before = table(shop)
        problem = call(shop, "POST", body={"url": URL}, status=409)
        assert problem["code"] == "webhook_endpoint_limit_reached"
        assert table(shop) == before
        call(shop, "DELETE", f"/{made[0]}", status=204)
        make(shop)


class TestTestEvent:
    def test_goes_to_this_endpoint_alone_whatever_it_wants(self, shop: dict[str, str]):
        made, other = make(shop, events=["order.failed"]), make(shop)
        sent = call(shop, "POST", f"/{made['id']}/test", status=202)
        event = MerchantEvent.objects.get(pk=sent["event_id"])
        assert (event.type, event.object_no) == ("webhook_endpoint.test", made["id"])
        body = json.loads(event.payload)
        assert set(body) == {"id", "type", "timestamp", "data"}
        assert (body["id"], body["type"]) == (event.pk, event.type)
        assert body["data"] == {name: made[name] for name in made if name != "secret"}
        assert targets(event.pk) == {made["id"]: ("DUE", "")}
        assert other["id"] not in targets(event.pk)

    def test_sent_again_it_goes_to_this_endpoint_alone_as_well(self, shop: dict[str, str]):
        made, other = make(shop, events=["order.failed"]), make(shop)
        event_id = call(shop, "POST", f"/{made['id']}/test", status=202)["event_id"]
        end_deliveries(shop["merchant_no"], DELIVERED)
        redeliver_event(event_id=event_id)
        found = Delivery.objects.filter(event_id=event_id).order_by("created_at")
        assert [(d.endpoint_id, d.status) for d in found] == [
            (made["id"], "DELIVERED"),
            (made["id"], "DUE"),
        ]
        call(shop, "PATCH", f"/{made['id']}", {"enabled": False}, status=200)
        with pytest.raises(NoDeliveryTarget):
            redeliver_event(event_id=event_id)
        assert targets(event_id).keys() == {made["id"]}
        assert other["id"] != made["id"]

    def test_endpoint_that_is_off_is_not_tried(self, shop: dict[str, str]):
        made = make(shop)
        call(shop, "PATCH", f"/{made['id']}", {"enabled": False}, status=200)
        before = table(shop)
        problem = call(shop, "POST", f"/{made['id']}/test", status=409)
        assert problem["code"] == "webhook_endpoint_disabled"
        assert table(shop) == before


class TestSecrets:
    def test_previous_one_signs_for_a_day_more(self, shop: dict[str, str], clock: VirtualClock):
        made = make(shop)
        at = f"/{made['id']}/rotate-secret"

        def signing() -> list[str]:
            sealed = WebhookEndpoint.objects.get(pk=made["id"]).secrets
            assert "whsec_" not in sealed
            return read_signing_secrets(sealed, now=database_now())

        assert signing() == [made["secret"]]
        second = call(shop, "POST", at, status=200)
        assert {**second, "secret": made["secret"]} == made
        assert signing() == [second["secret"], made["secret"]]
        clock.advance(12 * 3600)
        third = call(shop, "POST", at, status=200)
        assert signing() == [third["secret"], second["secret"], made["secret"]]
        clock.advance(12 * 3600)
        assert signing() == [third["secret"], second["secret"]]
        clock.advance(12 * 3600)
        assert signing() == [third["secret"]]
        for _ in range(9):
            newest = call(shop, "POST", at, status=200)["secret"]
        assert (len(signing()), signing()[0]) == (4, newest)

    def test_request_that_runs_again_under_its_claim_makes_nothing_new(self, shop: dict[str, str]):
        """A process died after its commit: whoever takes the claim over gives the same answers."""
        names = {"merchant_no": shop["merchant_no"]}
        body = CreateWebhookEndpoint(url=URL)
        with claimed():
            made = create_endpoint(body=body, **names)
            assert create_endpoint(body=body, **names) == made
        names["endpoint_id"] = made.id
        with claimed():
            rotated = rotate_endpoint_secret(**names)
            assert rotate_endpoint_secret(**names) == rotated
        with claimed():
            event_id = send_test_event(**names)
            assert send_test_event(**names) == event_id
        assert rotated.secret not in {made.secret, rotate_endpoint_secret(**names).secret}
        assert list(targets(event_id)) == [made.id]
        assert len(table(shop)) == 3


class TestFanOut:
    def test_each_enabled_endpoint_that_wants_it_gets_a_delivery(self, shop: dict[str, str]):
        merchant_no = shop["merchant_no"]
        every = make(shop)["id"]
        some = make(shop, events=["order.success", "order.failed"])["id"]
        make(shop, events=["refund.success"])
        for change in ({"enabled": False}, None):
            idle = make(shop)["id"]
            call(
                shop,
                "PATCH" if change else "DELETE",
                f"/{idle}",
                change,
                status=200 if change else 204,
            )
        make(make_merchant())
        due = ("DUE", "")
        event_id = record_event(merchant_no, URL)
        assert targets(event_id) == {None: due, every: due, some: due}
        found = Delivery.objects.get(event_id=event_id, endpoint_id=some)
        assert (found.target, found.url, found.merchant_no) == ("ENDPOINT", URL, merchant_no)
        assert numbers.is_number(found.delivery_no, "dlv")
        assert targets(record_event(merchant_no, None)) == {every: due, some: due}
        assert targets(record_event(merchant_no, None, kind="order.closed")) == {every: due}

    def test_nobody_to_tell_is_said_once(self, shop: dict[str, str]):
        make(shop, events=["refund.success"])
        assert targets(record_event(shop["merchant_no"], None)) == {None: ("SKIPPED", "no_target")}

    def test_numbers_made_by_the_database_are_like_ours(self):
        parent = numbers.new_number("evt")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT platform_derive_number('dlv', %s, '7'), platform_new_number('evt')"
                " FROM generate_series(1, 200)",
                [parent],
            )
            derived, fresh = zip(*cursor.fetchall(), strict=True)
        assert set(derived) == {numbers.derive_number("dlv", parent=parent, count=7)}
        assert len(set(fresh)) == 200
        assert all(numbers.is_number(number, "evt") for number in fresh)
        assert parent[:11] <= fresh[0][:11] <= numbers.new_number("evt")[:11]

    def test_waiting_ends_with_the_endpoint_and_what_is_under_way_does_not(
        self, shop: dict[str, str]
    ):
        made, other = make(shop)["id"], make(shop)["id"]
        under_way = record_event(shop["merchant_no"], None)
        strangers = Delivery.objects.filter(due_at__isnull=False).exclude(
            merchant_no=shop["merchant_no"]
        )
        busy = [d.endpoint_id or d.merchant_no for d in strangers]
        (claimed,) = claim_due_deliveries(limit=1, per_queue=1, busy_queues=[*busy, other])
        assert claimed.endpoint_id == made
        waiting = record_event(shop["merchant_no"], None)
        call(shop, "PATCH", f"/{made}", {"enabled": False}, status=200)
        assert targets(waiting) == {made: ("SKIPPED", "endpoint_disabled"), other: ("DUE", "")}
        assert targets(under_way)[made] == ("DUE", "")
        assert WebhookEndpoint.objects.get(pk=made).emptying
