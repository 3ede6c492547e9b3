"""How often memory had what was asked for: the platform's caches of configuration, and PostgreSQL's pages."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Final

import psycopg

from bench.servers import Platform
from deploy.local.children import DIRECT

Hits = dict[str, tuple[float, float]]
"""Name to (found, asked)."""
_LOOKUP: Final = re.compile(
    r'^platform_config_cache_lookups_total\{cache="([^"]+)",result="(hit|miss)"\} ([0-9.e+]+)',
    re.MULTILINE,
)


def read_hits(running: Platform) -> Hits:
    """Read all counters as they stand."""
    found: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    with DIRECT.open(f"{running.base_url}/metrics", timeout=10) as answer:
        for name, result, count in _LOOKUP.findall(answer.read().decode()):
            found[name][0] += float(count) if result == "hit" else 0.0
            found[name][1] += float(count)
    with psycopg.connect(running.admin_url) as connection:
        row = connection.execute(
            "SELECT sum(blks_hit)::float, sum(blks_hit + blks_read)::float FROM pg_stat_database"
        ).fetchone()
    found["PostgreSQL pages"] = list(row or (0.0, 0.0))
    return {name: (hit, asked) for name, (hit, asked) in found.items()}


def hit_rates(before: Hits, after: Hits) -> dict[str, float]:
    """Return the share that was found between two readings; what nobody asked for is left out."""
    rates = {}
    for name, (hit, asked) in sorted(after.items()):
        hit_before, asked_before = before.get(name, (0.0, 0.0))
        if asked > asked_before:
            rates[name] = (hit - hit_before) / (asked - asked_before)
    return rates
