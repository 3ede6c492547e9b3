"""A thousand merchants at once, and payments whose channel is about to say that they were paid."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psycopg

from bench.paths import ACCOUNT, NOTIFICATION
from bench.seed import Shop, make_agreements, make_orders

MERCHANTS: Final = 1_000
"""A divisor of PAYERS, so that order n and payer n belong to the same merchant."""
_CHANNEL: Final = "sandbox"

# Every row in its first state, then moved, with every move told of: what the platform itself would have left.
_WAITING_SQL: Final = """
UPDATE acquiring_trade_order SET status = 'PAYING', payment_no = 'pay_' || right(order_no, 22)
WHERE order_no BETWEEN %(first)s AND %(last)s;
INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
SELECT 'trade_order', order_no, 'INIT', 'PAYING', 'api', 'system', '' FROM acquiring_trade_order
WHERE order_no BETWEEN %(first)s AND %(last)s;
INSERT INTO engine_payment_order (payment_no, order_no, live_order_no, merchant_no, amount, currency, method,
                                  fee_amount, options_digest, context)
SELECT payment_no, order_no, order_no, merchant_no, amount, currency, 'QR_CODE', 1, '', '{}' FROM acquiring_trade_order
WHERE order_no BETWEEN %(first)s AND %(last)s;
INSERT INTO engine_payment_detail (detail_no, payment_id, method, channel_code, amount, currency)
SELECT 'pdt_' || right(order_no, 22), payment_no, 'QR_CODE', %(channel)s, amount, currency FROM engine_payment_order
WHERE order_no BETWEEN %(first)s AND %(last)s;
INSERT INTO engine_channel_attempt (attempt_no, detail_id, live_detail_no, payment_no, order_no, channel_code, method,
                                    amount, currency, next_query_at)
SELECT 'att_' || right(order_no, 22), 'pdt_' || right(order_no, 22), 'pdt_' || right(order_no, 22), payment_no,
       order_no, %(channel)s, 'QR_CODE', amount, currency, platform_now() + interval '1 day' FROM engine_payment_order
WHERE order_no BETWEEN %(first)s AND %(last)s;
UPDATE engine_payment_order SET status = 'PAYING' WHERE order_no BETWEEN %(first)s AND %(last)s;
UPDATE engine_channel_attempt SET status = 'PENDING', submit_claimed_at = platform_now()
WHERE order_no BETWEEN %(first)s AND %(last)s;
INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
SELECT m.machine, m.prefix || right(o.order_no, 22), m.from_status, m.to_status, 'api', 'system', ''
FROM acquiring_trade_order o CROSS JOIN (VALUES
    ('payment_order', 'pay_', 'INIT', 'PAYING'), ('channel_attempt', 'att_', 'CREATED', 'PENDING')
) AS m (machine, prefix, from_status, to_status)
WHERE o.order_no BETWEEN %(first)s AND %(last)s;
"""


def make_crowd(environment: dict[str, str]) -> list[Shop]:
    """Make a thousand merchants by the platform's own service, each with agreements of two of the payers."""
    from acquiring.services.merchants import create_merchant

    shops = []
    for number in range(MERCHANTS):
        made = create_merchant(name=f"Bench {number}", return_origins=(), fee_rate_ppm=6_000)
        shops.append(Shop(made.merchant_no, made.credential.key_id, made.credential.secret))
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        make_agreements(
            connection, [shop.merchant_no for shop in shops], prefix="pt_crowd_", mark="1"
        )
    return shops


def write_keys(file: str, shops: list[Shop]) -> None:
    """Write down whose key asks for order n: line n modulo their number."""
    Path(file).write_text("\n".join(shop.secret_key for shop in shops), encoding="ascii")


def make_waiting(connection: psycopg.Connection, shop: Shop, *, first: int, count: int) -> None:
    """Make orders whose payer has a QR code of the channel before him."""
    make_orders(connection, shop, first=first, count=count)
    ends = {"first": f"ord_{first:022d}", "last": f"ord_{first + count - 1:022d}"}
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_WAITING_SQL, ends | {"channel": _CHANNEL})


def write_signatures(file: str, *, signing_key: str, first: int, count: int) -> None:
    """Sign the channel's notification of every attempt from ``first`` on, a line each; good for five minutes."""
    from engine.channels.sandbox import codec

    key = codec.derive_key(secret=signing_key, channel=_CHANNEL, purpose=codec.Purpose.NOTIFICATION)
    lines = []
    for number in range(first, first + count):
        signed = codec.sign_notification(
            key=key, account=ACCOUNT, body=NOTIFICATION.encode() % {b"n": number}
        )
        words = (codec.TIMESTAMP_HEADER, codec.NONCE_HEADER, codec.SIGNATURE_HEADER)
        lines.append(" ".join(signed[name] for name in words))
    Path(file).write_text("\n".join(lines), encoding="ascii")
