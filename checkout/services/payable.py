"""What acceptance must know of an order before it takes a payment, and why it may refuse the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from acquiring import api as acquiring
from acquiring.contracts import (
    OrderAlreadyPaid,
    OrderClosed,
    OrderClosing,
    OrderFailed,
    PayableOrder,
)
from checkout.services.wallets import hash_token
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.hotsql import HotStatement

_READ: Final = HotStatement(
    name="read_payable",
    retry_safe=True,
    sql="""
    SELECT order_no, merchant_no, status, closing, expired, amount, currency, subject, metadata::text,
        allowed_methods::text, payment_no, return_url, platform_rfc3339(expires_at), fee_rate_ppm, fee_terms,
        cashier_token, payee, payer_ref, (SELECT version FROM checkout_risk_version WHERE id = 1),
        agreement_no, payer_no, max_per_payment
    FROM checkout_read_payable($1::text, $2::text, $3::text, $4::text)
    """,
)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The payer's consent behind a token, as far as a payment must know it; the limit in minor units."""

    agreement_no: str
    payer_no: str
    max_per_payment: int


class Payable(NamedTuple):
    """What acceptance has read: the order, the agreement when a good token came, the version of the risk rules."""

    order: PayableOrder
    agreement: Agreement | None
    risk_version: int


def read_payable(
    *, order_no: str, key_id: str | None, merchant_no: str | None, payer_token: str | None
) -> Payable:
    """Return the order and what must be known beside it: one round trip.

    Exactly one of ``key_id`` and ``merchant_no`` says who asks. Raises NotFound, and Unauthenticated for a key that
    is no longer good.
    """
    rows = _READ.execute(
        [
            order_no,
            key_id,
            merchant_no,
            hash_token(payer_token) if payer_token is not None else None,
        ]
    )
    if not rows:
        if key_id is not None:
            raise acquiring.explain_absence(key_id=key_id)
        raise NotFound
    texts = [value.decode() if value is not None else None for value in rows[0]]
    names = PayableOrder.__struct_fields__
    fields = dict(zip(names, texts, strict=False))
    order = msgspec.convert(
        {
            **fields,
            "closing": fields["closing"] == "t",
            "expired": fields["expired"] == "t",
            "metadata": msgspec.json.decode(fields["metadata"] or "{}"),
            "allowed_methods": msgspec.json.decode(fields["allowed_methods"] or "null"),
        },
        PayableOrder,
        strict=False,
    )
    version, agreement_no, payer_no, limit = texts[len(names) :]
    agreement = None
    if agreement_no is not None and payer_no is not None and limit is not None:
        agreement = Agreement(agreement_no, payer_no, int(limit))
    return Payable(order, agreement, int(version or 0))


def refuse_unpayable(order: PayableOrder) -> None:
    """Raise OrderAlreadyPaid, OrderFailed, OrderClosed or OrderClosing for an order that takes no payment now."""
    if order.status == "SUCCESS":
        raise OrderAlreadyPaid
    if order.status == "FAILED":
        raise OrderFailed
    if order.status == "CLOSED":
        raise OrderClosed
    if order.closing:
        raise OrderClosing
    if order.expired:
        raise OrderClosed("The order has expired.")
