"""Payer agreements 代扣协议 for the merchants who ask for them, and for operators."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from acquiring import api as acquiring
from acquiring.contracts import MerchantIdentity
from checkout.agreement_contracts import (
    AgreementEnded,
    AgreementStatus,
    AgreementView,
    CreateAgreement,
)
from checkout.models import AgreementRequest, PayerWallet
from checkout.services.agreement_moves import (
    apply_move,
    end_agreement,
    open_agreement,
    readable_token,
    render_agreement,
)
from checkout.services.wallets import TOKEN_PREFIX
from checkout.states import AGREEMENT_REQUEST
from paymentplatform.kernel import context, metrics, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import FieldError, InvalidRequest, NotFound
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency

ANSWER_WITHIN: Final = timedelta(minutes=30)
SWEEP_TASK: Final = "checkout.sweep_agreements"
_PAGE_SECRET_BYTES: Final = 18


@dataclass(frozen=True, slots=True)
class NewAgreement:
    """A consent just given. ``payer_token`` is shown once."""

    agreement_no: str
    payer_token: str


@transactions.start
def request_agreement(*, body: CreateAgreement, merchant: MerchantIdentity) -> AgreementView:
    """Make a request that its payer can answer for half an hour (start). Raises InvalidRequest.

    Under an Idempotency-Key the same request run again finds what the first one made.
    """
    _check_new_agreement(body, merchant)
    number = acquiring.new_or_claimed_number(numbers.AGREEMENT)
    now = database_now()
    fresh = AgreementRequest(
        agreement_no=number,
        merchant_no=merchant.merchant_no,
        currency=body.currency,
        max_per_payment=body.max_per_payment,
        max_per_day=body.max_per_day,
        subject=body.subject,
        payer_ref=body.payer_ref,
        return_url=body.return_url,
        page_secret=secrets.token_urlsafe(_PAGE_SECRET_BYTES),
        expires_at=now + ANSWER_WITHIN,
        created_at=now,
    )
    AgreementRequest.objects.bulk_create([fresh], ignore_conflicts=True)
    return render_agreement(AgreementRequest.objects.get(agreement_no=number))


def get_agreement(*, agreement_no: str, merchant_no: str) -> AgreementView:
    """Return one agreement, for ten minutes after the consent with its token. Raises NotFound."""
    row = AgreementRequest.objects.filter(
        agreement_no=agreement_no, merchant_no=merchant_no
    ).first()
    if row is None:
        raise NotFound
    now = database_now()
    return render_agreement(row, payer_token=readable_token(row, now=now))


def list_agreements(
    *,
    merchant_no: str,
    limit: int,
    before: str | None = None,
    status: AgreementStatus | None = None,
    payer_ref: str | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> tuple[list[AgreementView], str | None]:
    """Return up to ``limit`` agreements, newest first, and the number to go on before (None at the end).

    Never with tokens.
    """
    wanted = {
        "agreement_no__lt": before,
        "status": status,
        "payer_ref": payer_ref,
        "created_at__gte": created_from,
        "created_at__lt": created_to,
    }
    found = AgreementRequest.objects.filter(
        merchant_no=merchant_no,
        **{name: value for name, value in wanted.items() if value is not None},
    )
    rows = list(found.order_by("-agreement_no")[: limit + 1])
    page = rows[:limit]
    following = page[-1].agreement_no if len(rows) > limit else None
    return [render_agreement(row) for row in page], following


@transactions.start
def revoke_own_agreement(*, agreement_no: str, merchant_no: str) -> AgreementView:
    """End a merchant's agreement at once, or take its request back; repeating changes nothing (start).

    Raises NotFound, also for another merchant's.
    """
    row = _lock(agreement_no)
    if row.merchant_no != merchant_no:
        raise NotFound
    end_agreement(row=row, cause="api", now=database_now())
    return render_agreement(row)


@transactions.start
def revoke_agreement(*, agreement_no: str) -> None:
    """End a consent at once, as an operator (start). Raises NotFound, AgreementEnded when there is nothing to end."""
    row = _lock(agreement_no)
    if row.status in AGREEMENT_REQUEST.terminal:
        raise AgreementEnded("The agreement has ended already.")
    end_agreement(row=row, cause="operator", now=database_now())


@transactions.start
def revoke_as_payer(*, agreement_no: str, payer_no: str) -> None:
    """End a consent that this payer gave, at once; again changes nothing (start).

    Raises NotFound, also for another payer's.
    """
    row = _lock(agreement_no)
    if row.payer_no != payer_no:
        raise NotFound
    with context.acting(as_actor=f"payer:{payer_no}"):
        end_agreement(row=row, cause="payer", now=database_now())


@transactions.start
def create_agreement(
    *, payer_no: str, merchant_no: str, currency: str, max_per_payment: int, max_per_day: int
) -> NewAgreement:
    """Record a consent that a payer gave elsewhere; limits in minor units (start). Raises NotFound."""
    if not PayerWallet.objects.filter(payer_no=payer_no).exists():
        raise NotFound
    now = database_now()
    row = AgreementRequest.objects.create(
        agreement_no=numbers.new_number(numbers.AGREEMENT),
        merchant_no=merchant_no,
        currency=currency,
        max_per_payment=max_per_payment,
        max_per_day=max_per_day,
        expires_at=now,
        created_at=now,
    )
    token = new_payer_token()
    open_agreement(row=row, payer_no=payer_no, token=token)
    apply_move(row, "activate", cause="operator", payer_no=payer_no, consented_at=now)
    return NewAgreement(row.agreement_no, token)


@transactions.start
def sweep_agreements(*, batch_size: int | None = None) -> int:
    """End requests whose time is over and empty tokens whose ten minutes are; return how many (start).

    Safe to run twice and at once.
    """
    limit, now = batch_size or settings.SWEEP_BATCH, database_now()
    lockable = AgreementRequest.objects.select_for_update(skip_locked=True)
    overdue = list(
        lockable.filter(status=AgreementStatus.PENDING, expires_at__lte=now).order_by("expires_at")[
            :limit
        ]
    )
    for row in overdue:
        apply_move(row, "expire", cause="expiry", ended_at=now)
    stale = lockable.filter(sealed_token__isnull=False, token_readable_until__lte=now)[:limit]
    wiped = AgreementRequest.objects.filter(pk__in=[row.pk for row in stale]).update(
        sealed_token=None
    )
    metrics.SWEPT_ROWS.labels(SWEEP_TASK).inc(len(overdue) + wiped)
    return len(overdue) + wiped


def new_payer_token() -> str:
    """Make a payer_token: 256 random bits."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def _lock(agreement_no: str) -> AgreementRequest:
    row = AgreementRequest.objects.select_for_update().filter(agreement_no=agreement_no).first()
    if row is None:
        raise NotFound
    return row


def _check_new_agreement(body: CreateAgreement, merchant: MerchantIdentity) -> None:
    """Raise InvalidRequest naming every field that is out of its range or form."""
    faults = [
        FieldError(field, "range", f"1 to {MAX_AMOUNT} minor units")
        for field in ("max_per_payment", "max_per_day")
        if not 1 <= getattr(body, field) <= MAX_AMOUNT
    ]
    if not faults and body.max_per_payment > body.max_per_day:
        faults.append(FieldError("max_per_payment", "conflict", "at most max_per_day"))
    if not is_currency(body.currency):
        faults.append(FieldError("currency", "unknown_value", "an enabled ISO 4217 code"))
    faults += acquiring.check_return_url(body.return_url, merchant.return_origins)
    faults += acquiring.check_text("subject", body.subject, least=1, most=128)
    faults += acquiring.check_text("payer_ref", body.payer_ref, least=1, most=64)
    if faults:
        raise InvalidRequest("The agreement is not valid.", errors=tuple(faults))
