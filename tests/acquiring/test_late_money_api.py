"""GET /late-money and POST /late-money/{late_money_no}/decision, called as a merchant calls them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from django.test import Client

from acquiring.late_money_contracts import LateMoneyView
from engine.models import LateMoney
from engine.services.late_money_settling import settle_due_late_money
from tests.console import trades
from tests.makers import make_merchant
from tests.trading import balance_of, rows


def asked(merchant: dict[str, str] | None = None) -> trades.Trade:
    """Late money of 10.00 CNY about which its merchant is asked."""
    return trades.paid_too_late(merchant=merchant or make_merchant(late_money_policy="ASK"))


def client_of(merchant: dict[str, str]) -> Client:
    return Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})


def number_of(trade: trades.Trade) -> str:
    return str(LateMoney.objects.get(attempt_no=trade.attempt).late_money_no)


def decide(merchant: dict[str, str], number: str, body: Any) -> tuple[int, dict[str, Any]]:
    answer = client_of(merchant).post(
        f"/api/v1/late-money/{number}/decision",
        data=body if isinstance(body, str) else json.dumps(body),
        content_type="application/json",
    )
    return answer.status_code, answer.json()


def listed(merchant: dict[str, str], **query: Any) -> dict[str, Any]:
    answer = client_of(merchant).get("/api/v1/late-money", query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def footprint(trade: trades.Trade) -> tuple[Any, ...]:
    number = number_of(trade)
    return (
        rows("SELECT * FROM engine_late_money WHERE late_money_no = %s", number),
        rows("SELECT * FROM engine_refund WHERE late_money_no = %s", number),
        rows("SELECT * FROM acquiring_merchant_event WHERE object_no = %s", number),
        balance_of(f"L20:{trade.merchant['merchant_no']}:CNY"),
    )


class TestDeciding:
    def test_honour_answers_the_object_and_again_the_same(self):
        trade = asked()
        number = number_of(trade)
        first = decide(trade.merchant, number, {"decision": "HONOUR"})
        again = decide(trade.merchant, number, {"decision": "HONOUR"})
        assert first == again
        status, late = first
        assert status == 200
        assert set(late) == set(LateMoneyView.__struct_fields__)
        assert (late["late_money_no"], late["order_no"], late["payment_no"]) == (
            number,
            trade.order,
            trade.payment,
        )
        assert (late["status"], late["policy"], late["channel"]) == ("HONOURED", "ASK", "sandbox")
        assert (late["amount"], late["currency"]) == (10_00, "CNY")
        assert late["resolved_at"] > late["created_at"]
        assert late["respond_by"] > late["resolved_at"]
        assert balance_of(f"L20:{trade.merchant['merchant_no']}:CNY") == 10_00 - 6

    def test_refund_is_on_its_way_and_cannot_be_taken_back(self):
        trade = asked()
        number = number_of(trade)
        status, late = decide(trade.merchant, number, {"decision": "REFUND"})
        assert (status, late["status"], late["resolved_at"]) == (200, "REFUNDING", None)
        before = footprint(trade)
        status, problem = decide(trade.merchant, number, {"decision": "HONOUR"})
        assert (status, problem["code"]) == (409, "late_money_not_open")
        assert footprint(trade) == before

    @pytest.mark.parametrize("policy", ["REFUND", "HOLD"])
    def test_nobody_was_asked(self, policy):
        trade = asked(make_merchant(late_money_policy=policy))
        before = footprint(trade)
        status, problem = decide(trade.merchant, number_of(trade), {"decision": "HONOUR"})
        assert (status, problem["code"]) == (409, "late_money_not_asked")
        assert footprint(trade) == before

    def test_after_the_deadline_has_settled_it(self, clock):
        trade = asked()
        clock.advance(60 * 60 + 1)
        while settle_due_late_money():
            pass
        before = footprint(trade)
        for decision in ("HONOUR", "REFUND"):
            status, problem = decide(trade.merchant, number_of(trade), {"decision": decision})
            assert (status, problem["code"]) == (409, "late_money_not_open")
        assert footprint(trade) == before

    def test_another_merchants_is_as_if_absent(self):
        trade = asked()
        before = footprint(trade)
        stranger = make_merchant(late_money_policy="ASK")
        foreign = decide(stranger, number_of(trade), {"decision": "HONOUR"})
        absent = decide(stranger, "ltm_" + "0" * 22, {"decision": "HONOUR"})
        crooked = decide(stranger, "ltm_1", {"decision": "HONOUR"})
        for status, problem in (foreign, absent, crooked):
            assert (status, problem["code"]) == (404, "not_found")
        assert footprint(trade) == before

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"decision": "KEEP"},
            {"decision": None},
            {"decision": "HONOUR", "amount": 1},
            '{"decision": "HONOUR", "decision": "REFUND"}',
            "[]",
        ],
        ids=str,
    )
    def test_what_is_no_decision_is_refused(self, body):
        trade = asked()
        before = footprint(trade)
        status, problem = decide(trade.merchant, number_of(trade), body)
        assert (status, problem["code"]) == (400, "invalid_request")
        assert footprint(trade) == before


class TestEvents:
    def test_the_merchant_is_asked_and_told_with_the_object_itself(self):
        trade = asked()
        number = number_of(trade)
        (before,) = listed(trade.merchant)["data"]
        _, after = decide(trade.merchant, number, {"decision": "HONOUR"})
        events = rows(
            "SELECT type, payload FROM acquiring_merchant_event WHERE object_no = %s ORDER BY event_id",
            number,
        )
        assert [event["type"] for event in events] == ["late_money.pending", "late_money.resolved"]
        told = [json.loads(event["payload"]) for event in events]
        assert [body["data"] for body in told] == [before, after]
        assert [set(body) for body in told] == [{"id", "type", "timestamp", "data"}] * 2
        deliveries = rows(
            "SELECT d.url FROM acquiring_delivery d JOIN acquiring_merchant_event e USING (event_id) "
            "WHERE e.object_no = %s",
            number,
        )
        assert len(deliveries) == 2


class TestListing:
    def test_newest_first_page_by_page(self):
        merchant = make_merchant(late_money_policy="ASK")
        numbers = [number_of(asked(merchant)) for _ in range(3)]
        first = listed(merchant, limit=2)
        assert [late["late_money_no"] for late in first["data"]] == numbers[:0:-1]
        assert (first["has_more"], first["next_cursor"]) == (True, numbers[1])
        last = listed(merchant, limit=2, cursor=first["next_cursor"])
        assert [late["late_money_no"] for late in last["data"]] == numbers[:1]
        assert (last["has_more"], last["next_cursor"]) == (False, None)
        for late in (*first["data"], *last["data"]):
            msgspec.convert(late, LateMoneyView)

    def test_by_status(self):
        merchant = make_merchant(late_money_policy="ASK")
        kept, open_one = asked(merchant), asked(merchant)
        decide(merchant, number_of(kept), {"decision": "HONOUR"})
        found = {
            status: [late["late_money_no"] for late in listed(merchant, status=status)["data"]]
            for status in ("OPEN", "HONOURED", "REFUNDED")
        }
        assert found == {
            "OPEN": [number_of(open_one)],
            "HONOURED": [number_of(kept)],
            "REFUNDED": [],
        }

    def test_shows_nobody_elses(self):
        asked()
        assert listed(make_merchant())["data"] == []

    @pytest.mark.parametrize(
        "query",
        [{"limit": "0"}, {"limit": "101"}, {"cursor": "x"}, {"status": "LOST"}, {"page": "1"}],
        ids=str,
    )
    def test_a_query_that_means_nothing_is_refused(self, query):
        answer = client_of(make_merchant()).get("/api/v1/late-money", query)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    def test_needs_a_key(self):
        assert Client().get("/api/v1/late-money").status_code == 401
