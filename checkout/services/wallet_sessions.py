"""A payer logged in to his wallet: proved by number and payment password, for half an hour, in one browser."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Final

from django.conf import settings

from checkout.models import WalletSession
from checkout.services.password_tries import TriedFrom
from checkout.services.wallets import hash_token, verify_payment_password
from paymentplatform.kernel import metrics, transactions
from paymentplatform.kernel.clock import database_now

LASTS: Final = timedelta(minutes=30)
SWEEP_TASK: Final = "checkout.sweep_wallet_sessions"


@transactions.forbid
def log_in(*, payer_no: str, payment_password: str, address: str) -> str:
    """Return the secret of a new session (forbid: Argon2, and Redis for the address's count).

    Raises what ``verify_payment_password`` raises: the same for a wrong password and an unknown payer.
    """
    verify_payment_password(
        payer_no=payer_no, password=payment_password, tried=TriedFrom(address=address)
    )
    return _open_session(payer_no=payer_no)


@transactions.start
def _open_session(*, payer_no: str) -> str:
    secret = secrets.token_urlsafe(32)
    WalletSession.objects.create(
        token_hash=hash_token(secret), payer_no=payer_no, expires_at=database_now() + LASTS
    )
    return secret


def find_payer(*, secret: str) -> str | None:
    """Return whose session it is, None when it is over or never was."""
    if not secret or not secret.isascii():
        return None
    found = WalletSession.objects.filter(
        token_hash=hash_token(secret), expires_at__gt=database_now()
    )
    return found.values_list("payer_no", flat=True).first()


@transactions.start
def log_out(*, secret: str) -> None:
    """End a session; again changes nothing (start)."""
    WalletSession.objects.filter(token_hash=hash_token(secret)).delete()


@transactions.start
def sweep_sessions(*, batch_size: int | None = None) -> int:
    """Forget sessions that are over; return how many (start). Safe to run twice and at once."""
    over = WalletSession.objects.filter(expires_at__lte=database_now())
    keys = over.values_list("token_hash", flat=True)[: batch_size or settings.SWEEP_BATCH]
    gone, _rows = WalletSession.objects.filter(token_hash__in=list(keys)).delete()
    metrics.SWEPT_ROWS.labels(SWEEP_TASK).inc(gone)
    return gone
