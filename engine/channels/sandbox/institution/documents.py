"""The documents the institution sends: answers about charges and refunds, and notifications. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.book import Row

Document = dict[str, Any]


def write_time(moment: float) -> str:
    """Write seconds since 1970 as RFC 3339 in UTC."""
    written = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return written.replace("+00:00", "Z")


def plain(channel: str, number: str, status: str, *, name: str = "request_no") -> Document:
    """Say no more than a status about a number."""
    return {"merchant_account": codec.ACCOUNTS[channel], name: number, "status": status}


def refused(channel: str, number: str, code: str, *, name: str = "request_no") -> Document:
    """Say that the request itself was refused and nothing was done because of it."""
    return plain(channel, number, "REFUSED", name=name) | {"failure_code": code}


def page_url(charge: Row, *, public_url: str) -> str:
    """Return the address of the page where the payer of this charge is expected."""
    return f"{public_url}/{charge['page']}/{charge['token']}"


def describe_charge(charge: Row, *, public_url: str) -> Document:
    """Tell the state of a charge, and while it waits for the payer, where the payer has to go."""
    document = _state(charge)
    if charge["status"] == "PENDING" and charge["page"]:
        url = page_url(charge, public_url=public_url)
        document["action"] = {"type": "redirect", "url": url}
        if charge["method"] == "QR_CODE":
            expires_at = write_time(charge["expires_at"])
            document["action"] = {"type": "qr_code", "qr_content": url, "expires_at": expires_at}
    return document


def describe_refund(refund: Row) -> Document:
    """Tell the state of a refund."""
    return {
        "merchant_account": codec.ACCOUNTS[refund["channel"]],
        "refund_no": refund["refund_no"],
        "status": refund["status"],
        "channel_trade_no": refund["channel_refund_no"],
        "amount": refund["amount"],
        "currency": refund["currency"],
        "failure_code": refund["failure_code"],
    }


def notification_of_refund(refund: Row) -> Document:
    """Tell the news of a refund."""
    return describe_refund(refund) | {
        "payment_no": refund["payment_no"],
        "order_no": refund["order_no"],
        "occurred_at": write_time(refund["created_at"]),
    }


def notification_of(charge: Row) -> Document:
    """Tell the news of a charge."""
    return _state(charge) | {
        "payment_no": charge["payment_no"],
        "order_no": charge["order_no"],
        "occurred_at": write_time(charge["finished_at"] or charge["created_at"]),
    }


def _state(charge: Row) -> Document:
    paid = charge["charged_amount"]
    saved = charge["saved_card"] if charge["status"] == "SUCCEEDED" else ""
    card = {"saved_card": json.loads(saved)} if saved else {}
    return (
        plain(charge["channel"], charge["request_no"], charge["status"])
        | card
        | {
            "channel_trade_no": charge["channel_trade_no"],
            "amount": charge["amount"] if paid is None else paid,
            "currency": charge["currency"],
            "failure_code": charge["failure_code"],
        }
    )
