"""Payer wallets: the payment password 支付密码 and its lock."""

from __future__ import annotations

import hashlib
import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from django.conf import settings
from django.db import connection

from checkout.contracts import PaymentPasswordLocked, WrongPaymentPassword
from checkout.models import PayerWallet
from checkout.services.password_tries import ANYWHERE, TriedFrom, admit_try, note_wrong_try
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.errors import InvalidRequest, NotFound, PermissionRefused

MAX_WRONG_TRIES: Final = 5
LOCK_S: Final = 3 * 3600
TOKEN_PREFIX: Final = "pt_"  # noqa: S105 - the form of a token, not one

_hasher = PasswordHasher(memory_cost=settings.PAYMENT_PASSWORD_MEMORY_KIB)

_TAKE_A_TRY = """
    UPDATE checkout_payer_wallet
    SET wrong_tries = CASE WHEN locked_until <= platform_now() THEN 1 ELSE wrong_tries + 1 END,
        locked_until = CASE WHEN locked_until IS NULL AND wrong_tries + 1 >= %s
                            THEN platform_now() + make_interval(secs => %s) END
    WHERE payer_no = %s AND (locked_until IS NULL OR locked_until <= platform_now())
    RETURNING password_hash
"""


@transactions.start
def create_wallet(*, display_name: str, password: str) -> str:
    """Open a wallet and return its payer_no (start). Raises InvalidRequest for a password under 6 characters."""
    if len(password) < 6:
        raise InvalidRequest("A payment password has at least 6 characters.")
    payer_no = numbers.new_number(numbers.PAYER)
    PayerWallet.objects.create(
        payer_no=payer_no,
        display_name=display_name,
        password_hash=_hasher.hash(password),
    )
    return payer_no


@transactions.forbid
def verify_payment_password(*, payer_no: str, password: str, tried: TriedFrom = ANYWHERE) -> None:
    """Return quietly when the password is right (its own short transactions; Argon2 takes some 50 ms).

    Each try is taken before the check, so that parallel guesses cannot exceed five. Raises RateLimited for one try too
    many from the same place, WrongPaymentPassword, the same for an unknown payer, and PaymentPasswordLocked for three
    hours after the fifth wrong try.
    """
    admit_try(tried)
    try:
        _verify(payer_no, password)
    except PermissionRefused:
        note_wrong_try(tried)
        raise


def _verify(payer_no: str, password: str) -> None:
    nobody = _hash_of_nobody()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_A_TRY, [MAX_WRONG_TRIES, LOCK_S, payer_no])
        row = cursor.fetchone()
    try:
        _hasher.verify(row[0] if row else nobody, password)
        right = row is not None
    except (VerificationError, InvalidHashError):
        right = False
    if row is None and is_payer(payer_no=payer_no):
        # Said only after the same 50 ms, so that the clock does not tell who exists.
        raise PaymentPasswordLocked
    if not right:
        raise WrongPaymentPassword
    PayerWallet.objects.filter(payer_no=payer_no).update(wrong_tries=0, locked_until=None)


@cache
def _hash_of_nobody() -> str:
    """Return what is verified when the payer does not exist, so that the answer takes as long.

    Made at a process's first question, whoever it is about, and not at the start of every process: it costs 64 MiB and
    a sixth of a second.
    """
    return _hasher.hash(secrets.token_urlsafe(16))


@transactions.start
def unlock_wallet(*, payer_no: str) -> None:
    """Let the payer try his payment password again; repeating changes nothing (start). Raises NotFound."""
    found = PayerWallet.objects.filter(payer_no=payer_no).update(wrong_tries=0, locked_until=None)
    if not found:
        raise NotFound


def is_payer(*, payer_no: str) -> bool:
    """Tell whether a wallet of this number exists."""
    return PayerWallet.objects.filter(payer_no=payer_no).exists()


def hash_token(token: str) -> str:
    """SHA-256 is enough for a random 256-bit token: there is nothing to guess."""
    return hashlib.sha256(token.encode()).hexdigest()
