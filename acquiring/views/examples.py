"""What the OpenAPI document shows: one order from its creation to its end. Tests send and read every example."""

from __future__ import annotations

from typing import Any, Final

CREATE_ORDER: Final[dict[str, Any]] = {
    "merchant_order_no": "TEA-1001",
    "amount": 1280,
    "currency": "CNY",
    "subject": "Green tea",
    "expires_in": 900,
    "metadata": {"table": "7"},
}

ORDER: Final[dict[str, Any]] = {
    "order_no": "ord_01k0000000000000000000",
    "merchant_order_no": "TEA-1001",
    "status": "INIT",
    "closing": False,
    "amount": 1280,
    "currency": "CNY",
    "refunded_amount": 0,
    "refunding_amount": 0,
    "subject": "Green tea",
    "description": None,
    "cashier_url": "https://pay.example/cashier/01k0000000000000000000q5Xw0u0cXn1ZkQ2y8n3vYb7a",
    "expires_at": "2026-01-31T08:15:00.000Z",
    "created_at": "2026-01-31T08:00:00.000Z",
    "paid_at": None,
    "closed_at": None,
    "close_reason": None,
    "failure_code": None,
    "payment": None,
    "metadata": {"table": "7"},
}

PAID_ORDER: Final[dict[str, Any]] = ORDER | {
    "status": "SUCCESS",
    "paid_at": "2026-01-31T08:01:12.345Z",
    "payment": {
        "payment_no": "pay_01k0000000000000000001",
        "status": "PAID",
        "method": "QR_CODE",
        "failure_code": None,
        "details": [
            {
                "detail_no": "pdt_01k0000000000000000002",
                "method": "QR_CODE",
                "channel": "sandbox",
                "amount": 1280,
                "status": "DONE",
                "refunded_amount": 0,
            }
        ],
    },
}

CLOSED_ORDER: Final[dict[str, Any]] = ORDER | {
    "status": "CLOSED",
    "closed_at": "2026-01-31T08:05:00.000Z",
    "close_reason": "MERCHANT",
}

CREATE_REFUND: Final[dict[str, Any]] = {
    "merchant_order_no": "TEA-1001",
    "merchant_refund_no": "TEA-1001-R1",
    "amount": 280,
    "reason": "One cup was cold",
}

REFUND: Final[dict[str, Any]] = {
    "refund_no": "rfd_01k0000000000000000003",
    "merchant_refund_no": "TEA-1001-R1",
    "order_no": "ord_01k0000000000000000000",
    "merchant_order_no": "TEA-1001",
    "status": "SUCCESS",
    "amount": 280,
    "currency": "CNY",
    "reason": "One cup was cold",
    "created_at": "2026-01-31T09:00:00.000Z",
    "succeeded_at": "2026-01-31T09:00:00.450Z",
    "failure_code": None,
}

REFUND_LIST: Final[dict[str, Any]] = {"data": [REFUND], "has_more": False, "next_cursor": None}

ORDER_LIST: Final[dict[str, Any]] = {"data": [PAID_ORDER], "has_more": False, "next_cursor": None}

DECIDE_LATE_MONEY: Final[dict[str, Any]] = {"decision": "HONOUR"}

LATE_MONEY: Final[dict[str, Any]] = {
    "late_money_no": "ltm_01k0000000000000000004",
    "order_no": "ord_01k0000000000000000000",
    "merchant_order_no": "TEA-1001",
    "payment_no": "pay_01k0000000000000000001",
    "status": "OPEN",
    "policy": "ASK",
    "amount": 1280,
    "currency": "CNY",
    "channel": "sandbox",
    "reason": "success_after_close",
    "respond_by": "2026-01-31T09:05:05.000Z",
    "created_at": "2026-01-31T08:05:05.000Z",
    "resolved_at": None,
}

HONOURED_LATE_MONEY: Final[dict[str, Any]] = LATE_MONEY | {
    "status": "HONOURED",
    "resolved_at": "2026-01-31T08:10:00.000Z",
}

LATE_MONEY_LIST: Final[dict[str, Any]] = {
    "data": [LATE_MONEY],
    "has_more": False,
    "next_cursor": None,
}
