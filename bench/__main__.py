"""`python3 run.py bench [--quick] [--json FILE]`: measure the hot paths, then prove that the books agree."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import platform as host
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import psycopg

from bench import faults, reconciliation, report, soak, stress, wrk
from bench.admin import measure_pages
from bench.chart import draw
from bench.generator import Refused
from bench.hits import hit_rates, read_hits
from bench.jobs import ROWS, ROWS_QUICK, measure_jobs
from bench.measuring import CONNECTIONS, Bench, Plan, Row
from bench.paths import PATHS
from bench.plans import show_plans
from bench.seed import make_payers, make_shop
from bench.servers import Platform, platform
from deploy.local.errors import LauncherError
from deploy.local.paths import PYTHON, ROOT
from deploy.local.postgres import DURABLE

STRESS_S: Final = 8.0
FAULTS_RATE: Final = 300
"""Payments a second while things break."""
QUICK: Final = Plan(pairs=2, web_s=1.5, reference_s=1.0, quick=True)
WHOLE: Final = Plan(pairs=6, web_s=4.0, reference_s=3.0, quick=False)


def main(arguments: list[str]) -> int:
    """Measure; 0 when every answer was 2xx, all that was accepted is done, and the books agree."""
    options = read_options(arguments)
    plan = replace(
        QUICK if options.quick else WHOLE,
        connections=tuple(options.connections),
        names=tuple(options.path),
        uses_wrk=wrk.is_installed() and not options.no_wrk,
    )
    if options.limit or options.plans is not None:
        plan = replace(plan, names=("none",))
    if options.limit:
        os.environ["PLATFORM_RATE_LIMIT_PER_S"] = str(options.limit)
    if options.pairs:
        plan = replace(plan, pairs=options.pairs)
    try:
        with platform() as running:
            if options.reconcile:
                return reconcile(running, options.json)
            if options.admin:
                return measure_pages(running, options.json, orders=options.orders)
            document = measure_all(running, plan, options)
    except (LauncherError, Refused) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if document["books"] == "ok" and document["is_whole"] else 1


def reconcile(running: Platform, file: Path | None) -> int:
    """Find ten thousand planted differences among a million lines; 0 when all were found, in time and memory."""
    result = reconciliation.measure(running.environment, reconciliation.Size())
    print(reconciliation.show(result))
    if file is not None:
        file.write_text(
            json.dumps(reconciliation.as_json(result), indent=2) + "\n", encoding="utf-8"
        )
    return 0 if result.ok else 1


def read_options(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="four paths in about a minute")
    add(
        "--path",
        action="append",
        default=[],
        choices=[path.name for path in PATHS],
        help="only this one; repeatable",
    )
    add(
        "--connections",
        type=_read_numbers,
        default=[CONNECTIONS],
        metavar="N,N",
        help="the first goes with pgbench",
    )
    add("--pairs", type=int, metavar="N", help="so many pairs instead of 6 (2 with --quick)")
    add(
        "--orders",
        type=int,
        default=0,
        metavar="N",
        help="so many orders are there before (5000000 takes minutes)",
    )
    add(
        "--soak",
        type=int,
        default=0,
        metavar="MINUTES",
        help="pay for so long at the end, with checkpoints",
    )
    add("--faults", action="store_true", help="at the end, payments while things break")
    add("--stress", action="store_true", help="at the end, rates beyond what it can do")
    add(
        "--limit",
        type=int,
        default=0,
        metavar="N",
        help="only --stress, with PLATFORM_RATE_LIMIT_PER_S=N",
    )
    add(
        "--rates",
        type=_read_numbers,
        metavar="N,N",
        help="of --stress and --limit, instead of 0.5 to 2 times what it can do",
    )
    add("--no-wrk", action="store_true", help="our own load, also where wrk is installed")
    add(
        "--admin",
        action="store_true",
        help="operators' pages with a million orders (or --orders N) instead",
    )
    add("--reconcile", action="store_true", help="a day of a million lines instead")
    add("--plans", metavar="FILE", type=Path, help="only how the hot statements are carried out")
    add("--json", metavar="FILE", type=Path, help="write the figures there too")
    add("--svg", metavar="FILE", type=Path, help="draw them there")
    return parser.parse_args(arguments)


def _read_numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def measure_all(running: Platform, plan: Plan, options: argparse.Namespace) -> dict[str, Any]:
    """Seed, measure every path of the plan, prove; print as it goes and return the document."""
    began = time.monotonic()
    settings = read_durable_settings(running)
    shop = make_shop(running.environment, name="Bench")
    with psycopg.connect(running.environment["DATABASE_URL"], autocommit=True) as connection:
        make_payers(connection, shop)
    bench = Bench(running, shop, plan)
    bench.fill(options.orders)
    rows: list[Row] = []
    statements = {}
    print(f"Load by {'wrk' if plan.uses_wrk else 'our own generator'}. {report.heading(plan)}")
    if options.plans is not None:
        bench.warm("balance_payment", "create_order")
        first = bench.reserve(next(path for path in PATHS if path.uses_orders), 1_000)
        options.plans.write_text(show_plans(running, shop, first=first), encoding="utf-8")
    hits_before = read_hits(running)
    for path in plan.paths:
        found, sent = bench.measure(path)
        rows += found
        statements[path.name] = sent
        print("\n".join(report.line(row) for row in found), flush=True)
    if not plan.names:
        count = ROWS_QUICK if plan.quick else ROWS
        jobs = measure_jobs(running, shop, first=bench.take_numbers(count), rows=count)
        print("\n".join(report.line(row) for row in jobs), flush=True)
        rows += jobs
    document: dict[str, Any] = {"rows": [row.as_json() for row in rows], "is_whole": True}
    document["hit_rates"] = hit_rates(hits_before, read_hits(running))
    print(report.hits(document["hit_rates"]))
    if options.soak:
        document["soak"] = soak.as_json(soak.soak(bench, running, plan, minutes=options.soak))
    if options.stress or options.limit:
        sustained = max(
            [row.tps for row in rows if row.path == "balance_payment"] or [options.limit or 1_000.0]
        )
        parts = (0.5, 0.8, 1.0, 1.2, 1.5, 2.0)
        rates = options.rates or [round(sustained * part) for part in parts]
        first = bench.take_numbers(round(sum(rates) * STRESS_S) + len(rates))
        steps = stress.climb(running, shop, first=first, rates=rates, seconds=STRESS_S)
        print(stress.table(steps), flush=True)
        document |= {"stress": stress.as_json(steps), "is_whole": stress.is_whole(steps)}
    if options.faults:
        rate = FAULTS_RATE
        first = bench.take_numbers(round(rate * faults.SECONDS))
        outcome = faults.suffer(running, shop, first=first, rate=rate)
        print(faults.show(outcome), flush=True)
        document["faults"] = faults.as_json(outcome)
        document["is_whole"] = document["is_whole"] and outcome.is_whole
    document["books"] = prove(running)
    print(report.statements(statements))
    print(f"Books after the run: {document['books']}. {time.monotonic() - began:.0f} s.")
    document["machine"] = describe_machine(settings)
    document["plan"] = asdict(plan) | {"orders_before": options.orders}
    if options.svg is not None:
        options.svg.write_text(draw(rows, title=title_of(document)), encoding="utf-8")
    return document


def title_of(document: dict[str, Any]) -> str:
    """Say where and when in one line."""
    machine = document["machine"]
    return f"{machine['measured_at'][:10]}, {machine['cpus']} CPUs, PostgreSQL {machine['postgres']['server_version']}"


def read_durable_settings(running: Platform) -> dict[str, str]:
    """Ask the server how safely it writes. Raises LauncherError unless nothing committed can be lost."""
    with psycopg.connect(running.environment["DATABASE_URL"]) as connection:
        found = {}
        for name in (*DURABLE, "shared_buffers", "server_version"):
            row = connection.execute(f"SHOW {name}").fetchone()
            found[name] = str(row[0]) if row else ""
    if any(found[name] != value for name, value in DURABLE.items()):
        message = f"the server is not durable: {found}"
        raise LauncherError(message)
    return found


def describe_machine(settings: dict[str, str]) -> dict[str, Any]:
    """Return what the figures depend on."""
    model = ""
    if (found := Path("/proc/cpuinfo")).exists():
        names = [line for line in found.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else ""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "cpu_model": model,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{host.system()} {host.release()}",
        "python": host.python_version(),
        "postgres": settings,
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def prove(running: Platform) -> str:
    """Ask `manage.py prove` about the database that has just been paid in; ``ok`` or what it said."""
    done = subprocess.run(
        [str(PYTHON), "manage.py", "prove"],
        cwd=ROOT,
        env=dict(os.environ) | running.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return "ok" if done.returncode == 0 else f"{done.stdout}{done.stderr}"[-2000:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
