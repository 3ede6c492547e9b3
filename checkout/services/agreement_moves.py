"""Moves of an agreement: transition, row, event row, and what its merchant is told, in one place."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from acquiring import api as acquiring
from checkout.agreement_contracts import AgreementStatus, AgreementView
from checkout.models import AgreementRequest, PayerAgreement, Transition
from checkout.services.wallets import hash_token
from checkout.states import AGREEMENT_REQUEST
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.encryption import decrypt_text
from paymentplatform.kernel.numbers import AGREEMENT
from paymentplatform.kernel.times import format_time

ACTIVE_EVENT = "payer_agreement.active"
REVOKED_EVENT = "payer_agreement.revoked"

_SAVED = [
    "status",
    "payer_no",
    "consented_at",
    "sealed_token",
    "token_readable_until",
    "ended_at",
]


@transactions.require
def apply_move(row: AgreementRequest, transition_name: str, *, cause: str, **facts: Any) -> None:
    """Run one named transition of a locked row, save it and append its event row (require).

    Raises django_fsm.TransitionNotAllowed, with nothing saved, when the machine has no such move.
    """
    before = row.status
    getattr(row, transition_name)(**facts)
    row.save(update_fields=_SAVED)
    Transition.objects.create(
        machine=AGREEMENT_REQUEST.name,
        object_no=row.agreement_no,
        from_status=before,
        to_status=row.status,
        cause=cause,
        actor=context.actor.get(),
        request_id=context.request_id.get(),
    )


@transactions.require
def open_agreement(*, row: AgreementRequest, payer_no: str, token: str) -> None:
    """Write what payments go by: the agreement in force, with the SHA-256 of its token (require)."""
    PayerAgreement.objects.create(
        agreement_no=row.agreement_no,
        payer_id=payer_no,
        merchant_no=row.merchant_no,
        token_hash=hash_token(token),
        currency=row.currency,
        max_per_payment=row.max_per_payment,
        max_per_day=row.max_per_day,
    )


@transactions.require
def end_agreement(*, row: AgreementRequest, cause: str, now: datetime) -> None:
    """Revoke a locked request or agreement; what has ended stays as it ended (require).

    From the commit on the token is good for nothing; payments that were accepted before go on. Only the end of an
    agreement in force is told to the merchant.
    """
    if row.status in AGREEMENT_REQUEST.terminal:
        return
    was_active = row.status == AgreementStatus.ACTIVE
    apply_move(row, "revoke", cause=cause, ended_at=now)
    if was_active:
        PayerAgreement.objects.filter(
            agreement_no=row.agreement_no, revoked_at__isnull=True
        ).update(revoked_at=now)
        announce_agreement(event_type=REVOKED_EVENT, row=row)


@transactions.require
def announce_agreement(
    *, event_type: str, row: AgreementRequest, payer_token: str | None = None
) -> None:
    """Keep the merchant's event with the agreement as it is now; the token goes out sealed (require)."""
    acquiring.record_merchant_event(
        event_type=event_type,
        merchant_no=row.merchant_no,
        object_no=row.agreement_no,
        data=render_agreement(row),
        secret_data=None if payer_token is None else render_agreement(row, payer_token=payer_token),
    )


def render_agreement(row: AgreementRequest, *, payer_token: str | None = None) -> AgreementView:
    """Return the object of the merchant API, without its token unless it is given."""
    status = AgreementStatus(row.status)
    is_pending = status == AgreementStatus.PENDING and row.page_secret is not None
    return AgreementView(
        agreement_no=row.agreement_no,
        status=status,
        currency=row.currency,
        max_per_payment=row.max_per_payment,
        max_per_day=row.max_per_day,
        subject=row.subject,
        payer_ref=row.payer_ref,
        return_url=row.return_url,
        agreement_url=f"{settings.BASE_URL}{page_path(row)}" if is_pending else None,
        payer_token=payer_token,
        created_at=format_time(row.created_at),
        expires_at=format_time(row.expires_at),
        consented_at=format_time(row.consented_at) if row.consented_at else None,
        revoked_at=format_time(row.ended_at)
        if row.ended_at and status == AgreementStatus.REVOKED
        else None,
    )


def page_path(row: AgreementRequest) -> str:
    """Return the path of the consent page: the number and 144 random bits, as the cashier's."""
    return f"/agreements/{row.agreement_no.removeprefix(f'{AGREEMENT}_')}{row.page_secret}"


def readable_token(row: AgreementRequest, *, now: datetime) -> str | None:
    """Return the payer_token while its merchant may still ask for it."""
    if row.sealed_token is None or row.token_readable_until is None:
        return None
    return decrypt_text(row.sealed_token) if now < row.token_readable_until else None
