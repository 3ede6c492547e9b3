"""Cases 差错工单: what people must look at, opened once and closed by two persons or by what happened meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from engine.contracts import CaseNotOpen, CaseStillNeeded, CaseView, Cause
from engine.models import Case, LateMoney
from engine.services.moves import apply_move
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import NotFound

AMOUNT_MISMATCH: Final = "amount_mismatch"
REFUND_AMOUNT_MISMATCH: Final = "refund_amount_mismatch"


@transactions.require
def open_case(*, kind: str, object_no: str, detail: str) -> str:
    """Ask people to look at something and return the one unresolved case of this kind about it (require)."""
    case, _made = Case.objects.get_or_create(
        kind=kind,
        object_no=object_no,
        resolved_at=None,
        defaults={"case_no": numbers.new_number(numbers.CASE), "detail": detail},
    )
    return str(case.case_no)


@transactions.require
def resolve_cases(*, object_no: str, kinds: Sequence[str], cause: Cause) -> int:
    """Resolve the unresolved cases of these kinds about an object that has ended; returns how many (require)."""
    open_ones = Case.objects.select_for_update().filter(
        object_no=object_no, kind__in=kinds, resolved_at__isnull=True
    )
    rows = list(open_ones.order_by("case_no"))
    for case in rows:
        apply_move(case, "resolve", cause=cause, resolved_at=database_now())
    return len(rows)


@transactions.require
def check_case(*, case_no: str) -> CaseView:
    """Return a locked case that people may resolve now (require).

    Raises NotFound, CaseNotOpen, and CaseStillNeeded while it is all that keeps its object from being forgotten.
    """
    case = _lock_case(case_no)
    if case.status == "RESOLVED":
        raise CaseNotOpen(f"{case_no} is RESOLVED.")
    waiting = LateMoney.objects.filter(
        late_money_no=case.object_no, resolved_at__isnull=True, due_at__isnull=True
    )
    if case.kind == "late_money" and waiting.exists():
        raise CaseStillNeeded(f"Decide {case.object_no}; the case ends with it.")
    return CaseView(
        case_no=case.case_no,
        status=case.status,
        kind=case.kind,
        object_no=case.object_no,
        detail=case.detail,
        created_at=case.created_at,
    )


@transactions.require
def propose_case(*, case_no: str) -> None:
    """A resolution waits for a second person (require)."""
    case = _lock_case(case_no)
    if case.status == "OPEN":
        apply_move(case, "propose", cause=Cause.OPERATOR)


@transactions.require
def reopen_case(*, case_no: str) -> None:
    """The resolution came to nothing; the case may have ended by itself meanwhile (require)."""
    case = _lock_case(case_no)
    if case.status == "PROPOSED":
        apply_move(case, "reopen", cause=Cause.OPERATOR)


@transactions.require
def resolve_case(*, case_no: str) -> str:
    """Do what two operators have agreed on; returns the case's number (require). Raises as ``check_case`` does."""
    check_case(case_no=case_no)
    apply_move(_lock_case(case_no), "resolve", cause=Cause.OPERATOR, resolved_at=database_now())
    return case_no


def find_case(*, kind: str, object_no: str) -> str | None:
    """Return the number of the unresolved case of this kind about an object, if there is one."""
    found = Case.objects.filter(kind=kind, object_no=object_no, resolved_at__isnull=True)
    return found.values_list("case_no", flat=True).first()


def _lock_case(case_no: str) -> Case:
    case = Case.objects.select_for_update().filter(case_no=case_no).first()
    if case is None:
        raise NotFound(f"There is no case {case_no}.")
    return case
