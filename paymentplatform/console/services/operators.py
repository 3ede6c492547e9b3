"""Operators' accounts: made without any right, given roles by two admins, switched off by one at once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError

from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.console.services.identities import doubt, hand_over
from paymentplatform.console.services.second_factor import has_factor, reset_second_factor
from paymentplatform.console.services.sessions import end_sessions
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import Conflict, FieldError, InvalidRequest, NotFound
from paymentplatform.kernel.roles import Role

PASSWORD_BYTES: Final = 15


@transactions.start
def create_operator(*, username: str, name: str, operator: Any, reason: str) -> str:
    """Make an account without any role and return its first password, to be shown once (start).

    Its owner chooses another one at his first log-in, and works once another administrator has confirmed him.

    Raises InvalidRequest for a name that is taken or cannot be one.
    """
    fault = _find_name_fault(username)
    if fault:
        raise InvalidRequest(fault, errors=(FieldError("username", "format", fault),))
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user = User.objects.create_user(
        username=username, first_name=name, password=password, is_staff=True, is_active=True
    )
    hand_over(user=user, giver=operator.get_username())
    record_operator_action(
        operator=operator,
        action="create_operator",
        object_no=username,
        reason=reason,
        after={"is_active": True, "roles": []},
    )
    return password


@transactions.start
def issue_password(*, username: str, operator: Any, reason: str) -> str:
    """Give an account a new password, end its sessions, return the password to be shown once (start).

    Raises Conflict for an account that has rights and no second factor: whoever read its password could enrol one
    himself and be two people. Two admins take its roles away first, and give them back once its owner has enrolled.
    """
    user = lock_operator(username=username)
    if settings.OPERATOR_SECOND_FACTOR_REQUIRED and _has_rights(user) and not has_factor(user):
        raise Conflict("It has roles and no second factor: propose to take the roles away first.")
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    user.set_password(password)
    user.save(update_fields=["password"])
    hand_over(user=user, giver=operator.get_username())
    ended = end_sessions(user=user)
    record_operator_action(
        operator=operator,
        action="issue_password",
        object_no=username,
        reason=reason,
        after={"sessions_ended": ended},
    )
    return password


@transactions.start
def disable_operator(*, username: str, operator: Any, reason: str) -> None:
    """Switch an account off and end its sessions, at once (start). Raises Conflict for oneself."""
    user = lock_operator(username=username)
    if user.pk == operator.pk:
        raise Conflict("Nobody switches himself off.")
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_sessions(user=user)
    record_operator_action(
        operator=operator,
        action="disable_operator",
        object_no=username,
        reason=reason,
        before={"is_active": True},
        after={"is_active": False},
    )


@transactions.require
def change_access(
    *, username: str, roles: Sequence[Role], is_active: bool, forget_second_factor: bool
) -> None:
    """Give an account exactly these roles (groups of other names stay); what two admins agreed on (require)."""
    user = lock_operator(username=username)
    ours = [role.value for role in Role]
    kept = user.groups.exclude(name__in=ours)
    user.groups.set([*kept, *Group.objects.filter(name__in=[role.value for role in roles])])
    user.is_active = is_active
    user.save(update_fields=["is_active"])
    if forget_second_factor:
        reset_second_factor(user=user)
        doubt(user=user)
    if forget_second_factor or not is_active:
        end_sessions(user=user)


@transactions.require
def lock_operator(*, username: str) -> User:
    """Lock one operator's account. Raises NotFound."""
    user = User.objects.select_for_update().filter(username=username, is_staff=True).first()
    if user is None:
        raise NotFound(f"There is no operator {username}.")
    return user


def list_roles(user: User) -> list[Role]:
    """Return the roles of an account, in their order."""
    names = set(user.groups.values_list("name", flat=True))
    return [role for role in Role if role.value in names]


def _has_rights(user: User) -> bool:
    return user.is_superuser or user.groups.exists() or user.user_permissions.exists()


def _find_name_fault(username: str) -> str:
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError:
        return "A name has letters, digits and @ . + - _ only."
    if not 2 <= len(username) <= 150:
        return "A name has 2 to 150 characters."
    if User.objects.filter(username__iexact=username).exists():
        return "This name is taken."
    return ""
