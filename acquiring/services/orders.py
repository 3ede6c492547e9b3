"""Create orders 收单: one statement, idempotent by the merchant's own number, for ever."""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
from django.conf import settings

from acquiring.contracts import CreateOrder, MerchantIdentity, OrderConflict
from acquiring.models import TradeOrder
from acquiring.services.order_rules import (
    DEFAULT_EXPIRES_IN_S,
    check_new_order,
    digest_order,
    find_differences,
)
from paymentplatform.kernel import context, numbers, transactions
from paymentplatform.kernel.errors import Unauthenticated, Unavailable
from paymentplatform.kernel.hotsql import HotStatement

_CREATE: Final = HotStatement(
    name="create_order",
    retry_safe=True,
    sql="""
    WITH made AS (
        INSERT INTO acquiring_trade_order (
            order_no, merchant_no, merchant_order_no, request_digest, amount, currency, subject,
            description, notify_url, return_url, allowed_methods, payer_ref, metadata,
            cashier_secret, fee_contract_no, max_tries, expires_at, due_at)
        SELECT $2::text, c.merchant_no, $3::text, $4::text, $5::bigint, $6::text, $7::text,
            $8::text, $9::text, $10::text, $11::jsonb, $12::text, $13::jsonb,
            $14::text,
            (SELECT f.contract_no FROM acquiring_fee_contract f
             WHERE f.merchant_id = c.merchant_no AND f.valid_from <= platform_now()
             ORDER BY f.valid_from DESC LIMIT 1),
            c.max_tries, platform_now() + make_interval(secs => $15::int),
            platform_now() + make_interval(secs => $15::int)
        FROM acquiring_caller($1::text) c
        ON CONFLICT (merchant_no, merchant_order_no) DO NOTHING
        RETURNING order_no, request_digest,
            acquiring_order_json(acquiring_trade_order, $16::text)::text AS body
    ), noted AS (
        INSERT INTO acquiring_transition
            (machine, object_no, from_status, to_status, cause, actor, request_id)
        SELECT 'trade_order', made.order_no, '', 'INIT', 'api', $17::text, $18::text FROM made
    )
    SELECT 'made', request_digest, body FROM made
    """,
)

_FIND: Final = HotStatement(
    name="find_order_by_merchant_number",
    retry_safe=True,
    sql="""
    SELECT o.request_digest, acquiring_order_json(o, $3::text)::text
    FROM acquiring_caller($1::text) c
    LEFT JOIN acquiring_trade_order o
      ON o.merchant_no = c.merchant_no AND o.merchant_order_no = $2::text
    """,
)


@transactions.forbid
def create_order(*, body: CreateOrder, merchant: MerchantIdentity) -> tuple[bool, bytes]:
    """Create an order, or find the one this number already belongs to (one statement, its own transaction).

    Returns (made now, Order as JSON). Amounts in minor units. Raises InvalidRequest, OrderConflict when the
    number was used with another body, Unauthenticated when the key was revoked meanwhile.
    """
    check_new_order(body, merchant)
    digest = digest_order(body)
    methods = msgspec.json.encode(body.allowed_methods) if body.allowed_methods else None
    rows = _CREATE.execute(
        [
            merchant.key_id,
            numbers.new_number(numbers.ORDER),
            body.merchant_order_no,
            digest,
            body.amount,
            body.currency,
            body.subject,
            body.description,
            body.notify_url,
            body.return_url,
            methods,
            body.payer_ref,
            msgspec.json.encode(body.metadata or {}),
            secrets.token_urlsafe(18),
            body.expires_in or DEFAULT_EXPIRES_IN_S,
            settings.BASE_URL,
            f"merchant:{merchant.merchant_no}",
            context.request_id.get(),
        ]
    )
    if rows:
        return True, rows[0][2] or b""
    return False, _find_same_order(body=body, digest=digest, merchant=merchant)


def _find_same_order(*, body: CreateOrder, digest: str, merchant: MerchantIdentity) -> bytes:
    rows = _FIND.execute([merchant.key_id, body.merchant_order_no, settings.BASE_URL])
    if not rows:
        raise Unauthenticated
    known_digest, order_json = rows[0]
    if known_digest is None or order_json is None:
        raise Unavailable
    if known_digest.decode() != digest:
        _refuse_other_content(body=body, merchant=merchant)
    return order_json


def _refuse_other_content(*, body: CreateOrder, merchant: MerchantIdentity) -> None:
    """Raise OrderConflict naming what differs from the first order.

    The fields decide, not the digest: a digest made by an earlier release, of the same fields, refuses nothing.
    """
    first = TradeOrder.objects.get(
        merchant_no=merchant.merchant_no, merchant_order_no=body.merchant_order_no
    )
    if differences := find_differences(asked=body, first=_read_back(first)):
        raise OrderConflict(
            "This merchant_order_no was used before with other content.",
            errors=tuple(differences),
        )


def _read_back(order: TradeOrder) -> CreateOrder:
    """Return the body that this order was made from."""
    return CreateOrder(
        merchant_order_no=order.merchant_order_no,
        amount=order.amount,
        currency=order.currency,
        subject=order.subject,
        description=order.description,
        expires_in=round((order.expires_at - order.created_at).total_seconds()),
        notify_url=order.notify_url,
        return_url=order.return_url,
        allowed_methods=order.allowed_methods,
        payer_ref=order.payer_ref,
        metadata=order.metadata,
    )
