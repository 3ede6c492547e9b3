"""When an operator's session begins and ends: after log-in, by idleness, by age, by a newer one."""

from __future__ import annotations

import time
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import logout
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone

from paymentplatform.console.models import OperatorSession
from paymentplatform.console.services.identities import (
    is_confirmed,
    must_choose_password,
    read_identity,
)
from paymentplatform.console.services.second_factor import has_factor
from paymentplatform.kernel import transactions

PASSWORD: Final = "password"  # noqa: S105 - how somebody was let in, not a secret
CODE: Final = "code"
_LET_IN: Final = "let_in_by"
_SETTLED: Final = "is_settled"
_OPENED: Final = "opened_at"
_SEEN: Final = "seen_at"
_NOTED_EVERY_S: Final = 60


def needs_second_factor(request: HttpRequest) -> bool:
    """Tell whether this session, whose password was right, still owes a code."""
    by = request.session.get(_LET_IN)
    if by == CODE:
        return False
    if settings.OPERATOR_SECOND_FACTOR_REQUIRED:
        return True
    return by != PASSWORD and has_factor(request.user)


def owes_introduction(request: HttpRequest) -> bool:
    """Tell whether the account must choose its own password yet, or nobody has confirmed whose it is.

    Remembered by the session: whatever brings it into doubt again ends all sessions of the account.
    """
    session = request.session
    if session.get(_SETTLED):
        return False
    row = read_identity(request.user)
    if must_choose_password(row) or not is_confirmed(row):
        return True
    if session.get(_LET_IN) is not None:
        session[_SETTLED] = True
    return False


def is_over(request: HttpRequest) -> bool:
    """Tell whether the session is idle or old, and end it if so; else note, once a minute, that it lives."""
    now = time.time()
    session = request.session
    opened, seen = session.get(_OPENED), session.get(_SEEN)
    too_old = opened is not None and now - opened > settings.OPERATOR_SESSION_S
    too_idle = seen is not None and now - seen > settings.OPERATOR_IDLE_S
    if too_old or too_idle:
        logout(request)
        return True
    if opened is None:
        session[_OPENED] = now
    if seen is None or now - seen > _NOTED_EVERY_S:
        session[_SEEN] = now
    return False


def open_session(request: HttpRequest, *, by: str) -> None:
    """Let the operator in under a fresh session key; more than OPERATOR_SESSIONS_MAX end the oldest."""
    request.session.cycle_key()
    request.session[_LET_IN] = by
    request.session[_OPENED] = request.session[_SEEN] = time.time()
    request.session.save()
    _keep_newest(user=request.user, session_key=str(request.session.session_key))


@transactions.start
def _keep_newest(*, user: Any, session_key: str) -> None:
    OperatorSession.objects.create(session_key=session_key, user=user)
    rows = OperatorSession.objects.filter(user=user).order_by("-opened_at", "-session_key")
    living = set(
        Session.objects.filter(
            session_key__in=[row.session_key for row in rows], expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    )
    kept = [row.session_key for row in rows if row.session_key in living]
    kept = kept[: settings.OPERATOR_SESSIONS_MAX]
    _end([row.session_key for row in rows if row.session_key not in kept])


@transactions.require
def end_sessions(*, user: Any) -> int:
    """End every session of an operator and return how many there were (require)."""
    keys = list(OperatorSession.objects.filter(user=user).values_list("session_key", flat=True))
    _end(keys)
    return len(keys)


def _end(keys: list[str]) -> None:
    Session.objects.filter(session_key__in=keys).delete()
    OperatorSession.objects.filter(session_key__in=keys).delete()
