"""GET /events, GET /events/{event_id} and POST /events/{event_id}/redeliver, called as a merchant calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from acquiring.event_contracts import DeliveryStatus, DeliveryTryView, DeliveryView, EventView
from acquiring.event_selectors import list_events_page
from acquiring.models import Delivery, MerchantEvent, WebhookEndpoint
from acquiring.services import redeliveries
from acquiring.services.notifications import deliver_due_notifications
from acquiring.services.webhook_endpoints import delete_endpoint, disable_endpoint
from paymentplatform.kernel import numbers
from tests.acquiring.outbox import (
    DEAD,
    DELIVERED,
    LATER,
    end_deliveries,
    list_statuses,
    make_endpoint,
    record_event,
)
from tests.barrier import run_times
from tests.clock import VirtualClock
from tests.makers import make_merchant
from tests.roundtrips import counting_round_trips
from tests.webhook_receiver import WebhookReceiver

UNKNOWN = numbers.new_number(numbers.EVENT)


@pytest.fixture
def shop() -> dict[str, str]:
    return make_merchant()


def client_of(merchant: dict[str, str]) -> Client:
    return Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})


def get(merchant: dict[str, str], event_id: str, status: int = 200) -> dict[str, Any]:
    answer = client_of(merchant).get(f"/api/v1/events/{event_id}")
    assert answer.status_code == status, answer.content
    return dict(answer.json())


def redeliver(
    merchant: dict[str, str], event_id: str, status: int = 202, **headers: str
) -> dict[str, Any]:
    answer = client_of(merchant).generic(
        "POST", f"/api/v1/events/{event_id}/redeliver", headers=headers
    )
    assert answer.status_code == status, answer.content
    return dict(answer.json())


def listed(merchant: dict[str, str], **query: Any) -> dict[str, Any]:
    answer = client_of(merchant).get("/api/v1/events", query)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def ids(page: dict[str, Any]) -> list[str]:
    return [event["id"] for event in page["data"]]


class TestObject:
    def test_event_tells_what_was_sent_where_and_what_came_back(self, shop: dict[str, str]):
        event_id = record_event(shop["merchant_no"])
        end_deliveries(
            shop["merchant_no"], LATER, status_code=503, error="unexpected_status", duration_ms=41
        )
        event = get(shop, event_id)
        assert set(event) == set(EventView.__struct_fields__)
        assert (event["id"], event["type"], event["timestamp"]) == (
            event_id,
            "order.success",
            "2026-01-02T03:04:05.678Z",
        )
        (delivery,) = event["deliveries"]
        assert set(delivery) == set(DeliveryView.__struct_fields__)
        assert (delivery["target"], delivery["endpoint_id"]) == ("ORDER_NOTIFY", None)
        assert (delivery["status"], delivery["reason"]) == ("DUE", None)
        assert delivery["next_try_at"].endswith("Z")
        (tried,) = delivery["tries"]
        assert set(tried) == set(DeliveryTryView.__struct_fields__)
        assert {**tried, "at": ""} == {
            "number": 1,
            "at": "",
            "status_code": 503,
            "duration_ms": 41,
            "error": "unexpected_status",
        }

    def test_data_is_byte_for_byte_what_was_sent(self, shop: dict[str, str]):
        """Blanks, order of members and escapes stay: whoever compares texts finds the same."""
        odd = {"z": 1, "a": {"商品": "茶 😀"}, "b": [1.50, "\u2028"]}
        event_id = record_event(shop["merchant_no"], data=odd)
        answer = client_of(shop).get(f"/api/v1/events/{event_id}")
        payload = MerchantEvent.objects.get(event_id=event_id).payload
        assert payload.partition('"data": ')[2].removesuffix("}").encode() in answer.content

    def test_event_without_address_says_why_nothing_was_sent(self, shop: dict[str, str]):
        (delivery,) = get(shop, record_event(shop["merchant_no"], None))["deliveries"]
        assert (delivery["status"], delivery["reason"]) == ("SKIPPED", "no_target")
        assert (delivery["url"], delivery["next_try_at"], delivery["tries"]) == (None, None, [])


class TestTenants:
    def test_foreign_event_is_as_if_absent(self, shop: dict[str, str]):
        event_id = record_event(shop["merchant_no"])
        stranger = make_merchant()
        for number in (event_id, UNKNOWN, "evt_1", "ord_" + event_id[4:], "evt_" + "x" * 300):
            assert get(stranger, number, 404)["code"] == "not_found"
            assert redeliver(stranger, number, 404)["code"] == "not_found"
        assert ids(listed(stranger)) == []
        assert list_statuses(event_id) == ["DUE"]


class TestList:
    def test_pages_are_newest_first_and_complete(self, shop: dict[str, str]):
        made = [record_event(shop["merchant_no"], None) for _ in range(5)]
        seen: list[str] = []
        page = listed(shop, limit=2)
        while True:
            seen += ids(page)
            if not page["has_more"]:
                break
            page = listed(shop, limit=2, cursor=page["next_cursor"])
        assert seen == sorted(made, reverse=True)
        assert page["next_cursor"] is None

    def test_filters(self, shop: dict[str, str], clock: VirtualClock):
        order, refund, late = (
            numbers.new_number(prefix)
            for prefix in (numbers.ORDER, numbers.REFUND, numbers.LATE_MONEY)
        )
        merchant_no = shop["merchant_no"]
        paid = record_event(merchant_no, None, object_no=order)
        back = record_event(merchant_no, None, object_no=refund, kind="refund.success")
        clock.advance(3600)
        border = clock.now()
        clock.advance(3600)
        asked = record_event(merchant_no, None, object_no=late, kind="late_money.pending")
        told = record_event(merchant_no, None, object_no=late, kind="late_money.resolved")
        assert ids(listed(shop, type="refund.success")) == [back]
        assert ids(listed(shop, type="order.failed")) == []
        assert ids(listed(shop, object_no=order)) == [paid]
        of_late = sorted([asked, told], reverse=True)  # two of one millisecond have no order
        assert ids(listed(shop, object_no=late)) == of_late
        assert ids(listed(shop, created_from=border.isoformat())) == of_late
        assert sorted(ids(listed(shop, created_to=border.isoformat()))) == sorted([back, paid])
        assert ids(listed(shop, object_no=late, type="late_money.pending")) == [asked]

    def test_what_failed_to_arrive(self, shop: dict[str, str]):
        merchant_no = shop["merchant_no"]
        lost, saved = record_event(merchant_no), record_event(merchant_no)
        end_deliveries(merchant_no, DEAD)
        fine = record_event(merchant_no)
        end_deliveries(merchant_no, DELIVERED)
        silent, waiting = record_event(merchant_no, None), record_event(merchant_no)
        assert ids(listed(shop, delivery_status="DEAD")) == sorted([saved, lost], reverse=True)
        assert ids(listed(shop, delivery_status="DELIVERED")) == [fine]
        assert ids(listed(shop, delivery_status="SKIPPED")) == [silent]
        assert ids(listed(shop, delivery_status="DUE")) == [waiting]

        redeliver(shop, saved)
        assert ids(listed(shop, delivery_status="DEAD")) == [lost]
        end_deliveries(merchant_no, DELIVERED)
        assert ids(listed(shop, delivery_status="DEAD", limit=1)) == [lost]
        assert saved in ids(listed(shop, delivery_status="DELIVERED"))

    def test_what_failed_at_a_deleted_endpoint_counts_while_another_one_could_have_it(
        self, shop: dict[str, str]
    ):
        merchant_no = shop["merchant_no"]
        old = make_endpoint(merchant_no, "https://old.example.com/")
        lost = record_event(merchant_no, None)
        end_deliveries(merchant_no, DEAD)
        delete_endpoint(merchant_no=merchant_no, endpoint_id=old)
        assert ids(listed(shop, delivery_status="DEAD")) == []
        make_endpoint(merchant_no, "https://refunds.example.com/", events=("refund.success",))
        assert ids(listed(shop, delivery_status="DEAD")) == []
        off = make_endpoint(merchant_no, "https://new.example.com/")
        assert ids(listed(shop, delivery_status="DEAD")) == [lost]
        redeliver(shop, lost)
        end_deliveries(merchant_no, DELIVERED)
        assert ids(listed(shop, delivery_status="DEAD")) == []
        assert list_statuses(lost) == ["DEAD", "DELIVERED"]

        stuck = record_event(merchant_no, None)
        end_deliveries(merchant_no, DEAD)
        disable_endpoint(endpoint_id=off)
        assert ids(listed(shop, delivery_status="DEAD")) == [stuck]

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": 0},
            {"limit": 101},
            {"limit": "ten"},
            {"cursor": "x"},
            {"cursor": "ord_" + UNKNOWN[4:]},
            {"type": "ORDER.SUCCESS"},
            {"type": "nothing.of_the_kind"},
            {"created_from": "2026-01-02T00:00:00Z", "created_to": "2026-01-01T00:00:00Z"},
            {"object_no": "tea"},
            {"delivery_status": "dead"},
            {"created_from": "2026-01-01"},
            {"created_to": "yesterday"},
            {"offset": 1},
        ],
    )
    def test_bad_query_is_refused(self, shop: dict[str, str], query: dict[str, Any]):
        answer = client_of(shop).get("/api/v1/events", query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    def test_page_of_100_takes_three_statements(self, shop: dict[str, str]):
        merchant_no = shop["merchant_no"]
        for _ in range(101):
            record_event(merchant_no)
        for _ in range(2):
            Delivery.objects.filter(merchant_no=merchant_no, status="DUE").update(
                due_at="2026-01-01T00:00:00Z"
            )
            end_deliveries(merchant_no, LATER, status_code=500, error="unexpected_status")
        with counting_round_trips() as seen:
            page, following = list_events_page(merchant_no=merchant_no, limit=100)
        assert len(seen) == 3, seen.statements
        assert (len(page), following) == (100, page[-1].id)
        assert {len(event.deliveries[0].tries) for event in page} == {2}
        with counting_round_trips() as short:
            list_events_page(merchant_no=merchant_no, limit=1)
        assert len(short) == len(seen)


FILTERS: dict[str, dict[str, Any]] = {
    "all": {},
    "cursor": {"before": UNKNOWN},
    "type": {"event_type": "order.success"},
    "object": {"object_no": numbers.new_number(numbers.ORDER)},
    **{status.value: {"delivery_status": status} for status in DeliveryStatus},
}


@pytest.mark.parametrize("name", FILTERS)
def test_every_list_walks_an_index(shop: dict[str, str], name: str):
    record_event(shop["merchant_no"])
    with CaptureQueriesContext(connection) as captured:
        list_events_page(merchant_no=shop["merchant_no"], limit=20, **FILTERS[name])
    statements = [query["sql"] for query in captured.captured_queries]
    assert len(statements) in {1, 3}  # 1 where nothing was found
    for sql in statements:
        assert read_whole(sql) == [], sql
    if name == "object":
        # The merchant's own index is the cheaper one while it has few events; without it these two serve.
        merchant_no = shop["merchant_no"]
        assert merchant_no in statements[0]
        plan = explain(statements[0].replace(f"e.merchant_no = '{merchant_no}'", "true"))
        assert "acquiring_event_of_object" in plan
        assert "acquiring_event_one_result" in plan


def explain(sql: str) -> str:
    """The plan with the ways switched off that a small table has at no cost."""
    with transaction.atomic(), connection.cursor() as cursor:
        for other_way in ("seqscan", "indexscan", "indexonlyscan"):
            cursor.execute(f"SET LOCAL enable_{other_way} = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql.replace("%", "%%"))
        return json.dumps(cursor.fetchone()[0])


def read_whole(sql: str) -> list[str]:
    """Tables of which a statement reads every row, for want of a condition on an index."""
    return [
        node.get("Relation Name") or node["Index Name"]
        for node in walk(json.loads(explain(sql))[0]["Plan"])
        if node["Node Type"] in {"Seq Scan", "Bitmap Index Scan"} and "Index Cond" not in node
    ]


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)


class TestRedelivery:
    def test_it_goes_out_again_under_the_same_id(self, shop: dict[str, str]):
        with WebhookReceiver() as receiver:
            event_id = record_event(shop["merchant_no"], receiver.url("/again"))
            end_deliveries(shop["merchant_no"], DEAD)
            event = redeliver(shop, event_id)
            assert [d["status"] for d in event["deliveries"]] == ["DEAD", "DUE"]
            deliver_due_notifications()
            (request,) = receiver.list_requests("/again")
        assert request.headers["webhook-id"] == event_id
        assert request.verify(shop["webhook_secret"])["data"] == event["data"]
        assert [d["status"] for d in get(shop, event_id)["deliveries"]] == ["DEAD", "DELIVERED"]

    def test_it_goes_to_every_target_of_today(self, shop: dict[str, str]):
        merchant_no = shop["merchant_no"]
        before = make_endpoint(merchant_no, "https://a.example.com/")
        gone = make_endpoint(merchant_no, "https://b.example.com/")
        event_id = record_event(merchant_no)
        end_deliveries(merchant_no, DELIVERED)
        WebhookEndpoint.objects.filter(endpoint_id=gone).update(
            enabled=False, disabled_reason="merchant", disabled_at="2026-01-01T00:00:00Z"
        )
        since = make_endpoint(merchant_no, "https://c.example.com/", events=("order.success",))
        make_endpoint(merchant_no, "https://d.example.com/", events=("refund.success",))
        event = redeliver(shop, event_id)
        due = [d["endpoint_id"] for d in event["deliveries"] if d["status"] == "DUE"]
        assert sorted(map(str, due)) == sorted(["None", before, since])

    def test_waiting_delivery_is_brought_forward_not_doubled(
        self, shop: dict[str, str], clock: VirtualClock
    ):
        event_id = record_event(shop["merchant_no"])
        end_deliveries(shop["merchant_no"], LATER, status_code=500, error="unexpected_status")
        first = get(shop, event_id)["deliveries"][0]
        (delivery,) = redeliver(shop, event_id)["deliveries"]
        assert delivery["delivery_no"] == first["delivery_no"]
        assert delivery["next_try_at"] < first["next_try_at"]
        assert Delivery.objects.get(event_id=event_id).due_at <= clock.now()
        assert delivery["tries"] == first["tries"]

    def test_pressed_32_times_at_once(self, shop: dict[str, str]):
        merchant_no = shop["merchant_no"]
        event_id = record_event(merchant_no)
        end_deliveries(merchant_no, DEAD)
        make_endpoint(merchant_no, "https://a.example.com/")

        def press() -> int:
            try:
                client = client_of(shop)
                return client.generic("POST", f"/api/v1/events/{event_id}/redeliver").status_code
            finally:
                connections.close_all()

        assert run_times(32, press) == [202] * 32
        assert sorted(list_statuses(event_id)) == ["DEAD", "DUE", "DUE"]

    def test_press_during_a_press_is_the_same_press(
        self, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ):
        """Delivered between the two: still one more delivery, not two."""
        event_id = record_event(shop["merchant_no"])
        end_deliveries(shop["merchant_no"], DELIVERED)
        wait_for_lock = redeliveries._lock_events

        def lock_late(event_ids: Any) -> None:
            monkeypatch.setattr(redeliveries, "_lock_events", wait_for_lock)
            run_times(1, lambda: redeliver(shop, event_id))
            end_deliveries_elsewhere(shop["merchant_no"])
            wait_for_lock(event_ids)

        def end_deliveries_elsewhere(merchant_no: str) -> None:
            assert run_times(1, lambda: end_deliveries(merchant_no, DELIVERED)) == [None]

        monkeypatch.setattr(redeliveries, "_lock_events", lock_late)
        redeliver(shop, event_id)
        assert list_statuses(event_id) == ["DELIVERED", "DELIVERED"]
        redeliver(shop, event_id)
        assert list_statuses(event_id) == ["DELIVERED", "DELIVERED", "DUE"]

    def test_repeated_under_one_key_is_one_redelivery(self, shop: dict[str, str]):
        """Also when the first answer was never kept: the key makes the delivery's number."""
        event_id = record_event(shop["merchant_no"])
        end_deliveries(shop["merchant_no"], DELIVERED)
        first = redeliver(shop, event_id, **{"Idempotency-Key": "again-1"})
        end_deliveries(shop["merchant_no"], DELIVERED)
        assert redeliver(shop, event_id, **{"Idempotency-Key": "again-1"}) == first
        assert list_statuses(event_id) == ["DELIVERED", "DELIVERED"]

    def test_run_again_under_one_claim_is_one_redelivery(
        self, shop: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ):
        """The request died after its commit and is run again by whoever took its claim over."""
        event_id = record_event(shop["merchant_no"])
        end_deliveries(shop["merchant_no"], DELIVERED)
        claim = numbers.new_number("idk")
        monkeypatch.setattr(redeliveries, "current_claim", lambda: claim)
        first = redeliveries.redeliver_event(event_id=event_id)
        end_deliveries(shop["merchant_no"], DELIVERED)
        assert redeliveries.redeliver_event(event_id=event_id) == first
        assert list_statuses(event_id) == ["DELIVERED", "DELIVERED"]

    def test_nowhere_to_go_is_a_conflict(self, shop: dict[str, str]):
        event_id = record_event(shop["merchant_no"], None)
        problem = redeliver(shop, event_id, 409)
        assert (problem["code"], problem["action"]) == ("no_delivery_target", "FIX_REQUEST")
        assert list_statuses(event_id) == ["SKIPPED"]

    def test_body_may_be_empty_and_nothing_else(self, shop: dict[str, str]):
        event_id = record_event(shop["merchant_no"])
        client = client_of(shop)
        address = f"/api/v1/events/{event_id}/redeliver"
        for body in ('{"url": "https://evil.example.com/"}', "[]", "{"):
            answer = client.post(address, data=body, content_type="application/json")
            assert answer.status_code == 400
        assert client.post(address, data="{}", content_type="application/json").status_code == 202
        assert list_statuses(event_id) == ["DUE"]
