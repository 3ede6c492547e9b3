"""Calls to channels 渠道调用: made here, and kept with what their answers change, for people to read later.

The rows are written by the statement that locks what the answer is about: no round trip of their own. A plain success
that was the only call has none; its attempt or refund keeps that answer itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.models import ChannelAttempt, ChannelCall, Refund
from engine.selectors import lock_attempt, lock_refund
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.redaction import redact_text

KEPT_OF_CALL: Final = 500
Operation = ChannelCall.Operation

_log = structlog.get_logger(__name__)
_encode: Final = msgspec.json.Encoder().encode

_KEEP_CALLS: Final = """
    WITH kept AS (
        INSERT INTO engine_channel_call (
            attempt_no, refund_no, order_no, channel_code, operation, answered_at, duration_ms, outcome, answer, cause,
            actor, request_id)
        SELECT %(attempt_no)s::text, %(refund_no)s::text, %(order_no)s::text, %(channel_code)s::text, c.operation,
            platform_now() - make_interval(secs => c.ago_s), c.duration_ms, c.outcome, c.answer, c.cause, c.actor,
            c.request_id
        FROM jsonb_to_recordset(%(calls)s::jsonb) AS c (
            operation text, ago_s double precision, duration_ms integer, outcome text, answer text, cause text,
            actor text, request_id text)
    )
"""
_LOCK_ATTEMPT: Final = (
    f"{_KEEP_CALLS} SELECT * FROM engine_channel_attempt"  # noqa: S608 - all of it stands here
    " WHERE attempt_no = %(attempt_no)s FOR UPDATE"
)
_LOCK_REFUND: Final = (
    f"{_KEEP_CALLS} SELECT * FROM engine_refund"  # noqa: S608 - likewise
    " WHERE refund_no = %(refund_no)s FOR UPDATE"
)


@dataclass(frozen=True, slots=True)
class MadeCall:
    """One call that was made: what came back, when (on this process's own clock) and how long that took."""

    operation: str
    answer: ChannelAnswer
    answered_s: float
    duration_ms: int


class KeptCall(msgspec.Struct, frozen=True, kw_only=True):
    """What a row says of a call; ``ago_s`` is how many seconds ago it was answered."""

    operation: str
    ago_s: float
    duration_ms: int
    outcome: str
    answer: str
    cause: str
    actor: str
    request_id: str


@transactions.forbid
def make_call(operation: str, ask: Callable[[], ChannelAnswer], *, object_no: str) -> MadeCall:
    """Ask a channel and time it; an adapter that raises has given no answer, for the request may have left (forbid)."""
    started = time.monotonic()
    try:
        answer = ask()
    except Exception as error:  # noqa: BLE001 - a bug in an adapter is no answer
        _log.exception("adapter_raised", operation=operation, object_no=object_no)
        said = f"the adapter raised {type(error).__name__}"
        answer = ChannelAnswer(outcome=Outcome.UNKNOWN, raw=said)
    ended = time.monotonic()
    return MadeCall(operation, answer, ended, round((ended - started) * 1000))


def describe_calls(calls: Sequence[MadeCall], *, cause: Cause) -> list[KeptCall]:
    """Write down what is kept of calls, without secrets, in the name of who acts now.

    To be done when the transaction starts that keeps them: the database's time is then.
    """
    now = time.monotonic()
    return [
        KeptCall(
            operation=call.operation,
            ago_s=now - call.answered_s,
            duration_ms=call.duration_ms,
            outcome=call.answer.outcome,
            answer=redact_text(call.answer.raw)[:KEPT_OF_CALL],
            cause=cause,
            actor=context.actor.get(),
            request_id=context.request_id.get(),
        )
        for call in calls
    ]


@transactions.require
def lock_attempt_keeping(seen: ChannelAttempt, calls: Sequence[KeptCall]) -> ChannelAttempt:
    """Lock an attempt after its detail, and keep what its channel was asked, in one statement (require)."""
    if not calls:
        return lock_attempt(attempt_no=seen.attempt_no)
    about = {"attempt_no": seen.attempt_no, "refund_no": None, **_name_order(seen, calls)}
    (attempt,) = ChannelAttempt.objects.raw(_LOCK_ATTEMPT, about)
    return attempt


@transactions.require
def lock_refund_keeping(seen: Refund, calls: Sequence[KeptCall]) -> Refund:
    """Lock a refund after its payment's details, and keep what its channel was asked, in one statement (require)."""
    if not calls:
        return lock_refund(refund_no=seen.refund_no)
    about = {"attempt_no": None, "refund_no": seen.refund_no, **_name_order(seen, calls)}
    (refund,) = Refund.objects.raw(_LOCK_REFUND, about)
    return refund


def _name_order(seen: ChannelAttempt | Refund, calls: Sequence[KeptCall]) -> dict[str, str | None]:
    return {
        "order_no": seen.order_no,
        "channel_code": seen.channel_code,
        "calls": _encode(calls).decode(),
    }
