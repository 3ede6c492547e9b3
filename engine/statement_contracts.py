"""What statements and reconciliation tell others: frozen data, enums, named refusals. Pure: imports no framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from engine.statements.records import StatementRefused
from paymentplatform.kernel.errors import Action, Conflict, Unavailable


class DifferenceKind(StrEnum):
    """How a channel's statement and our books disagree, seen from neither side.

    CHANNEL_ONLY: the channel has it, we do not. PLATFORM_ONLY: the other way round, after the days of grace.
    AMOUNT_OVER, AMOUNT_UNDER: the channel says more, less. DUPLICATE: the file says it again; it counts once.
    """

    CHANNEL_ONLY = "CHANNEL_ONLY"
    PLATFORM_ONLY = "PLATFORM_ONLY"
    STATUS_MISMATCH = "STATUS_MISMATCH"
    AMOUNT_OVER = "AMOUNT_OVER"
    AMOUNT_UNDER = "AMOUNT_UNDER"
    FEE_MISMATCH = "FEE_MISMATCH"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    DUPLICATE = "DUPLICATE"


class Resolution(StrEnum):
    """Why a difference has ended. The first seven are decided by two people, the others by what happened.

    WITHDRAWN: the channel took its long money back. CREDITED: it was the merchant's. RECOVERED: it had been written off
    before. CHARGED: the merchant bears what
    is short. WRITTEN_OFF: the platform does. PROMISED: the channel owes it after all and will pay. ACCEPTED: no money
    moves. FOUND_LATER: a later file has it. FILE_CORRECTED: the day's newer file no longer says so. BOOKED_SINCE: our
    books have it now.
    """

    WITHDRAWN = "WITHDRAWN"
    CREDITED = "CREDITED"
    RECOVERED = "RECOVERED"
    CHARGED = "CHARGED"
    WRITTEN_OFF = "WRITTEN_OFF"
    PROMISED = "PROMISED"
    ACCEPTED = "ACCEPTED"
    FOUND_LATER = "FOUND_LATER"
    FILE_CORRECTED = "FILE_CORRECTED"
    BOOKED_SINCE = "BOOKED_SINCE"


BY_PEOPLE = frozenset(
    {
        Resolution.WITHDRAWN,
        Resolution.CREDITED,
        Resolution.RECOVERED,
        Resolution.CHARGED,
        Resolution.WRITTEN_OFF,
        Resolution.PROMISED,
        Resolution.ACCEPTED,
    }
)
"""Resolutions that an operator may propose."""


STANDING = frozenset(
    {
        Resolution.CREDITED,
        Resolution.RECOVERED,
        Resolution.CHARGED,
        Resolution.WRITTEN_OFF,
    }
)
"""What of them is booked for good: from then on it is part of what we have booked of the trade."""


@dataclass(frozen=True, slots=True)
class ImportedStatement:
    """A statement that has been read; ``repeated`` when the very file was there before.

    ``changes`` says how a newer version of a day differs from the one before: added, removed and changed lines.
    """

    statement_no: str | None
    channel_code: str
    account: str
    statement_date: date
    version: int
    sha256: str
    layout: str
    source: str
    line_count: int
    totals: Mapping[str, Mapping[str, Any]]
    repeated: bool = False
    superseded: bool = False
    changes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ReconciledStatement:
    """What a reconciliation found. Amounts are minor units; ``summary`` is what is stored with the statement."""

    statement_no: str
    channel_code: str
    statement_date: date
    version: int
    summary: Mapping[str, Any]
    unresolved: int


@dataclass(frozen=True, slots=True)
class DiscrepancyView:
    """One difference, for reports and proposals; amounts in minor units."""

    discrepancy_no: str
    kind: str
    status: str
    line_kind: str
    statement_date: date
    match_key: str
    object_no: str | None
    merchant_no: str | None
    our_status: str | None
    our_amount: int | None
    our_currency: str | None
    channel_amount: int | None
    channel_currency: str | None
    our_fee: int | None
    channel_fee: int | None
    difference: int
    currency: str
    resolution: str | None


class StatementMissing(Unavailable):
    """The institution has not given its file of this day, and none was imported."""

    code = "statement_missing"
    title = "There is no statement of this day"
    action = Action.RETRY_LATER


class DiscrepancyNotOpen(Conflict):
    """The difference was resolved, by people or by what happened."""

    code = "discrepancy_not_open"
    title = "The difference is not open"


class ResolutionNotPossible(Conflict):
    """This reason does not fit the difference: there is no such money to move, or nobody to move it to."""

    code = "resolution_not_possible"
    title = "This does not resolve the difference"
    action = Action.FIX_REQUEST


__all__ = [
    "BY_PEOPLE",
    "STANDING",
    "DifferenceKind",
    "DiscrepancyNotOpen",
    "DiscrepancyView",
    "ImportedStatement",
    "ReconciledStatement",
    "Resolution",
    "ResolutionNotPossible",
    "StatementMissing",
    "StatementRefused",
]


@dataclass(frozen=True, slots=True)
class ChargebackView:
    """Money of an order that its channel pulled back, in minor units."""

    chargeback_no: str
    amount: int
    currency: str
    channel_code: str
    channel_trade_no: str
    payment_no: str
    statement_no: str
    discrepancy_no: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DifferenceView:
    """A difference about money of an order; ``difference`` is what the channel's book has more (minor units)."""

    discrepancy_no: str
    status: str
    kind: str
    difference: int
    currency: str
    channel_code: str
    statement_date: date
    resolution: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StatedFile:
    """What channels' statements have said of one order's money that our books had not: oldest first."""

    chargebacks: tuple[ChargebackView, ...]
    differences: tuple[DifferenceView, ...]
