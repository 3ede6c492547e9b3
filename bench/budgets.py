"""What each path must hold on two cores, and what it aims at: lives a second, and the ratio to its reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Budget:
    """Lives (or rows) a second, ratio to the reference, p99 in milliseconds; None where nothing was promised."""

    must_tps: int
    aim_tps: int
    must_ratio: float | None = None
    must_p99_ms: int | None = None
    p99_connections: int = 32
    """With more than so many the p99 is not promised."""


_PAYERS_AT_ONCE: Final = 50

BUDGETS: Final = {
    "create_order": Budget(1_500, 2_300, 0.15, 60),
    "balance_payment": Budget(1_300, 1_600, 0.45, 100),
    "whole_life": Budget(500, 720),
    "order_query": Budget(2_000, 3_500),
    "cashier_page": Budget(500, 800, None, 100, _PAYERS_AT_ONCE),
    "cashier_status": Budget(1_500, 3_000, None, 100, _PAYERS_AT_ONCE),
    "consult": Budget(600, 1_000, None, 100, _PAYERS_AT_ONCE),
    "expiry_sweep": Budget(15_000, 30_000),
    "delivery_claim": Budget(15_000, 30_000),
}


def judge(
    path: str, *, tps: float, ratio: float | None, p99_ms: float | None, connections: int = 1
) -> str:
    """Say ``aim``, ``must`` or what is missed; empty where nothing was promised."""
    budget = BUDGETS.get(path)
    if budget is None:
        return ""
    missed = []
    if tps < budget.must_tps:
        missed.append(f"TPS<{budget.must_tps}")
    if budget.must_ratio is not None and ratio is not None and ratio < budget.must_ratio:
        missed.append(f"ratio<{budget.must_ratio}")
    is_promised = budget.must_p99_ms is not None and connections <= budget.p99_connections
    if is_promised and p99_ms is not None and p99_ms > (budget.must_p99_ms or 0):
        missed.append(f"p99>{budget.must_p99_ms}")
    if missed:
        return " ".join(missed)
    return "aim" if tps >= budget.aim_tps else "must"
