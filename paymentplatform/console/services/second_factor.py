"""The second factor 二次验证: TOTP (RFC 6238) by any authenticator app.

A code is good once and for 30 s either side of its own; three wrong ones in a row make the next try wait, each further
one twice as long, a quarter of an hour at most. The secret is encrypted, shown at enrolment and never again.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from django.utils.translation import gettext as say
from django_otp.oath import hotp

from paymentplatform.console.models import SecondFactor
from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.encryption import decrypt_text, encrypt_text
from paymentplatform.kernel.errors import Conflict, InvalidRequest

STEP_S: Final = 30
SECRET_BYTES: Final = 20
FREE_TRIES: Final = 3
LONGEST_WAIT_S: Final = 900
ISSUER: Final = "Payment platform"


class SecondFactorLocked(Conflict):
    """Too many wrong codes: the next one is looked at only after a wait."""

    code = "second_factor_locked"
    title = "Too many wrong codes"


class SecondFactorWrong(InvalidRequest):
    """The code is not one that the authenticator shows now, or it was used before."""


def has_factor(user: Any) -> bool:
    """Tell whether this operator has confirmed one."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).exists()


@transactions.start
def begin_enrolment(*, user: Any) -> str:
    """Make a new secret and return it in base 32, to be shown now and never again (start).

    Raises Conflict when this operator has a confirmed factor: only two admins together take it away.
    """
    row = SecondFactor.objects.select_for_update().filter(user=user).first()
    if row is not None and row.confirmed_at is not None:
        raise Conflict(say("There is a second factor already."))
    secret = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    SecondFactor.objects.update_or_create(
        user=user,
        defaults={"secret": encrypt_text(secret), "confirmed_at": None, "last_step": 0},
    )
    return secret


def build_address(*, username: str, secret: str) -> str:
    """Return the otpauth: address that an authenticator reads from a QR code."""
    return (
        f"otpauth://totp/{quote(ISSUER)}:{quote(username)}?secret={secret}&issuer={quote(ISSUER)}"
    )


def verify_second_factor(*, user: Any, code: str) -> None:
    """Accept one code: the first one confirms the enrolment. Not inside a transaction.

    Raises InvalidRequest without an enrolment, SecondFactorWrong, and SecondFactorLocked during a wait.
    """
    if not _take_code(user=user, code=code):
        raise SecondFactorWrong(say("The code is not right; wait for the next one."))


@transactions.start
def _take_code(*, user: Any, code: str) -> bool:
    """Look at one code and remember the outcome: a wrong one must be counted, so it is no error here."""
    row = SecondFactor.objects.select_for_update().filter(user=user).first()
    if row is None:
        raise InvalidRequest(say("There is no second factor yet."))
    now = database_now()
    if row.locked_until is not None and row.locked_until > now:
        raise SecondFactorLocked(say("Too many wrong codes: wait a little."))
    key = base64.b32decode(decrypt_text(row.secret))
    step = _find_step(key, code.strip(), at=int(now.timestamp()), after=row.last_step)
    if step is None:
        row.wrong_tries += 1
        over = row.wrong_tries - FREE_TRIES
        if over >= 0:
            wait = min(LONGEST_WAIT_S, STEP_S * 2 ** min(over, 10))
            row.locked_until = now + timedelta(seconds=wait)
    else:
        row.last_step, row.wrong_tries, row.locked_until = step, 0, None
        if row.confirmed_at is None:
            row.confirmed_at = now
            _audit(user, "enrol_second_factor")
    row.save()
    return step is not None


@transactions.require
def reset_second_factor(*, user: Any) -> None:
    """Forget an operator's factor: he enrols a new one at his next log-in (require)."""
    SecondFactor.objects.filter(user=user).update(
        secret=encrypt_text(base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()),
        confirmed_at=None,
        wrong_tries=0,
        locked_until=None,
    )


def _find_step(key: bytes, code: str, *, at: int, after: int) -> int | None:
    """Return the time step whose code this is: now's, the one before or the one behind; never one used before."""
    if len(code) != 6 or not code.isascii() or not code.isdigit():
        return None
    for step in (at // STEP_S, at // STEP_S - 1, at // STEP_S + 1):
        expected = f"{hotp(key, step):06d}"
        if step > after and hmac.compare_digest(expected, code):
            return step
    return None


def _audit(user: Any, action: str) -> None:
    record_operator_action(
        operator=user, action=action, object_no=user.get_username(), reason="at log-in"
    )
