"""Lists filter alike, and a refund is refused alike whichever of its numbers is wrong."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from django.test import Client

from acquiring.api import authenticate_bearer
from acquiring.contracts import CreateRefund, Method, RefundConflict
from acquiring.services.refunds import create_refund
from engine.models import LateMoney
from tests.barrier import failures, run_together
from tests.console import trades
from tests.makers import make_merchant, make_payer, make_payer_token
from tests.trading import Trade, make_trade, rows

LISTS = ["orders", "refunds", "late-money", "payer-agreements"]


class Shop:
    """A merchant and its calls."""

    def __init__(self, **settings: Any) -> None:
        self.merchant = make_merchant(**{"fee_rate_ppm": 0} | settings)
        self.number = self.merchant["merchant_no"]
        self.identity = authenticate_bearer(secret=self.merchant["secret_key"])
        self.api = Client(headers={"Authorization": f"Bearer {self.merchant['secret_key']}"})

    def sell(self) -> Trade:
        trade = make_trade(merchant=self.identity)
        token = make_payer_token(payer_no=make_payer(), merchant_no=self.number)
        assert trade.pay(Method.BALANCE, payer_token=token).status == "PAID"
        return trade

    def list(self, name: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.api.get(f"/api/v1/{name}", query)
        assert answer.status_code == 200, answer.content
        return list(answer.json()["data"])

    def refund(self, **body: Any) -> tuple[int, dict[str, Any]]:
        whole = {"merchant_refund_no": f"R-{secrets.token_hex(6)}", "amount": 1_00} | body
        answer = self.api.post(
            "/api/v1/refunds", json.dumps(whole), content_type="application/json"
        )
        return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


class TestFilters:
    def test_refunds_by_every_number_and_status(self, shop: Shop):
        first, second = shop.sell(), shop.sell()
        made = [trade.refund(2_00) for trade in (first, first, second)]
        own = first.order()["merchant_order_no"]
        assert {refund["merchant_order_no"] for refund in made[:2]} == {own}
        of_first = [made[1]["refund_no"], made[0]["refund_no"]]
        for query, expected in (
            ({"order_no": first.order_no}, of_first),
            ({"merchant_order_no": own}, of_first),
            ({"order_no": first.order_no, "merchant_order_no": own}, of_first),
            ({"order_no": second.order_no, "merchant_order_no": own}, []),
            ({"merchant_order_no": "nobody"}, []),
            ({"order_no": "ord_" + "0" * 22}, []),
            ({"merchant_refund_no": made[2]["merchant_refund_no"]}, [made[2]["refund_no"]]),
            ({"order_no": first.order_no, "status": "SUCCESS"}, of_first),
            ({"order_no": first.order_no, "status": "FAILED"}, []),
        ):
            found = shop.list("refunds", **query)
            assert [refund["refund_no"] for refund in found] == expected, query

    def test_late_money_by_order_and_time_and_one_by_one(self):
        shop = Shop(late_money_policy="ASK")
        late = [trades.paid_too_late(merchant=shop.merchant) for _ in range(2)]
        numbers = [LateMoney.objects.get(attempt_no=one.attempt).late_money_no for one in late]
        one = shop.api.get(f"/api/v1/late-money/{numbers[0]}").json()
        own = one["merchant_order_no"]
        assert (one["order_no"], one["late_money_no"]) == (late[0].order, numbers[0])
        assert rows(
            "SELECT merchant_order_no FROM acquiring_trade_order WHERE order_no = %s", late[0].order
        ) == [{"merchant_order_no": own}]
        for query, expected in (
            ({"order_no": late[1].order}, [numbers[1]]),
            ({"merchant_order_no": own}, [numbers[0]]),
            ({"merchant_order_no": own, "order_no": late[1].order}, []),
            ({"merchant_order_no": own, "status": "REFUNDED"}, []),
            ({"created_from": one["created_at"]}, [numbers[1], numbers[0]]),
            ({"created_to": one["created_at"]}, []),
        ):
            found = shop.list("late-money", **query)
            assert [item["late_money_no"] for item in found] == expected, query
        assert shop.list("late-money", order_no=late[0].order) == [one]
        stranger = Shop()
        for number in (numbers[0], "ltm_" + "0" * 22, "ltm_1"):
            assert stranger.api.get(f"/api/v1/late-money/{number}").status_code == 404

    @pytest.mark.parametrize("name", LISTS)
    @pytest.mark.parametrize(
        ("query", "field", "code"),
        [
            ({"created_from": "2026-01-31"}, "created_from", "format"),
            ({"created_to": "2026-01-31T00:00:00"}, "created_to", "format"),
            (
                {
                    "created_from": "2026-01-31T00:00:01Z",
                    "created_to": "2026-01-31T08:00:00+08:00",
                },
                "created_to",
                "conflict",
            ),
            ({"cursor": "evt_" + "0" * 22}, "cursor", "format"),
            ({"limit": "101"}, "limit", "range"),
            ({"limit": "1.0"}, "limit", "wrong_type"),
            ({"status": "LOST"}, "status", "unknown_value"),
            ({"state": "INIT"}, "state", "unknown_field"),
        ],
    )
    def test_every_list_refuses_alike(self, shop: Shop, name, query, field, code):
        answer = shop.api.get(f"/api/v1/{name}", query)
        assert answer.status_code == 400
        assert [(e["field"], e["code"]) for e in answer.json()["errors"]] == [(field, code)]

    @pytest.mark.parametrize("name", ["refunds", "late-money"])
    @pytest.mark.parametrize("number", ["order_no", "merchant_order_no"])
    def test_a_number_that_can_be_none(self, shop: Shop, name, number):
        answer = shop.api.get(f"/api/v1/{name}", {number: "ord 1"})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == number

    def test_times_take_every_offset(self, shop: Shop):
        trade = make_trade(merchant=shop.identity)
        made: datetime = trade.order()["created_at"]
        for hours in (-11, 0, 8, 14):
            zone = timezone(timedelta(hours=hours))
            second = timedelta(seconds=1)
            query = {
                "created_from": (made - second).astimezone(zone).isoformat(),
                "created_to": (made + second).astimezone(zone).isoformat(),
            }
            assert trade.order_no in {order["order_no"] for order in shop.list("orders", **query)}
            query["created_to"] = query["created_from"]
            assert shop.list("orders", **query) == []


class TestRefusingRefunds:
    def test_two_numbers_that_disagree_are_a_400_also_for_a_known_refund(self, shop: Shop):
        first, second = shop.sell(), shop.sell()
        other_own = second.order()["merchant_order_no"]
        first.refund(1_00, number=f"known-{first.order_no}")
        before = first.footprint(), second.footprint()
        for number in (f"known-{first.order_no}", f"new-{first.order_no}"):
            for own in (other_own, "nobody"):
                status, problem = shop.refund(
                    merchant_refund_no=number, order_no=first.order_no, merchant_order_no=own
                )
                assert (status, problem["code"]) == (400, "invalid_request")
                assert [(e["field"], e["code"]) for e in problem["errors"]] == [
                    ("merchant_order_no", "conflict")
                ]
        assert (first.footprint(), second.footprint()) == before

    def test_an_unknown_order_is_a_404_also_for_a_known_refund(self, shop: Shop):
        trade = shop.sell()
        trade.refund(1_00, number=f"known-{trade.order_no}")
        foreign = Shop().sell()
        before = trade.footprint(), foreign.footprint()
        for number in (f"known-{trade.order_no}", f"new-{trade.order_no}"):
            for named in (
                {"order_no": "ord_" + "0" * 22},
                {"merchant_order_no": "nobody"},
                {"order_no": foreign.order_no},
                {"merchant_order_no": foreign.order()["merchant_order_no"]},
            ):
                status, problem = shop.refund(merchant_refund_no=number, **named)
                assert (status, problem["code"]) == (404, "not_found"), named
        assert (trade.footprint(), foreign.footprint()) == before

    def test_without_any_number(self, shop: Shop):
        status, problem = shop.refund()
        assert status == 400
        assert problem["errors"][0]["code"] == "required"

    def test_one_refund_number_for_two_orders_at_once(self, shop: Shop):
        for _ in range(3):
            pair = [shop.sell(), shop.sell()]
            number = f"R-{secrets.token_hex(6)}"
            outcomes = run_together([refund_of(shop, trade, number) for trade in pair])
            (refused,) = failures(outcomes)
            assert isinstance(refused, RefundConflict)
            assert {error.field for error in refused.errors} == {"order_no"}
            lost = pair[outcomes.index(refused)]
            assert lost.refunds() == []
            assert lost.order()["refunded_amount"] == lost.order()["refunding_amount"] == 0
            (winner,) = [trade for trade in pair if trade is not lost]
            assert winner.order()["refunded_amount"] == 1_00


def refund_of(shop: Shop, trade: Trade, number: str) -> Any:
    body = CreateRefund(merchant_refund_no=number, amount=1_00, order_no=trade.order_no)
    return lambda: create_refund(body=body, merchant=shop.identity)
