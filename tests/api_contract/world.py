"""One merchant with one of everything that the API can name."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from acquiring.models import Merchant
from acquiring.services.credentials import revoke_credential
from engine.models import LateMoney
from tests.api_contract.inventory import Route, send
from tests.console import trades
from tests.makers import make_merchant, make_payer, make_payer_token, order_body

PLENTY_PER_S = 1_000_000


@dataclass(frozen=True)
class World:
    """``numbers`` names one thing of each kind, by the parameter that wants it."""

    merchant_no: str
    key: str
    payer_token: str
    numbers: dict[str, str]

    def body_for(self, route: Route) -> dict[str, Any]:
        """A body that this merchant could really send, under numbers that were never used."""
        body = route.example()
        for name in {"merchant_order_no", "merchant_refund_no"} & body.keys():
            if route.name == f"create_{name.split('_')[1]}":
                body[name] = f"W-{secrets.token_hex(8)}"
        if route.name == "create_refund":
            body["merchant_order_no"] = self.numbers["merchant_order_no"]
        return body


def make_world() -> World:
    """Make a merchant without a small rate limit, with a paid order, a refund, an event, an endpoint, an agreement."""
    made = make_merchant(late_money_policy="ASK")
    late = LateMoney.objects.get(attempt_no=trades.paid_too_late(merchant=made).attempt)
    number, key = made["merchant_no"], made["secret_key"]
    Merchant.objects.filter(merchant_no=number).update(rate_limit_per_s=PLENTY_PER_S)
    payer_token = make_payer_token(payer_no=make_payer(), merchant_no=number)

    def make(address: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = send("post", f"/api/v1/{address}", key=key, body=body)
        assert answer.status in {200, 201}, answer.body
        return dict(answer.json)

    order = make("orders", order_body())
    paid = make("orders", order_body())
    make(
        f"orders/{paid['order_no']}/pay",
        {"method": "BALANCE", "options": {"payer_token": payer_token}},
    )
    refund = make(
        "refunds", {"order_no": paid["order_no"], "merchant_refund_no": "W-R1", "amount": 1}
    )
    endpoint = make("webhook-endpoints", {"url": "https://shop.example/hooks"})
    agreement = make(
        "payer-agreements",
        {"max_per_payment": 1, "max_per_day": 1, "return_url": "https://shop.example/"},
    )
    (event, *_) = send("get", "/api/v1/events", key=key).json["data"]
    return World(
        merchant_no=number,
        key=key,
        payer_token=payer_token,
        numbers={
            "order_no": order["order_no"],
            "merchant_order_no": paid["merchant_order_no"],
            "refund_no": refund["refund_no"],
            "merchant_refund_no": "W-R1",
            "endpoint_id": endpoint["id"],
            "agreement_no": agreement["agreement_no"],
            "event_id": event["id"],
            "late_money_no": str(late.late_money_no),
        },
    )


def revoke(made: dict[str, str]) -> str:
    """Revoke a merchant's key; returns its secret, which was good until now."""
    assert send("get", "/api/v1/orders", key=made["secret_key"]).status == 200
    revoke_credential(key_id=made["key_id"])
    return made["secret_key"]
