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
from pathlib import Path
from typing import Any, Final

import psycopg

from bench import reconciliation, report
from bench.generator import Refused
from bench.measuring import CONNECTIONS, Bench, Plan
from bench.seed import make_payers, make_shop
from bench.servers import Platform, platform
from deploy.local.errors import LauncherError
from deploy.local.paths import PYTHON, ROOT
from deploy.local.postgres import DURABLE

QUICK: Final = Plan(pairs=2, web_s=1.5, reference_s=1.0, quick=True)
WHOLE: Final = Plan(pairs=6, web_s=4.0, reference_s=3.0, quick=False)


def main(arguments: list[str]) -> int:
    """Measure; 0 when every answer was 2xx and the books agree."""
    parser = argparse.ArgumentParser(prog="run.py bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four paths in about a minute")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there too")
    parser.add_argument("--reconcile", action="store_true", help="a day of a million lines instead")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else WHOLE
    try:
        with platform() as running:
            if options.reconcile:
                return reconcile(running, options.json)
            document = measure_all(running, plan)
    except (LauncherError, Refused) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0 if document["books"] == "ok" else 1


def reconcile(running: Platform, file: Path | None) -> int:
    """Find ten thousand planted differences among a million lines; 0 when all were found, in time and memory."""
    result = reconciliation.measure(running.environment, reconciliation.Size())
    print(reconciliation.show(result))
    if file is not None:
        file.write_text(
            json.dumps(reconciliation.as_json(result), indent=2) + "\n", encoding="utf-8"
        )
    return 0 if result.ok else 1


def measure_all(running: Platform, plan: Plan) -> dict[str, Any]:
    """Seed, measure every path of the plan, prove; print as it goes and return the document."""
    began = time.monotonic()
    settings = read_durable_settings(running)
    shop = make_shop(running.environment, name="Bench")
    with psycopg.connect(running.environment["DATABASE_URL"]) as connection:
        make_payers(connection, shop)
    bench = Bench(running, shop, plan)
    rows, statements = [], {}
    print(report.heading(plan))
    for path in plan.paths:
        row, sent = bench.measure(path)
        rows.append(row)
        statements[path.name] = sent
        print(report.line(row), flush=True)
    books = prove(running)
    print(report.statements(statements))
    print(f"Books after the run: {books}. {time.monotonic() - began:.0f} s.")
    return {
        "rows": [row.as_json() for row in rows],
        "machine": describe_machine(settings),
        "books": books,
        "plan": {
            "pairs": plan.pairs,
            "web_s": plan.web_s,
            "reference_s": plan.reference_s,
            "connections": CONNECTIONS,
        },
    }


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
