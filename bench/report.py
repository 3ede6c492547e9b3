"""Figures for people: one line for each path, and the statements that the reference replays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.measuring import Plan, Row
from bench.reference import Sent

_COLUMNS = "{:<16} {:>5} {:>7} {:>9} {:>6} {:>5} {:>7} {:>7}  {:>6} {:>6} {:>6} {:>7}  {:>6}  {}"


def heading(plan: Plan) -> str:
    """Say what the columns are."""
    names = ("path", "conn", "TPS", "reference", "ratio", "CV", "p50 ms", "p99 ms")
    costs = ("web", "PG", "load", "ref PG", "others", "holds")
    return (
        f"{plan.pairs} pairs of {plan.reference_s:g} s pgbench and {plan.web_s:g} s HTTP; medians;"
        " CPU-ms for each of web, PostgreSQL, load; others = foreign share of the busy CPU\n"
        + _COLUMNS.format(*names, *costs)
    )


def line(row: Row) -> str:
    """Write one path's figures."""
    return _COLUMNS.format(
        row.path,
        row.connections or "–",
        f"{row.tps:.0f}",
        _or_dash(row.reference_tps, "{:.0f}"),
        _or_dash(row.ratio, "{:.2f}"),
        _or_dash(row.cv, "{:.0%}") + ("!" if row.cv is not None and row.cv > 0.15 else ""),
        f"{row.p50_ms:.1f}",
        f"{row.p99_ms:.1f}",
        f"{row.web_cpu_ms:.2f}",
        f"{row.pg_cpu_ms:.2f}",
        f"{row.load_cpu_ms:.2f}",
        _or_dash(row.reference_pg_cpu_ms, "{:.2f}"),
        f"{row.others_cpu_share:.0%}",
        row.verdict,
    )


def hits(rates: Mapping[str, float]) -> str:
    """Say how often memory had what was asked for."""
    told = ", ".join(f"{name} {rate:.1%}" for name, rate in rates.items())
    return f"Answered from memory: {told or 'nothing was asked'}."


def statements(captured: Mapping[str, Sequence[Sent]]) -> str:
    """Show what pgbench replayed, so that nobody has to believe that it is the same."""
    parts = ["\nReplayed by pgbench, as the hot path sent them:"]
    for path, sent in captured.items():
        for statement in sent:
            text = " ".join(statement.sql.split())
            parts.append(f"  {path} / {statement.name}: {text}")
    return "\n".join(parts)


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
