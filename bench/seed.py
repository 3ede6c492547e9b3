"""Merchants, payers and unpaid orders for the benchmark, made set by set through the application's own role."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

import django
import psycopg

PAYERS: Final = 2_000
CASHIER_SECRET: Final = "benchbenchbenchbenchbenc"
AMOUNT: Final = 1_00
"""Minor units of every order."""
_FEE_RATE_PPM: Final = 6_000
_TOP_UP: Final = 1_000_000_00
_LIMIT: Final = 900_000_000_00
_PREFIX: Final = "pt_bench_"


@dataclass(frozen=True)
class Shop:
    """A merchant with a key; its payers' tokens are ``token_of(n)``."""

    merchant_no: str
    key_id: str
    secret_key: str


def token_of(payer: int) -> str:
    """Return the token under which the hot merchant may take from this payer's balance."""
    return f"{_PREFIX}{payer % PAYERS:06d}"


def order_number(sequence: int) -> str:
    """Return the number of the so-many-th seeded order."""
    return f"ord_{sequence:022d}"


def make_shop(environment: dict[str, str], *, name: str) -> Shop:
    """Make a merchant by the platform's own service, in this process."""
    os.environ.update(environment)
    django.setup()
    from acquiring.services.merchants import create_merchant

    made = create_merchant(name=name, return_origins=(), fee_rate_ppm=_FEE_RATE_PPM)
    return Shop(made.merchant_no, made.credential.key_id, made.credential.secret)


_PAYERS_SQL: Final = """
INSERT INTO checkout_payer_wallet (payer_no, display_name, password_hash, wrong_tries)
SELECT 'pyr_' || lpad(n::text, 22, '0'), 'Payer', 'nobody pays by password here', 0
FROM generate_series(0, %(count)s - 1) n;

SELECT count(ledger_post('jnl_' || lpad(n::text, 22, '0'), 'top_up', 'bench-' || n, current_date, 'CNY',
    ARRAY['A20:platform:CNY'], ARRAY['L10:pyr_' || lpad(n::text, 22, '0') || ':CNY'], ARRAY[%(top_up)s::bigint]))
FROM generate_series(0, %(count)s - 1) n;
"""

_AGREEMENTS_SQL: Final = """
WITH asked AS (
    INSERT INTO checkout_agreement_request (
        agreement_no, merchant_no, currency, max_per_payment, max_per_day, expires_at)
    SELECT 'agr_' || %(mark)s || lpad(n::text, 21, '0'),
        (%(merchants)s::text[])[n %% cardinality(%(merchants)s::text[]) + 1],
        'CNY', %(limit)s, %(limit)s, platform_now()
    FROM generate_series(0, %(count)s - 1) n RETURNING agreement_no
)
INSERT INTO checkout_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
SELECT 'agreement_request', agreement_no, 'PENDING', 'ACTIVE', 'operator', 'system', '' FROM asked;

UPDATE checkout_agreement_request
SET status = 'ACTIVE', payer_no = 'pyr_' || lpad(n::text, 22, '0'), consented_at = platform_now()
FROM generate_series(0, %(count)s - 1) n WHERE agreement_no = 'agr_' || %(mark)s || lpad(n::text, 21, '0');

INSERT INTO checkout_payer_agreement (
    agreement_no, payer_id, merchant_no, token_hash, currency, max_per_payment, max_per_day)
SELECT r.agreement_no, r.payer_no, r.merchant_no,
    encode(sha256(convert_to(%(prefix)s || lpad(n::text, 6, '0'), 'UTF8')), 'hex'), 'CNY', %(limit)s, %(limit)s
FROM generate_series(0, %(count)s - 1) n
JOIN checkout_agreement_request r ON r.agreement_no = 'agr_' || %(mark)s || lpad(n::text, 21, '0');
"""

_ORDERS_SQL: Final = """
WITH made AS (
    INSERT INTO acquiring_trade_order (
        order_no, merchant_no, merchant_order_no, request_digest, amount, currency, subject, metadata,
        cashier_secret, fee_contract_no, max_tries, expires_at, due_at, notify_url)
    SELECT 'ord_' || lpad(n::text, 22, '0'), m.merchant_no, 'S-' || n, md5(n::text), %(amount)s, 'CNY', 'Tea', '{}',
        %(cashier_secret)s, (SELECT contract_no FROM acquiring_fee_contract WHERE merchant_id = m.merchant_no LIMIT 1),
        m.max_tries, platform_now() + make_interval(secs => %(expires_in)s),
        platform_now() + make_interval(secs => %(expires_in)s), %(notify_url)s
    FROM generate_series(%(first)s::bigint, %(first)s::bigint + %(count)s - 1) n
    JOIN acquiring_merchant m
      ON m.merchant_no = (%(merchants)s::text[])[n %% cardinality(%(merchants)s::text[]) + 1]
    RETURNING order_no, merchant_no
)
INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id)
SELECT 'trade_order', order_no, '', 'INIT', 'api', 'merchant:' || merchant_no, '' FROM made
"""


def make_payers(connection: psycopg.Connection, shop: Shop, *, count: int = PAYERS) -> None:
    """Open so many wallets with money and an agreement with the shop."""
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_PAYERS_SQL, {"count": count, "top_up": _TOP_UP})
    make_agreements(connection, [shop.merchant_no], count=count)


def make_agreements(
    connection: psycopg.Connection,
    merchants: list[str],
    *,
    prefix: str = _PREFIX,
    mark: str = "0",
    count: int = PAYERS,
) -> None:
    """Let payer n agree with merchant n (modulo their number), under the token of this prefix and six digits.

    The agreements' numbers begin with the mark.
    """
    parameters = {
        "count": count,
        "merchants": merchants,
        "limit": _LIMIT,
        "prefix": prefix,
        "mark": mark,
    }
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_AGREEMENTS_SQL, parameters)


def make_orders(
    connection: psycopg.Connection,
    *shops: Shop,
    first: int,
    count: int,
    expires_in: int = 86_400,
    notify_url: bool = False,
) -> None:
    """Make unpaid orders ``order_number(first)`` and following, order n of shop n (modulo their number)."""
    parameters = {
        "first": first,
        "count": count,
        "merchants": [shop.merchant_no for shop in shops],
        "amount": AMOUNT,
        "expires_in": expires_in,
        "notify_url": "https://shop.example/notify" if notify_url else None,
        "cashier_secret": CASHIER_SECRET,
    }
    with psycopg.ClientCursor(connection) as cursor:
        cursor.execute(_ORDERS_SQL, parameters)
