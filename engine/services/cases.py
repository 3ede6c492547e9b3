"""Cases 差错工单: what people must look at, opened once and closed by two persons or by what happened meanwhile."""

from __future__ import annotations

from engine.contracts import Cause
from engine.models import Case
from engine.services.moves import apply_move
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now


@transactions.require
def open_case(*, kind: str, object_no: str, detail: str) -> None:
    """Ask people to look at something; at most one unresolved case per kind and object (require)."""
    Case.objects.get_or_create(
        kind=kind,
        object_no=object_no,
        resolved_at=None,
        defaults={"case_no": numbers.new_number(numbers.CASE), "detail": detail},
    )


@transactions.require
def resolve_cases(*, object_no: str, kind: str, cause: Cause) -> int:
    """Resolve the unresolved case of this kind about an object that has ended; returns how many (require)."""
    open_ones = Case.objects.select_for_update().filter(
        object_no=object_no, kind=kind, resolved_at__isnull=True
    )
    rows = list(open_ones.order_by("case_no"))
    for case in rows:
        apply_move(case, "resolve", cause=cause, resolved_at=database_now())
    return len(rows)
