"""`python3 run.py bench --admin`: how quickly operators' pages open with a million orders behind them.

The rows are filled in set by set by the database's own administrator with its guards off: they look like a week of
trade and are no books (nothing here is proven). What is measured is a real operator's requests to real web processes.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg

from bench.seed import Shop, make_shop
from bench.servers import Platform

ORDERS: Final = 1_000_000
PRESSES: Final = 20
LIMIT_MS: Final = 300.0
DASHBOARD_LIMIT_MS: Final = 200.0
_NAME: Final = "bench-operator"

_FILL: Final = """
SET session_replication_role = replica;
SET synchronous_commit = off;
CREATE FUNCTION pg_temp.number(prefix text, at timestamptz, n bigint) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT prefix || '_' || string_agg(substr('0123456789abcdefghjkmnpqrstvwxyz',
        (((extract(epoch FROM at) * 1000)::bigint >> shift) & 31)::int + 1, 1), '' ORDER BY shift DESC)
        || lpad(n::text, 12, '0') FROM generate_series(0, 45, 5) AS shift $$;
CREATE TEMP TABLE trade AS
SELECT n, at, pg_temp.number('', at, n) AS body,
       CASE WHEN n %% 10 < 8 THEN 'SUCCESS' WHEN n %% 10 = 8 THEN 'CLOSED' ELSE 'INIT' END AS status,
       (ARRAY['BALANCE', 'QR_CODE', 'BANK_CARD', 'WALLET'])[n %% 4 + 1] AS method
FROM (SELECT n, platform_now() - interval '7 days' * (1 - n::float / %(count)s) AS at
      FROM generate_series(1, %(count)s) AS n) AS spread;
INSERT INTO acquiring_trade_order (order_no, merchant_no, merchant_order_no, request_digest, amount, currency, subject,
    metadata, cashier_secret, fee_contract_no, max_tries, expires_at, due_at, status, payment_no, created_at, paid_at,
    closed_at, close_reason)
SELECT 'ord' || body, m.merchant_no, 'B-' || n, md5(n::text), 1280, 'CNY', 'Tea', '{}', 'benchbenchbenchbenchbenc',
    NULL, 5, at + interval '15 minutes', CASE WHEN status = 'INIT' THEN platform_now() + interval '1 day' END, status,
    CASE WHEN status <> 'INIT' THEN 'pay' || body END, at,
    CASE WHEN status = 'SUCCESS' THEN at + interval '2 seconds' END,
    CASE WHEN status = 'CLOSED' THEN at + interval '15 minutes' END, CASE WHEN status = 'CLOSED' THEN 'EXPIRED' END
FROM trade, (SELECT merchant_no, row_number() OVER () AS k, count(*) OVER () AS all_k FROM acquiring_merchant) m
WHERE n %% m.all_k + 1 = m.k;
INSERT INTO engine_payment_order (payment_no, order_no, merchant_no, status, amount, currency, method, options_digest,
    created_at, paid_at, failure_code, fee_amount)
SELECT 'pay' || body, 'ord' || body, '%(merchant)s', CASE WHEN status = 'SUCCESS' THEN 'PAID' ELSE 'FAILED' END, 1280,
    'CNY', method, '', at, CASE WHEN status = 'SUCCESS' THEN at + interval '2 seconds' END,
    CASE WHEN status = 'CLOSED' THEN 'closed' END, 8 FROM trade WHERE status <> 'INIT';
INSERT INTO engine_payment_detail (detail_no, payment_id, method, channel_code, amount, currency, status, created_at)
SELECT 'pdt' || body, 'pay' || body, method, CASE WHEN method <> 'BALANCE' THEN 'sandbox' END, 1280, 'CNY',
    CASE WHEN status = 'SUCCESS' THEN 'DONE' ELSE 'FAILED' END, at FROM trade WHERE status <> 'INIT';
INSERT INTO engine_channel_attempt (attempt_no, detail_id, payment_no, order_no, channel_code, status, amount, currency,
    channel_trade_no, created_at, last_outcome_at)
SELECT 'att' || body, 'pdt' || body, 'pay' || body, 'ord' || body, 'sandbox',
    CASE WHEN status = 'SUCCESS' THEN 'SUCCEEDED' ELSE 'CLOSED' END, 1280, 'CNY', 'T' || n, at,
    at + interval '2 seconds' FROM trade WHERE status <> 'INIT' AND method <> 'BALANCE';
INSERT INTO acquiring_merchant_event (event_id, merchant_no, type, object_no, payload, created_at)
SELECT 'evt' || body, '%(merchant)s', 'order.success', 'ord' || body, '{}', at FROM trade WHERE status = 'SUCCESS';
INSERT INTO acquiring_delivery (delivery_no, event_id, merchant_no, target, url, status, tries, created_at,
    delivered_at, due_at)
SELECT 'dlv' || body, 'evt' || body, '%(merchant)s', 'NOTIFY_URL', 'https://shop.example/hook',
    CASE WHEN n %% 1000 = 0 THEN 'DEAD' ELSE 'DELIVERED' END, 1, at, at, NULL FROM trade WHERE status = 'SUCCESS';
INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id, at)
SELECT 'trade_order', 'ord' || body, '', 'INIT', 'api', 'merchant', '', at FROM trade;
INSERT INTO engine_transition (machine, object_no, from_status, to_status, cause, actor, request_id, at)
SELECT 'payment_order', 'pay' || body, step.from_status, step.to_status, 'api', 'merchant', '', at
FROM trade, (VALUES ('', 'PAYING'), ('PAYING', 'PAID')) AS step (from_status, to_status) WHERE status = 'SUCCESS';
INSERT INTO engine_channel_callback (channel_code, headers, body, received_at, result, attempt_no, note)
SELECT 'sandbox', '{}', '{"result": "paid"}', at, 'APPLIED', 'att' || body, ''
FROM trade WHERE status = 'SUCCESS' AND method <> 'BALANCE';
INSERT INTO checkout_risk_decision (order_no, payment_no, outcome, reason, facts, fired, rules_version, at)
SELECT 'ord' || body, 'pay' || body, 'ALLOW', '', json_build_object('merchant', '%(merchant)s', 'method', method,
    'amount', 1280, 'currency', 'CNY', 'source', 'api', 'terminal', 'WEB', 'weekday', 1, 'minute', 1, 'at', 1),
    '[]', 1, at FROM trade WHERE status <> 'INIT';
INSERT INTO checkout_route_decision (payment_no, order_no, merchant_no, method, amount, currency, book_version,
    strategy, channel_code, facts, candidates, created_at)
SELECT 'pay' || body, 'ord' || body, '%(merchant)s', method, 1280, 'CNY', 1, 'PRIORITY', 'sandbox',
    json_build_object('merchant_no', '%(merchant)s', 'method', method, 'currency', 'CNY', 'amount', 1280,
        'seed', 'pay' || body, 'channels', '[]'::json),
    '[{"channel": "sandbox", "reason": "first", "place": 1}]', at
FROM trade WHERE status <> 'INIT' AND method <> 'BALANCE';
INSERT INTO engine_known_channel (code) VALUES ('sandbox') ON CONFLICT DO NOTHING;
INSERT INTO ledger_account (code, kind, owner, currency, credit_sign)
SELECT code, split_part(code, ':', 1), split_part(code, ':', 2), 'CNY', sign
FROM (VALUES ('A10:sandbox:CNY', -1), ('L20:%(merchant)s:CNY', 1)) AS made (code, sign) ON CONFLICT DO NOTHING;
INSERT INTO ledger_journal (journal_no, event_type, event_id, accounting_date, currency, digest, created_at)
SELECT 'jnl' || body, 'payment_paid', 'pay' || body, at::date, 'CNY', md5(n::text)::uuid, at
FROM trade WHERE status = 'SUCCESS';
INSERT INTO ledger_posting (journal_no, line_no, amount, currency, debit_account_id, credit_account_id)
SELECT 'jnl' || body, 1, 1280, 'CNY', (SELECT id FROM ledger_account WHERE code = 'A10:sandbox:CNY'),
    (SELECT id FROM ledger_account WHERE code = 'L20:%(merchant)s:CNY') FROM trade WHERE status = 'SUCCESS';
INSERT INTO acquiring_settlement_account (merchant_no, currency) VALUES ('%(merchant)s', 'CNY') ON CONFLICT DO NOTHING;
INSERT INTO acquiring_settlement_item (journal_no, merchant_no, currency, kind, event_id, order_no, payment_no, amount,
    fee_amount, accounting_date, batch_no, refunded_amount, returned_fee_amount, released_amount, released_at)
SELECT 'jnl' || body, '%(merchant)s', 'CNY', 'PAYMENT', 'pay' || body, 'ord' || body, 'pay' || body, 1280, 8, at::date,
    CASE WHEN is_old THEN 'stb' END, CASE WHEN is_old THEN 0 END, CASE WHEN is_old THEN 0 END,
    CASE WHEN is_old THEN 1272 END, CASE WHEN is_old THEN at + interval '1 day' END
FROM (SELECT *, at < platform_now() - interval '2 days' AS is_old FROM trade) AS t WHERE status = 'SUCCESS';
INSERT INTO console_audit_log (operator, action, object_no, reason, before, after, request_id, at)
SELECT 'bench', 'query_channel', 'ord' || body, 'asked by the payer', '{}', '{}', '', at FROM trade WHERE n %% 20 = 0;
RESET session_replication_role;
"""


@dataclass(frozen=True, slots=True)
class PageTime:
    """How long one page took, in milliseconds."""

    page: str
    p50_ms: float
    p95_ms: float
    limit_ms: float

    @property
    def holds(self) -> bool:
        """Whether it is under its limit."""
        return self.p95_ms < self.limit_ms


def measure_pages(running: Platform, file: Path | None) -> int:
    """Measure every page and write the figures to the file; 0 when each is under its limit."""
    document = measure_admin(running)
    if file is not None:
        file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if document["holds"] else 1


def measure_admin(running: Platform, *, orders: int = ORDERS) -> dict[str, Any]:
    """Fill, roll up, open every page again and again; print as it goes and return the document."""
    began = time.monotonic()
    shop = make_shop(running.environment, name="Bench")
    fill(running, shop, count=orders)
    print(f"{orders:,} orders filled in {time.monotonic() - began:.0f} s.", flush=True)
    password = _make_operator()
    rows = []
    with httpx.Client(base_url=running.base_url, timeout=60, follow_redirects=True) as client:
        _log_in(client, password)
        for page, address, limit in _list_pages(running):
            row = _measure(client, page, address, limit)
            rows.append(row)
            verdict = "" if row.holds else f"  over {limit:.0f} ms"
            print(f"{page:<34}{row.p50_ms:>9.0f}{row.p95_ms:>9.0f}{verdict}", flush=True)
    return {
        "orders": orders,
        "pages": [
            {"page": row.page, "p50_ms": row.p50_ms, "p95_ms": row.p95_ms, "limit_ms": row.limit_ms}
            for row in rows
        ],
        "holds": all(row.holds for row in rows),
    }


def fill(running: Platform, shop: Shop, *, count: int) -> None:
    """Make a week of trade, and the roll-ups over it."""
    statements = _FILL % {"count": count, "merchant": shop.merchant_no}
    with psycopg.connect(running.admin_url, autocommit=True) as connection:
        name = running.environment["DATABASE_URL"].rpartition("/")[2].partition("?")[0]
        if connection.info.dbname != name:
            with psycopg.connect(running.admin_url, dbname=name, autocommit=True) as there:
                _run(there, statements)
        else:
            _run(connection, statements)
    from paymentplatform.console.services.volumes import roll_up_volumes

    while roll_up_volumes() > 10:
        pass


def _run(connection: psycopg.Connection, statements: str) -> None:
    connection.execute(statements)
    connection.execute("VACUUM (ANALYZE)")


def _make_operator() -> str:
    from django.contrib.auth.models import User

    password = os.urandom(12).hex()
    User.objects.create_superuser(username=_NAME, password=password)
    return password


def _log_in(client: httpx.Client, password: str) -> None:
    page = client.get("/admin/login/").text
    token = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    answer = client.post(
        "/admin/login/?next=/admin/",
        data={"username": _NAME, "password": password, "csrfmiddlewaretoken": token},
        headers={"Referer": str(client.base_url)},
    )
    answer.raise_for_status()


def _list_pages(running: Platform) -> Iterator[tuple[str, str, float]]:
    """Yield name, address and limit of each page; the order is one of the middle of the week."""
    with psycopg.connect(running.environment["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT order_no, payment_no, merchant_order_no, merchant_no FROM acquiring_trade_order"
            " WHERE status = 'SUCCESS' ORDER BY order_no OFFSET 1000 LIMIT 1"
        ).fetchone()
    order_no, payment_no, merchant_order_no, merchant_no = row or ("", "", "", "")
    orders = "/admin/acquiring/tradeorder/"
    for period in ("hour", "day", "week"):
        yield f"dashboard, {period}", f"/admin/?period={period}", DASHBOARD_LIMIT_MS
    for page, address in (
        ("orders", orders),
        ("orders, after the middle", f"{orders}?after={order_no}"),
        ("orders that failed (none)", f"{orders}?status__exact=FAILED"),
        ("orders closed, last day", f"{orders}?status__exact=CLOSED&made=day"),
        ("orders by the merchant's number", f"{orders}?q={merchant_order_no}"),
        ("orders by a payment's number", f"{orders}?q={payment_no}"),
        ("order", f"{orders}{order_no}/change/"),
        ("dossier", f"/admin/dossier/{order_no}/"),
        ("merchant", f"/admin/acquiring/merchant/{merchant_no}/change/"),
        ("payments", "/admin/engine/paymentorder/"),
        ("payments that failed", "/admin/engine/paymentorder/?status__exact=FAILED"),
        ("attempts", "/admin/engine/channelattempt/"),
        ("attempts unknown (none)", "/admin/engine/channelattempt/?status__exact=UNKNOWN"),
        ("attempts by the channel's number", "/admin/engine/channelattempt/?q=T500001"),
        ("attempts of an order", f"/admin/engine/channelattempt/?q={order_no}"),
        ("payments of a payer (none)", "/admin/engine/paymentorder/?q=pyr_0123456789abcdefghjkmn"),
        ("payment", f"/admin/engine/paymentorder/{payment_no}/change/"),
        ("callbacks", "/admin/engine/channelcallback/"),
        ("callbacks refused (none)", "/admin/engine/channelcallback/?result__exact=REFUSED"),
        ("refunds", "/admin/engine/refund/"),
        ("risk decisions", "/admin/checkout/riskdecision/"),
        ("risk decisions blocked (none)", "/admin/checkout/riskdecision/?outcome__exact=BLOCK"),
        ("events", "/admin/acquiring/merchantevent/"),
        ("events of an order", f"/admin/acquiring/merchantevent/?q={order_no}"),
        ("deliveries skipped (none)", "/admin/acquiring/delivery/?status__exact=SKIPPED"),
        ("dead letters", "/admin/acquiring/delivery/?status__exact=DEAD&resent=no"),
        ("cases", "/admin/engine/case/"),
        ("journals", "/admin/ledger/journal/"),
        ("journals reversed (none)", "/admin/ledger/journal/?event_type__exact=reversal"),
        ("journal of a payment", f"/admin/ledger/journal/?q={payment_no}"),
        ("channel", "/admin/engine/knownchannel/sandbox/change/"),
        ("audit log", "/admin/console/auditlog/"),
        ("proposals", "/admin/console/proposal/"),
    ):
        yield page, address, LIMIT_MS


def _measure(client: httpx.Client, page: str, address: str, limit: float) -> PageTime:
    client.get(address).raise_for_status()
    taken = []
    for _ in range(PRESSES):
        began = time.perf_counter()
        client.get(address).raise_for_status()
        taken.append(1000 * (time.perf_counter() - began))
    return PageTime(page, statistics.median(taken), sorted(taken)[int(0.95 * PRESSES) - 1], limit)
