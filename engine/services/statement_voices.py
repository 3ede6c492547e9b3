"""A statement line is one of the five voices: what a verified file says about an open attempt goes into the funnel.

Only a file that the institution itself has handed over speaks. One that an operator brings only makes us ask: whoever
could type a line could otherwise pay an order. See docs/decisions on statements.
"""

from __future__ import annotations

from typing import Any, Final

import structlog
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.models import Discrepancy, Statement, StatementLine
from engine.selectors import get_attempt
from engine.services.chargebacks import record_chargeback
from engine.services.inquiries import bring_inquiry_forward
from engine.services.outcomes import apply_attempt_outcome
from engine.services.refund_outcomes import apply_refund_outcome
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import DomainError
from paymentplatform.kernel.failpoints import failpoint

_VOICED: Final = ("STATUS_MISMATCH", "CHANNEL_ONLY")

_log = structlog.get_logger(__name__)


@transactions.forbid
def let_lines_speak(*, statement_no: str) -> int:
    """Tell the funnels what the unresolved differences of a statement say; returns how many spoke (forbid).

    Each in a transaction of its own, in the order of the lines; one that fails leaves the others. Safe to repeat. Only
    what stands in this very file: another version of the day, an operator's, may have been compared meanwhile.
    """
    statement = Statement.objects.get(statement_no=statement_no)
    is_verified = statement.source == Statement.Source.FETCHED
    rows = Discrepancy.objects.filter(
        channel_code=statement.channel_code,
        statement_date=statement.statement_date,
        kind__in=_VOICED,
        object_no__isnull=False,
        resolved_at__isnull=True,
        posted_at__isnull=True,
    ).filter(Exists(_find_own_line(statement_no)))
    spoken = 0
    for row in rows.order_by("line_no").iterator():
        try:
            spoken += _speak(row, statement_no) if is_verified else _ask(row)
        except DomainError as error:
            _log.warning("statement_line_unheard", discrepancy_no=row.pk, code=error.code)
        failpoint("statement_line_spoken")
    _mark_voiced(statement_no=statement_no)
    return spoken


def is_still_to_speak(row: Discrepancy) -> bool:
    """Whether the institution's own file of the day, as it counts, has yet to tell the funnel what this line says.

    Its run may have died between writing the difference and speaking: the next one lets it speak.
    """
    if row.posted_at is not None or row.object_no is None or row.kind not in _VOICED:
        return False
    silent = Statement.objects.filter(
        Q(voiced_at__isnull=True) | Q(voiced_at__lt=F("reconciled_at")),
        channel_code=row.channel_code,
        statement_date=row.statement_date,
        source=Statement.Source.FETCHED,
        superseded_at__isnull=True,
    ).values_list("statement_no", flat=True)
    found = Discrepancy.objects.filter(pk=row.pk)
    return any(found.filter(Exists(_find_own_line(number))).exists() for number in silent)


def _find_own_line(statement_no: str) -> QuerySet[StatementLine]:
    """Select the line of this file that says what a difference says, of the same object of ours."""
    return StatementLine.objects.filter(
        Q(request_no=OuterRef("object_no")) | Q(match_key=OuterRef("object_no")),
        statement_no=statement_no,
        kind=OuterRef("line_kind"),
        match_key=OuterRef("match_key"),
        amount=OuterRef("channel_amount"),
        currency=OuterRef("channel_currency"),
    )


def _speak(row: Discrepancy, statement_no: str) -> bool:
    answer = ChannelAnswer(
        outcome=Outcome.SUCCEEDED,
        channel_trade_no=row.channel_trade_no,
        amount=row.channel_amount,
        currency=row.channel_currency,
        raw=f"statement {statement_no}, line {row.line_no}",
    )
    named = str(row.object_no)
    if row.line_kind == "CHARGEBACK":
        record_chargeback(line=row, answer=answer, statement_no=statement_no)
    elif numbers.is_number(named, numbers.REFUND):
        apply_refund_outcome(refund_no=named, answer=answer, cause=Cause.STATEMENT)
    elif numbers.is_number(named, numbers.ATTEMPT):
        apply_attempt_outcome(attempt_no=named, answer=answer, cause=Cause.STATEMENT)
    else:
        return False
    return True


def _ask(row: Discrepancy) -> bool:
    if row.kind == "STATUS_MISMATCH" and numbers.is_number(str(row.object_no), numbers.ATTEMPT):
        attempt = get_attempt(attempt_no=str(row.object_no))
        if not attempt.is_terminal:
            bring_inquiry_forward(payment_no=attempt.payment_no)
    return False


@transactions.start
def _mark_voiced(*, statement_no: str) -> None:
    row: Any = Statement.objects.select_for_update().get(statement_no=statement_no)
    row.voiced_at = database_now()
    row.save(update_fields=["voiced_at"])
