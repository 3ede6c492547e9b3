"""`python3 run.py bench --admin`: how quickly operators' pages open with a million orders behind them.

`--orders N` for another number. The rows are a week of trade (``admin_trade``). What is measured is a real operator's
requests to real web processes: the pages people open most, then every choice that any list offers.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg

from bench.admin_choices import measure_export, measure_lists
from bench.admin_trade import FILL
from bench.seed import Shop, make_shop
from bench.servers import Platform

ORDERS: Final = 1_000_000
PRESSES: Final = 20
LIMIT_MS: Final = 300.0
DASHBOARD_LIMIT_MS: Final = 200.0
_NAME: Final = "bench-operator"


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


def measure_pages(running: Platform, file: Path | None, *, orders: int = 0) -> int:
    """Measure every page and write the figures to the file; 0 when each is under its limit."""
    document = measure_admin(running, orders=orders or ORDERS)
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
        lists = []
        for one in measure_lists(client, merchant_no=shop.merchant_no):
            lists.append(one)
            verdict = f"  over {LIMIT_MS:.0f} ms" if one.worst_ms >= LIMIT_MS else ""
            print(
                f"{one.page:<36}{one.choices:>4} choices, the slowest{one.worst_ms:>6.0f}  {one.worst}{verdict}",
                flush=True,
            )
        export = measure_export(client, f"/admin/engine/refund/export/?q={shop.merchant_no}")
        print(
            f"export: begins after {export.first_ms:.0f} ms, {export.rows_per_s:,.0f} rows a second"
        )
    return {
        "orders": orders,
        "pages": [
            {"page": row.page, "p50_ms": row.p50_ms, "p95_ms": row.p95_ms, "limit_ms": row.limit_ms}
            for row in rows
        ],
        "lists": [asdict(one) for one in lists],
        "export": asdict(export),
        "holds": all(row.holds for row in rows)
        and all(one.worst_ms < LIMIT_MS for one in lists)
        and export.first_ms < LIMIT_MS,
    }


def fill(running: Platform, shop: Shop, *, count: int) -> None:
    """Make a week of trade, and the roll-ups over it."""
    statements = FILL % {"count": count, "merchant": shop.merchant_no}
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
