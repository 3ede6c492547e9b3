"""Settle merchants 商户结算: collect what the ledger made pending, release what is due, make the payouts.

Every merchant and currency is settled by itself, in short transactions. Whoever dies in between leaves an OPEN batch
with what was released so far; the next run goes on with it. Two runs at once share the work.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import structlog
from django.db import DatabaseError, connection, transaction

from acquiring.business_calendar import Calendar, find_cutoff
from acquiring.models import BusinessDay, FeeContract, SettlementAccount
from acquiring.services.credentials import find_merchant
from acquiring.services.payouts import plan_payout
from acquiring.services.settlement_release import Part, Position, close_batch, release_part
from acquiring.settlement_contracts import (
    PayoutView,
    SettledBatch,
    SettlementFailure,
    SettlementRun,
)
from ledger import api as ledger
from ledger.contracts import AccountKind
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import business_date, database_now
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.errors import DomainError, InvalidRequest
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.sqlcalls import call_function

COLLECTED_AT_ONCE: Final = 20_000
_LOOK_BACK: Final = timedelta(days=800)

_log = structlog.get_logger(__name__)

Progress = Callable[[int, int], None]
"""Told how many accounts of how many are done."""


@transactions.forbid
def settle_merchants(
    *,
    settlement_date: date | None = None,
    merchant_no: str | None = None,
    dry_run: bool = False,
    on_progress: Progress | None = None,
) -> SettlementRun:
    """Release everything that is due by this day (today unless given) and make a payout of what is available.

    ``dry_run`` does all of it in transactions that are rolled back. Safe to run again and at once. A merchant that
    cannot be settled is reported in ``failures``; the others go on. Raises InvalidRequest for a day to come, NotFound
    for a merchant that is none (forbid).
    """
    if merchant_no is not None:
        find_merchant(merchant_no)
    today = business_date(database_now())
    day = settlement_date or today
    if day > today:
        raise InvalidRequest(f"{day} has not come yet: today is {today}.")
    calendar = _read_calendar(day)
    run = SettlementRun(day)
    owners = _list_owners(merchant_no)
    for done, (owner, currency) in enumerate(owners, start=1):
        run.accounts += 1
        try:
            _settle(run, owner, currency, calendar, dry_run=dry_run)
        except (DomainError, DatabaseError, RuntimeError) as error:
            _log.exception("settlement_failed", merchant_no=owner, currency=currency)
            run.failures.append(
                SettlementFailure(owner, currency, f"{type(error).__name__}: {error}")
            )
        if on_progress is not None:
            on_progress(done, len(owners))
    return run


def _settle(
    run: SettlementRun, merchant_no: str, currency: str, calendar: Calendar, *, dry_run: bool
) -> None:
    cutoff = find_cutoff(
        run.settlement_date,
        settlement_days=_find_settlement_days(merchant_no),
        calendar=calendar,
    )
    if dry_run:
        _rehearse(run, merchant_no, currency, cutoff)
        return
    account_id = _open_account(merchant_no=merchant_no, currency=currency)
    target = _horizon()
    while (reached := _collect(account_id=account_id)) is not None and reached < target:
        pass
    if reached is None:
        run.busy += 1
        return
    failpoint("settlement_collected")
    parts: list[Part] = []
    position: Position | None = Position()
    while position is not None:
        part = _release(
            account_id=account_id,
            settlement_date=run.settlement_date,
            cutoff=cutoff,
            after=position,
        )
        if part is None:
            run.busy += 1
            break
        failpoint("release_committed")
        parts.append(part)
        position = part.position
    _note(run, merchant_no, currency, parts)
    payout = _finish(account_id=account_id)
    if payout is not None:
        run.payouts.append(payout)


def _note(run: SettlementRun, merchant_no: str, currency: str, parts: list[Part]) -> None:
    by_batch: dict[str, tuple[int, int]] = {}
    for part in parts:
        if part.batch_no is not None:
            items, released = by_batch.get(part.batch_no, (0, 0))
            by_batch[part.batch_no] = (items + part.items, released + part.released)
    run.batches += [
        SettledBatch(batch_no, merchant_no, currency, items, released)
        for batch_no, (items, released) in by_batch.items()
    ]


@transactions.start
def _open_account(*, merchant_no: str, currency: str) -> int:
    """Return the id of the settlement account, made when it is met for the first time (start)."""
    SettlementAccount.objects.bulk_create(
        [SettlementAccount(merchant_no=merchant_no, currency=currency)], ignore_conflicts=True
    )
    return SettlementAccount.objects.get(merchant_no=merchant_no, currency=currency).pk


@transactions.start
def _collect(*, account_id: int) -> int | None:
    """Write down the next facts; the transaction id reached, None while another run is at it (start)."""
    if _lock_account(account_id) is None:
        return None
    return int(call_function("acquiring_collect_pending", account_id, COLLECTED_AT_ONCE))


@transactions.start
def _release(
    *, account_id: int, settlement_date: date, cutoff: date, after: Position
) -> Part | None:
    """Release the next part; None while another run is at it (start)."""
    account = _lock_account(account_id)
    if account is None:
        return None
    return release_part(
        account=account, settlement_date=settlement_date, cutoff=cutoff, after=after
    )


@transactions.start
def _finish(*, account_id: int) -> PayoutView | None:
    """Close the open batch and make the payout of what is available (start)."""
    account = _lock_account(account_id)
    if account is None:
        return None
    close_batch(account=account)
    return plan_payout(account=account)


def _rehearse(run: SettlementRun, merchant_no: str, currency: str, cutoff: date) -> None:
    """Do all of it in one transaction and roll it back; the batch has no number."""
    with transaction.atomic(durable=True):
        SettlementAccount.objects.bulk_create(
            [SettlementAccount(merchant_no=merchant_no, currency=currency)], ignore_conflicts=True
        )
        row = SettlementAccount.objects.get(merchant_no=merchant_no, currency=currency)
        account = _lock_account(row.pk)
        if account is None:
            run.busy += 1
            return
        target = _horizon()
        while int(call_function("acquiring_collect_pending", row.pk, COLLECTED_AT_ONCE)) < target:
            pass
        items = released = 0
        position: Position | None = Position()
        while position is not None:
            part = release_part(
                account=account, settlement_date=run.settlement_date, cutoff=cutoff, after=position
            )
            items, released, position = items + part.items, released + part.released, part.position
        if items:
            run.batches.append(SettledBatch(None, merchant_no, currency, items, released))
        payout = plan_payout(account=account)
        if payout is not None:
            run.payouts.append(payout)
        transaction.set_rollback(True)


def _lock_account(account_id: int) -> SettlementAccount | None:
    return (
        SettlementAccount.objects.select_for_update(skip_locked=True).filter(pk=account_id).first()
    )


def _horizon() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return int(cursor.fetchone()[0])


def _list_owners(merchant_no: str | None) -> list[tuple[str, str]]:
    """Return every merchant and currency that has, or had, pending or available money, beginning anywhere.

    The clock's task has limited time: where it ended the last time, nobody must stay behind.
    """
    kinds = (AccountKind.MERCHANT_PENDING, AccountKind.MERCHANT_AVAILABLE)
    owners = ledger.list_account_owners(kinds=kinds)
    first = random.randrange(len(owners) or 1)  # noqa: S311 - fair, not secret
    return [one for one in owners[first:] + owners[:first] if merchant_no in {None, one[0]}]


def _find_settlement_days(merchant_no: str) -> int:
    """Return the n of T+n of the contract in force."""
    contract = (
        FeeContract.objects.filter(merchant_id=merchant_no, valid_from__lte=PlatformNow())
        .order_by("-valid_from")
        .values_list("settlement_days", flat=True)
        .first()
    )
    return 1 if contract is None else int(contract)


def _read_calendar(day: date) -> Calendar:
    days = BusinessDay.objects.filter(day__gte=day - _LOOK_BACK, day__lte=day)
    return dict(days.values_list("day", "is_open"))
