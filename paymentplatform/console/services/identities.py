"""Whether an operator's account is one person's alone: without that, maker and checker could be one man's two accounts.

An administrator who gives a password could use it himself. So its owner chooses another one at the first log-in, enrols
the second factor in that session, and tells a word that only his session shows to *another* administrator, who
confirms him. Until then nobody works with the account. (ADR 0032)
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as say

from paymentplatform.console.contracts import PersonNotConfirmed, SecondPersonRequired
from paymentplatform.console.models import OperatorIdentity, SecondFactor
from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.console.services.second_factor import has_factor
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import Conflict, FieldError, InvalidRequest, NotFound

GIVEN_PASSWORD_LASTS: Final = timedelta(days=3)
"""How long a password that an administrator gave lets its owner in to choose another one."""
_ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
_WORD_CHARACTERS: Final = 8


@transactions.require
def hand_over(*, user: User, giver: str) -> None:
    """Note that an administrator gave the account its password (require).

    It must be chosen anew; and it must be confirmed anew, unless a second factor that the giver does not have still
    stands between him and the account.
    """
    row, _made = OperatorIdentity.objects.select_for_update().get_or_create(user=user)
    row.password_from, row.password_at, row.chosen_at = giver, database_now(), None
    if not has_factor(user):
        row.confirmed_by = row.confirmed_at = None
    row.save()


@transactions.require
def doubt(*, user: User) -> None:
    """Note that the account's second factor is forgotten: who enrols the next one must be confirmed (require)."""
    row, made = OperatorIdentity.objects.select_for_update().get_or_create(user=user)
    if made:
        row.chosen_at = database_now()
    row.confirmed_by = row.confirmed_at = None
    row.save()


@transactions.start
def choose_password(*, user: Any, password: str) -> User:
    """Replace a password that an administrator gave by one that only its owner knows; return the account (start).

    Raises Conflict when there is nothing to choose or the given one is too old, InvalidRequest for a weak one or the
    same again.
    """
    row = OperatorIdentity.objects.select_for_update().filter(user=user).first()
    if row is None or row.chosen_at is not None:
        raise Conflict(say("The password is its owner's already."))
    if is_expired(row):
        raise Conflict(
            say("The password that you were given is too old: ask an administrator for another.")
        )
    locked = User.objects.select_for_update().get(pk=user.pk)
    if locked.check_password(password):
        raise _refuse_password(say("Choose another password than the one you were given."))
    try:
        validate_password(password, user=locked)
    except ValidationError as error:
        raise _refuse_password(_explain(error)) from None
    locked.set_password(password)
    locked.save(update_fields=["password"])
    row.chosen_at = database_now()
    row.save(update_fields=["chosen_at"])
    record_operator_action(
        operator=user, action="choose_password", object_no=user.get_username(), reason="at log-in"
    )
    return locked


@transactions.start
def confirm_operator(*, username: str, word: str, operator: User, reason: str) -> None:
    """Confirm that the account is the person's whose word was heard (start).

    Raises NotFound, Conflict when there is nothing to confirm or its owner is not ready yet, SecondPersonRequired for
    the account itself and for whoever gave it its password, InvalidRequest for another word.
    """
    user = User.objects.select_for_update().filter(username=username, is_staff=True).first()
    if user is None:
        raise NotFound(f"There is no operator {username}.")
    row = OperatorIdentity.objects.select_for_update().filter(user=user).first()
    if row is None or row.confirmed_at is not None:
        raise Conflict(say("There is nothing to confirm."))
    require_person(operator)
    if operator.get_username() in {username, row.password_from}:
        raise SecondPersonRequired(
            say(
                "Whoever gave an account its password cannot confirm it: another administrator must."
            )
        )
    if not is_ready(user, row):
        raise Conflict(say("Its owner has not chosen a password and a second factor yet."))
    said = "".join(word.split()).replace("-", "").upper()
    if not hmac.compare_digest(said.encode(), build_word(user).replace("-", "").encode()):
        fault = say("This is not the word that its owner sees.")
        raise InvalidRequest(fault, errors=(FieldError("word", "format", fault),))
    row.confirmed_by, row.confirmed_at = operator.get_username(), database_now()
    row.save(update_fields=["confirmed_by", "confirmed_at"])
    record_operator_action(
        operator=operator,
        action="confirm_operator",
        object_no=username,
        reason=reason,
        after={"made_by": row.password_from},
    )


def build_word(user: Any) -> str:
    """Return the word of an account, which changes with its password and its second factor."""
    factor = SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).first()
    secrets = f"{user.pk} {user.password} {factor.secret if factor else ''}"
    digest = salted_hmac("console.identity", secrets, algorithm="sha256").digest()
    drawn = [_ALPHABET[byte % len(_ALPHABET)] for byte in digest[:_WORD_CHARACTERS]]
    half = _WORD_CHARACTERS // 2
    return f"{''.join(drawn[:half])}-{''.join(drawn[half:])}"


def read_identity(user: Any) -> OperatorIdentity | None:
    """Return what is known of an account; None for one that was made on the server."""
    return OperatorIdentity.objects.filter(user=user).first()


def must_choose_password(row: OperatorIdentity | None) -> bool:
    """Tell whether its password is still the one that an administrator gave."""
    return row is not None and row.chosen_at is None


def is_confirmed(row: OperatorIdentity | None) -> bool:
    """Tell whether two administrators know whose account it is, or whoever runs the server does."""
    return row is None or row.confirmed_at is not None


def is_expired(row: OperatorIdentity) -> bool:
    """Tell whether a given password has lasted too long."""
    return bool(row.password_at + GIVEN_PASSWORD_LASTS < database_now())


def is_ready(user: User, row: OperatorIdentity) -> bool:
    """Tell whether its owner has done what is his part."""
    enrolled = has_factor(user) or not settings.OPERATOR_SECOND_FACTOR_REQUIRED
    return row.chosen_at is not None and enrolled


def require_person(user: Any) -> None:
    """Raise PersonNotConfirmed unless the account is known to be one person's alone."""
    row = read_identity(user)
    if must_choose_password(row) or not is_confirmed(row):
        raise PersonNotConfirmed(f"{user.get_username()} has not been confirmed yet.")


def _explain(error: ValidationError) -> str:
    """Say what is wrong with a password, also where Django's own words are not translated."""
    words = {
        "password_too_short": say("It needs twelve characters at least."),
        "password_too_common": say("Too many people use this one."),
        "password_entirely_numeric": say("Digits alone are too easy to guess."),
        "password_too_similar": say("It is too much like your name."),
    }
    return " ".join(words.get(str(one.code), str(one.message)) for one in error.error_list)


def _refuse_password(fault: str) -> InvalidRequest:
    return InvalidRequest(fault, errors=(FieldError("password", "format", fault),))
