"""Differences 差异: booked when they are found, unbooked when they are settled, decided by two people otherwise.

Long (the channel has more): A10 → L90. Short: A90 → A10. Every difference that was booked is in suspense or short until
it is RESOLVED, so the balances of both are the sums of open differences (invariant 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.db import connection

from engine import reconciliation_queries as queries
from engine.contracts import Cause
from engine.models import Discrepancy
from engine.services.borne import Borne, sum_borne
from engine.services.chargebacks import (
    check_pulled_back_once,
    find_share_of_merchant,
    is_of_nobodys_money,
    keep_resolved_chargeback,
    lock_pulled_back,
)
from engine.services.moves import apply_move
from engine.services.statement_voices import is_still_to_speak
from engine.statement_contracts import (
    BY_PEOPLE,
    STANDING,
    DiscrepancyNotOpen,
    DiscrepancyView,
    Resolution,
    ResolutionNotPossible,
)
from engine.statement_selectors import view_discrepancy
from ledger import api as ledger
from ledger.contracts import JournalDraft
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound


@transactions.require
def post_differences(rows: Iterable[tuple[str, str, int]], *, channel_code: str) -> int:
    """Book differences that were found: (number, currency, signed difference); returns how many (require)."""
    posted = []
    for number, currency, difference in rows:
        build = (
            ledger.build_channel_long_found if difference > 0 else ledger.build_channel_short_found
        )
        ledger.post_journal(
            draft=build(
                discrepancy_no=number,
                channel_code=channel_code,
                currency=currency,
                amount=abs(difference),
            )
        )
        posted.append(number)
    with connection.cursor() as cursor:
        cursor.execute(queries.MARK_POSTED, {"numbers": posted})
    return len(posted)


@transactions.require
def end_discrepancies(ends: Sequence[tuple[str, str]], *, channel_code: str) -> None:
    """End locked differences by themselves, (number, resolution) each, and take back what was booked (require)."""
    if not ends:
        return
    given: dict[str, Any] = {
        "numbers": [number for number, _ in ends],
        "resolutions": [resolution for _, resolution in ends],
        "actor": context.actor.get(),
        "request_id": context.request_id.get(),
    }
    with connection.cursor() as cursor:
        cursor.execute(queries.TO_UNPOST, given)
        booked = cursor.fetchall()
        cursor.execute(queries.END_EVENTS, given)
        cursor.execute(queries.END, given)
    for number, currency, difference in booked:
        ledger.post_journal(draft=_take_back(number, channel_code, currency, difference))


@transactions.require
def check_discrepancy(*, discrepancy_no: str) -> DiscrepancyView:
    """Return a locked difference that people may resolve now (require). Raises NotFound, DiscrepancyNotOpen."""
    return view_discrepancy(_lock_open(discrepancy_no))


@transactions.require
def preview_resolution(*, discrepancy_no: str, resolution: Resolution) -> JournalDraft | None:
    """Return the journal that this resolution would post now, None when it moves no money (require).

    Raises NotFound, InvalidRequest for a reason that is not people's, DiscrepancyNotOpen, ResolutionNotPossible.
    """
    return _build_end(_lock_open(discrepancy_no), resolution)


@transactions.require
def resolve_discrepancy(*, discrepancy_no: str, resolution: Resolution, decided_by: str) -> str:
    """Do what two operators have agreed on, once; returns the difference's number (require).

    A chargeback that stands limits the refunds of its order from then on. Raises as ``preview_resolution`` does, and
    InsufficientBalance when suspense no longer holds the money.
    """
    row = _lock_open(discrepancy_no)
    draft = _build_end(row, resolution)
    apply_move(
        row,
        "resolve",
        cause=Cause.OPERATOR,
        resolution=resolution.value,
        resolved_by=decided_by,
        resolved_at=database_now(),
    )
    keep_resolved_chargeback(row, resolution)
    if draft is not None:
        ledger.post_journal(draft=draft)
    return discrepancy_no


@transactions.require
def propose_discrepancy(*, discrepancy_no: str) -> None:
    """A resolution waits for a second person (require)."""
    row = _lock(discrepancy_no)
    if row.status == "OPEN":
        apply_move(row, "propose", cause=Cause.OPERATOR)


@transactions.require
def reopen_discrepancy(*, discrepancy_no: str) -> None:
    """The proposal came to nothing; the difference may have ended by itself meanwhile (require)."""
    row = _lock(discrepancy_no)
    if row.status == "PROPOSED":
        apply_move(row, "reopen", cause=Cause.OPERATOR)


def list_resolutions(row: Discrepancy) -> tuple[Resolution, ...]:
    """Return the reasons that fit a difference as it stands."""
    if row.posted_at is None:
        return (Resolution.ACCEPTED,)
    if row.difference > 0:
        return (Resolution.WITHDRAWN, *_list_uses(row))
    got_it = row.merchant_no is not None and not is_of_nobodys_money(row)
    charged = (Resolution.CHARGED,) if got_it and find_share_of_merchant(row) else ()
    return (Resolution.WRITTEN_OFF, *charged, Resolution.PROMISED)


def _list_uses(row: Discrepancy) -> tuple[Resolution, ...]:
    """Say whose long money may be: his who bore it when it was short, or the merchant's.

    Not of a charge that our books may yet learn of: it would be booked a second time, as late money.
    """
    borne = sum_borne(row)
    beyond = row.difference - borne.platform
    if borne.platform > 0:
        return (Resolution.RECOVERED,) if beyond <= 0 or _is_merchants(row, borne, beyond) else ()
    return (Resolution.CREDITED,) if _is_merchants(row, borne, row.difference) else ()


def _is_merchants(row: Discrepancy, borne: Borne, amount: int) -> bool:
    """Whether so much long money is the merchant's: he has borne it, or his charge brought more than was asked."""
    if row.merchant_no is None:
        return False
    return amount <= borne.merchant or (row.kind, row.line_kind) == ("AMOUNT_OVER", "CHARGE")


def _build_end(row: Discrepancy, resolution: Resolution) -> JournalDraft | None:
    if resolution not in BY_PEOPLE:
        raise InvalidRequest(f"{resolution} is not for people to decide.")
    if resolution not in list_resolutions(row):
        fitting = ", ".join(list_resolutions(row))
        raise ResolutionNotPossible(f"{row.discrepancy_no} can be resolved by {fitting}.")
    if is_still_to_speak(row):
        raise ResolutionNotPossible(
            f"The channel's own file says it and has yet to be heard: reconcile {row.statement_date} again."
        )
    fact: dict[str, Any] = {
        "discrepancy_no": row.discrepancy_no,
        "channel_code": row.channel_code,
        "currency": row.currency,
        "amount": abs(row.difference),
    }
    if resolution in {Resolution.WITHDRAWN, Resolution.PROMISED}:
        return _take_back(row.discrepancy_no, row.channel_code, row.currency, row.difference)
    check_pulled_back_once(row, resolution)
    if resolution in STANDING:
        _refuse_outdated(row)
    return _BUILD[resolution](row, fact) if resolution in _BUILD else None


def _build_recovered(row: Discrepancy, fact: dict[str, Any]) -> JournalDraft:
    beyond = max(0, row.difference - sum_borne(row).platform)
    return ledger.build_channel_loss_recovered(
        **fact, credited=beyond, merchant_no=str(row.merchant_no)
    )


def _build_charged(row: Discrepancy, fact: dict[str, Any]) -> JournalDraft:
    written_off = abs(row.difference) - find_share_of_merchant(row)
    return ledger.build_channel_short_charged(
        **fact, merchant_no=str(row.merchant_no), written_off=written_off
    )


_BUILD: Final[dict[Resolution, Callable[[Discrepancy, dict[str, Any]], JournalDraft]]] = {
    Resolution.CREDITED: lambda row, fact: ledger.build_channel_long_credited(
        **fact, merchant_no=str(row.merchant_no)
    ),
    Resolution.RECOVERED: _build_recovered,
    Resolution.CHARGED: _build_charged,
    Resolution.WRITTEN_OFF: lambda _row, fact: ledger.build_channel_short_written_off(**fact),
}


def _refuse_outdated(row: Discrepancy) -> None:
    """Refuse to book a difference when people have decided about its trade since it was found: it counts without that.

    All differences of the trade are locked, so that of two approvals at once one sees the other.
    """
    same = Discrepancy.objects.select_for_update(no_key=True).filter(
        channel_code=row.channel_code, line_kind=row.line_kind, match_key=row.match_key
    )
    for other in same.order_by("discrepancy_no"):
        if other.pk == row.pk or other.resolution not in STANDING:
            continue
        if other.resolved_at is not None and other.resolved_at >= row.created_at:
            raise ResolutionNotPossible(
                f"{other.discrepancy_no}, of the same trade, is {other.resolution} since: reconcile"
                f" {row.statement_date} again."
            )


def _take_back(number: str, channel_code: str, currency: str, difference: int) -> JournalDraft:
    """What was booked goes back to where it came from: the channel owes it again, or no longer."""
    build = (
        ledger.build_channel_long_withdrawn
        if difference > 0
        else ledger.build_channel_short_recovered
    )
    return build(
        discrepancy_no=number,
        channel_code=channel_code,
        currency=currency,
        amount=abs(difference),
    )


def _lock(discrepancy_no: str) -> Discrepancy:
    """Lock a difference; the order of a chargeback before it, as everywhere."""
    seen = Discrepancy.objects.filter(pk=discrepancy_no).first()
    if seen is None:
        raise NotFound(f"There is no difference {discrepancy_no}.")
    lock_pulled_back(seen)
    return Discrepancy.objects.select_for_update(no_key=True).get(pk=discrepancy_no)


def _lock_open(discrepancy_no: str) -> Discrepancy:
    row = _lock(discrepancy_no)
    if row.resolved_at is not None:
        raise DiscrepancyNotOpen(f"{discrepancy_no} is {row.status}: {row.resolution}.")
    return row
