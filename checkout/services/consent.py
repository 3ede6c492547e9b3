"""What the payer does on the consent page 签约页: read what is asked, prove himself, agree or decline."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Final

from acquiring import api as acquiring
from checkout.agreement_contracts import (
    AgreementEnded,
    AgreementStatus,
    ConsentPage,
    LiveAgreement,
)
from checkout.models import AgreementRequest, PayerAgreement
from checkout.services.agreement_moves import (
    ACTIVE_EVENT,
    announce_agreement,
    apply_move,
    open_agreement,
)
from checkout.services.agreements import new_payer_token
from checkout.services.password_tries import TriedFrom
from checkout.services.wallets import verify_payment_password
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.encryption import encrypt_text
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.numbers import AGREEMENT, is_number

TOKEN_READABLE_FOR: Final = timedelta(minutes=10)
_NUMBER_LENGTH: Final = 22
_SHOWN_BESIDE: Final = 20


def get_consent_page(*, token: str) -> ConsentPage:
    """Return what the page of this link shows. Raises NotFound for any token that is not exactly right.

    A request whose time is over is EXPIRED here, swept or not.
    """
    row = _find(token)
    now = database_now()
    return ConsentPage(
        page_token=token,
        agreement_no=row.agreement_no,
        status=_status_at(row, now),
        merchant_name=acquiring.get_merchant_name(merchant_no=row.merchant_no),
        currency=row.currency,
        max_per_payment=row.max_per_payment,
        max_per_day=row.max_per_day,
        subject=row.subject,
        return_url=row.return_url,
        expires_at=row.expires_at,
        expires_in_s=max(0, int((row.expires_at - now).total_seconds())),
        payer_no=row.payer_no,
        beside=_list_beside(row) if row.status == AgreementStatus.ACTIVE else (),
        style=acquiring.find_cashier_style(merchant_no=row.merchant_no),
    )


def _list_beside(row: AgreementRequest) -> tuple[LiveAgreement, ...]:
    """Each agreement has limits of its own, so what this payer let the merchant take before is not in these."""
    found = PayerAgreement.objects.filter(
        payer_id=row.payer_no, merchant_no=row.merchant_no, revoked_at__isnull=True
    ).exclude(agreement_no=row.agreement_no)
    return tuple(
        LiveAgreement(other.agreement_no, other.currency, other.max_per_payment, other.max_per_day)
        for other in found.order_by("-agreement_no")[:_SHOWN_BESIDE]
    )


@transactions.forbid
def give_consent(
    *, token: str, payer_no: str, payment_password: str, address: str | None = None
) -> None:
    """Let the payer agree; the same payer again changes nothing (forbid: Argon2 takes its time).

    The password is tried only while there is something to agree to. Raises NotFound, AgreementEnded, and what
    ``verify_payment_password`` raises; then nothing has changed but the count of wrong tries.
    """
    asked = _find(token)
    if _status_at(asked, database_now()) not in _ANSWERABLE:
        raise AgreementEnded
    if not acquiring.is_active_merchant(merchant_no=asked.merchant_no):
        raise AgreementEnded
    verify_payment_password(
        payer_no=payer_no,
        password=payment_password,
        tried=TriedFrom(address=address, page=token),
    )
    with context.acting(as_actor=f"payer:{payer_no}"):
        _activate(token=token, payer_no=payer_no)


@transactions.start
def decline_consent(*, token: str) -> None:
    """Let whoever has the link say no; again changes nothing (start). Raises NotFound, AgreementEnded."""
    row = _lock(token)
    now = database_now()
    if row.status == AgreementStatus.DECLINED:
        return
    if _status_at(row, now) != AgreementStatus.PENDING:
        raise AgreementEnded
    with context.acting(as_actor="payer"):
        apply_move(row, "decline", cause="payer", ended_at=now)


_ANSWERABLE: Final = frozenset({AgreementStatus.PENDING, AgreementStatus.ACTIVE})


@transactions.start
def _activate(*, token: str, payer_no: str) -> None:
    """PENDING → ACTIVE with the agreement in force, its token sealed for ten minutes, and the event (start)."""
    row = _lock(token)
    now = database_now()
    if row.status == AgreementStatus.ACTIVE and row.payer_no == payer_no:
        return
    if _status_at(row, now) != AgreementStatus.PENDING:
        raise AgreementEnded
    payer_token = new_payer_token()
    open_agreement(row=row, payer_no=payer_no, token=payer_token)
    apply_move(
        row,
        "activate",
        cause="payer",
        payer_no=payer_no,
        consented_at=now,
        sealed_token=encrypt_text(payer_token),
        token_readable_until=now + TOKEN_READABLE_FOR,
    )
    announce_agreement(event_type=ACTIVE_EVENT, row=row, payer_token=payer_token)


def _status_at(row: AgreementRequest, now: datetime) -> AgreementStatus:
    status = AgreementStatus(row.status)
    is_over = status == AgreementStatus.PENDING and row.expires_at <= now
    return AgreementStatus.EXPIRED if is_over else status


def _find(token: str) -> AgreementRequest:
    return _check(AgreementRequest.objects.filter(agreement_no=_number_in(token)).first(), token)


def _lock(token: str) -> AgreementRequest:
    found = AgreementRequest.objects.select_for_update().filter(agreement_no=_number_in(token))
    return _check(found.first(), token)


def _number_in(token: str) -> str:
    number = f"{AGREEMENT}_{token[:_NUMBER_LENGTH]}"
    if not token.isascii() or not is_number(number, AGREEMENT):
        raise NotFound
    return number


def _check(row: AgreementRequest | None, token: str) -> AgreementRequest:
    secret = row.page_secret if row is not None else None
    if row is None or secret is None or not secret:
        raise NotFound
    if not hmac.compare_digest(secret.encode(), token[_NUMBER_LENGTH:].encode()):
        raise NotFound
    return row
