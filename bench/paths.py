"""What is measured: for each path the requests over HTTP and the calls whose statements pgbench replays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from bench.generator import request
from bench.seed import CASHIER_SECRET, PAYERS, Shop, order_number, token_of

ORDER: Final = "ord_%(n)022d"
PAY: Final = '{"method":"BALANCE","options":{"payer_token":"pt_bench_%(p)06d"}}'
PAY_TARGET: Final = f"orders/{ORDER}/pay"
_CREATE: Final = '{"merchant_order_no":"W-%(n)022d","amount":100,"currency":"CNY","subject":"Tea"}'
PAY_IN_CROWD: Final = '{"method":"BALANCE","options":{"payer_token":"pt_crowd_%(p)06d"}}'
ACCOUNT: Final = "8800010000000017"
"""The platform's account at the sandbox's first acquirer."""
NOTIFICATION: Final = (
    f'{{"merchant_account":"{ACCOUNT}","request_no":"att_%(n)022d","status":"SUCCEEDED",'
    '"channel_trade_no":"T%(n)022d","amount":100,"currency":"CNY","failure_code":null}'
)
_SIGNED: Final = (
    f"Sandbox-Account: {ACCOUNT}",
    "Sandbox-Timestamp: %(w0)s",
    "Sandbox-Nonce: %(w1)s",
    "Sandbox-Signature: %(w2)s",
)
_REFUND: Final = '{"order_no":"%(o)s","merchant_refund_no":"R-%(n)022d","amount":100}'


@dataclass(frozen=True)
class Path:
    """One measured path. ``uses_orders`` says that every life needs an unpaid order of its own."""

    name: str
    most_tps: int
    uses_orders: bool = False
    has_reference: bool = True
    in_quick: bool = True
    is_crowd: bool = False
    """Each order belongs to one of a thousand merchants, who asks with a key of his own."""
    awaits_channel: bool = False
    """Each order's payer has a QR code before him, and the request is the channel's signed notification."""


PATHS: Final = (
    Path("create_order", 6_000),
    Path("balance_payment", 3_000, uses_orders=True),
    Path("whole_life", 2_000, has_reference=False),
    Path("order_query", 8_000, uses_orders=True),
    Path(
        "crowd_payment", 3_000, uses_orders=True, has_reference=False, in_quick=False, is_crowd=True
    ),
    Path("callback_funnel", 2_000, has_reference=False, in_quick=False, awaits_channel=True),
    Path("refunded_life", 1_000, has_reference=False, in_quick=False),
    Path("order_list", 5_000, has_reference=False, in_quick=False),
    Path("cashier_page", 3_000, uses_orders=True, has_reference=False, in_quick=False),
    Path("cashier_status", 5_000, uses_orders=True, has_reference=False, in_quick=False),
    Path("consult", 5_000, uses_orders=True, has_reference=False, in_quick=False),
)


def steps_of(path: Path, *, port: int, shop: Shop) -> list[str]:
    """Return the requests of one life of a path."""

    def api(method: str, target: str, body: str | None = None) -> str:
        return request(method, f"/api/v1/{target}", port=port, secret=shop.secret_key, body=body)

    create = api("POST", "orders", _CREATE)
    by_turns = request(
        "POST", f"/api/v1/{PAY_TARGET}", port=port, secret="%(w0)s", body=PAY_IN_CROWD
    )
    notification = request(
        "POST", "/channels/sandbox/notify", port=port, body=NOTIFICATION, headers=_SIGNED
    )
    steps = {
        "create_order": [create],
        "balance_payment": [api("POST", PAY_TARGET, PAY)],
        "crowd_payment": [by_turns],
        "callback_funnel": [notification],
        "whole_life": [
            create,
            api("POST", "orders/%(o)s/pay", PAY),
            api("GET", "orders/%(o)s"),
        ],
        "refunded_life": [
            create,
            api("POST", "orders/%(o)s/pay", PAY),
            api("POST", "refunds", _REFUND),
        ],
        "order_query": [api("GET", f"orders/{ORDER}")],
        "order_list": [api("GET", "orders?limit=20")],
        "cashier_page": [request("GET", f"/cashier/%(n)022d{CASHIER_SECRET}", port=port)],
        "cashier_status": [request("GET", f"/cashier/%(n)022d{CASHIER_SECRET}/status", port=port)],
        "consult": [api("POST", f"orders/{ORDER}/payment-methods", "{}")],
    }
    return steps[path.name]


def calls_of(path: Path, *, sequence: int) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Return the calls to make in this process, to see what they send to the database."""
    order_no = order_number(sequence)
    token = token_of(sequence % PAYERS)
    body: dict[str, Any] = {
        "merchant_order_no": f"S-{sequence:022d}",
        "amount": 100,
        "currency": "CNY",
        "subject": "Tea",
    }
    pay = {"method": "BALANCE", "options": {"payer_token": token}}
    return {
        "create_order": [("POST", "orders", body)],
        "balance_payment": [("POST", f"orders/{order_no}/pay", pay)],
        "order_query": [("GET", f"orders/{order_no}", None)],
    }.get(path.name, [])
