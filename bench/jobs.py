"""Work by the batch that no request waits for: the expiry sweep, the claim of due deliveries."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import psycopg

from bench.budgets import judge
from bench.cpu import Usage, read_usage
from bench.measuring import Row
from bench.seed import Shop, make_orders
from bench.servers import Platform

ROWS: Final = 60_000
ROWS_QUICK: Final = 10_000
BATCH: Final = 500


def measure_jobs(running: Platform, shop: Shop, *, first: int, rows: int) -> list[Row]:
    """Make so many orders that are due at once, let the sweep close them and claim what that has to tell."""
    from acquiring.services.closing import expire_due_orders
    from acquiring.services.notifications import claim_due_deliveries

    with psycopg.connect(running.environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        make_orders(connection, shop, first=first, count=rows, expires_in=-1, notify_url=True)
    with psycopg.connect(running.admin_url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")

    def claim() -> int:
        return len(
            claim_due_deliveries(limit=BATCH, per_queue=BATCH, busy_queues=[], with_slow=True)
        )

    return [
        _measure(running, "expiry_sweep", lambda: expire_due_orders(batch_size=BATCH), rows),
        _measure(running, "delivery_claim", claim, rows),
    ]


def _measure(running: Platform, name: str, work: Callable[[], int], rows: int) -> Row:
    """Call until everything is done; the figures are for one row, the latencies for one batch."""

    def read() -> Usage:
        return read_usage(postgres_pid=running.postgres_pid, web_pid=running.web_pid)

    before, began, own = read(), time.perf_counter(), time.process_time()
    done, batches_ms = 0, []
    while done < rows:
        start = time.perf_counter()
        found = work()
        batches_ms.append((time.perf_counter() - start) * 1000)
        if not found:
            break
        done += found
    seconds, used = time.perf_counter() - began, read().since(before)
    mine = time.process_time() - own
    batches_ms.sort()
    speed = done / seconds
    return Row(
        path=name,
        connections=0,
        tps=speed,
        reference_tps=None,
        ratio=None,
        cv=None,
        p50_ms=batches_ms[len(batches_ms) // 2],
        p99_ms=batches_ms[len(batches_ms) * 99 // 100],
        web_cpu_ms=mine * 1000 / max(done, 1),
        pg_cpu_ms=used.postgres * 1000 / max(done, 1),
        load_cpu_ms=0.0,
        reference_pg_cpu_ms=None,
        others_cpu_share=1 - (used.postgres + used.web + mine) / max(used.machine, 0.01),
        verdict=judge(name, tps=speed, ratio=None, p99_ms=None),
    )
