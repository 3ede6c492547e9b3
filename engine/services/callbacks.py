"""Callbacks of channels: stored raw, verified, compared, then into the funnel. A repeat answers success.

One that tells of a plain success is stored with its effect; every other one before anything is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from engine.channels.base import Channel, Notification, NotificationRefused
from engine.channels.registry import UnknownChannel, find_channel, get_channel
from engine.contracts import Cause
from engine.models import ChannelAttempt, ChannelCallback, Refund
from engine.services.answers import Applied
from engine.services.outcomes import fold_answer
from engine.services.plain_refunds import take_refund_success
from engine.services.plain_successes import RawCallback, take_plain_success
from engine.services.refund_outcomes import fold_refund_answer
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import InvalidRequest, NotFound, RateLimited, Unauthenticated
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.numbers import ATTEMPT, REFUND, is_number
from paymentplatform.kernel.throttle import Throttle

_log = structlog.get_logger(__name__)

_KEPT_HEADERS = 20
_KEPT_VALUE = 512
_KEPT_OF_REFUSED = 8_192
_KEPT_NOTE = 500
_RESULTS = ChannelCallback.Result

_kept_refusals = Throttle(name="refused_callbacks", at_once=300, per_minute=6)
"""For each channel: a stranger writes some 70 MB a day at most into a table from which nothing is deleted."""


@dataclass(frozen=True, slots=True)
class ReplayedCallback:
    """What came of a stored callback the second time; ``refusal`` says why it had no effect."""

    callback_id: int
    result: str
    note: str
    attempt_no: str | None
    refund_no: str | None = None
    refusal: str | None = None


@transactions.forbid
def receive_callback(
    *, channel_code: str, headers: Mapping[str, str], body: bytes
) -> tuple[bytes, str]:
    """Take in one callback and return the acknowledgement (body, content type) of the channel (forbid).

    Raises NotFound for an unknown channel, Unauthenticated when the signature does not verify, InvalidRequest when
    it names no request of ours: in each case nothing but the raw copy is kept, of very many refused ones only some.
    """
    try:
        channel = get_channel(channel_code)
    except UnknownChannel:
        raise NotFound from None
    kept = {name: value[:_KEPT_VALUE] for name, value in list(headers.items())[:_KEPT_HEADERS]}
    try:
        notification = channel.parse_notification(headers=headers, body=body)
    except NotificationRefused as refusal:
        _keep_refused(channel_code, kept, body, str(refusal))
        raise Unauthenticated from refusal
    if _take_at_once(channel, notification, RawCallback(channel_code, kept, body)):
        return channel.acknowledge()
    stored = ChannelCallback.objects.create(channel_code=channel_code, headers=kept, body=body)
    wrong = _hand_over(stored, channel, notification)
    if wrong is not None:
        raise InvalidRequest(wrong)
    return channel.acknowledge()


def _keep_refused(channel_code: str, headers: dict[str, str], body: bytes, why: str) -> None:
    """Anybody can send these: enough is kept to see what they were, not enough to fill a disk."""
    try:
        _kept_refusals.admit(channel_code)
    except RateLimited:
        _log.warning("refused_callback_not_kept", channel_code=channel_code, why=why[:_KEPT_NOTE])
        return
    ChannelCallback.objects.create(
        channel_code=channel_code,
        headers=headers,
        body=body[:_KEPT_OF_REFUSED],
        result=_RESULTS.REFUSED,
        note=why[:_KEPT_NOTE],
    )


@transactions.forbid
def replay_callback(*, callback_id: int) -> ReplayedCallback:
    """Take a stored callback through verification and the funnel once more (forbid).

    For one that was refused or found no match by our own fault; a repeat has no second effect, and its signature
    has to verify now as it would have when it came. Raises NotFound, and what receive_callback raises.
    """
    return _refuse_unheard(apply_stored_callback(callback_id=callback_id))


@transactions.forbid
def rehearse_replay(*, callback_id: int) -> ReplayedCallback:
    """Find out what ``replay_callback`` would do, exactly, and keep nothing of it (forbid). Raises the same."""
    return _refuse_unheard(transactions.rehearse(apply_stored_callback)(callback_id=callback_id))


def _refuse_unheard(done: ReplayedCallback) -> ReplayedCallback:
    if done.result == _RESULTS.REFUSED:
        raise Unauthenticated
    if done.refusal is not None:
        raise InvalidRequest(done.refusal)
    return done


@transactions.start
def apply_stored_callback(*, callback_id: int) -> ReplayedCallback:
    """Do what ``replay_callback`` does, in one transaction, and tell a refusal instead of raising it (start).

    Calls nobody: a callback is verified with our own keys. Raises NotFound.
    """
    stored = ChannelCallback.objects.filter(pk=callback_id).first()
    if stored is None:
        raise NotFound(f"There is no callback {callback_id}.")
    channel = find_channel(stored.channel_code)
    if channel is None:
        raise NotFound(f"There is no channel {stored.channel_code} any more.")
    try:
        notification = channel.parse_notification(
            headers=stored.headers, body=bytes(stored.body), received_at=stored.received_at
        )
    except NotificationRefused as error:
        _note(stored, _RESULTS.REFUSED, str(error))
        refusal: str | None = str(error)
    else:
        refusal = _hand_over(stored, channel, notification, joined=True)
    return ReplayedCallback(
        callback_id, stored.result, stored.note, stored.attempt_no, stored.refund_no, refusal
    )


def _take_at_once(channel: Channel, notification: Notification, callback: RawCallback) -> bool:
    """Store the callback with its effect, when it tells of a plain success and is for us; else nothing is written."""
    request_no, refund_no = notification.request_no or "", notification.refund_no
    answer, order_no = notification.answer, None
    if notification.merchant_account != channel.merchant_account:
        return False
    if is_number(refund_no or "", REFUND):
        order_no = take_refund_success(
            refund_no=str(refund_no), answer=answer, cause=Cause.CALLBACK, callback=callback
        )
    elif refund_no is None and is_number(request_no, ATTEMPT):
        order_no = take_plain_success(
            attempt_no=request_no, answer=answer, cause=Cause.CALLBACK, callback=callback
        )
    if order_no is None:
        return False
    _note_effect(order_no)
    return True


def _note_effect(order_no: str) -> None:
    """Mark the moment at which a callback has had its effect and its channel has not heard so."""
    failpoint("callback_applied", order_no)


def _hand_over(
    stored: ChannelCallback, channel: Channel, notification: Notification, *, joined: bool = False
) -> str | None:
    """Compare, hand to the funnel, and note beside the raw copy what came of it; returns what is wrong with it.

    ``joined`` puts the effect into the caller's transaction instead of one of its own.
    """
    about = _find_subject(stored, notification)
    if about is None:
        _note(stored, _RESULTS.UNMATCHED, "no such request")
        return "The notification names no request of this platform."
    if notification.merchant_account != channel.merchant_account:
        _note(stored, _RESULTS.QUARANTINED, "another merchant account", about)
        return "The notification is for another merchant account."
    failpoint("callback_stored", about.order_no)
    applied: Applied
    if isinstance(about, Refund):
        fold_refund = transactions.join(fold_refund_answer) if joined else fold_refund_answer
        applied = fold_refund(
            refund_no=about.refund_no, answer=notification.answer, cause=Cause.CALLBACK
        )
    else:
        fold = transactions.join(fold_answer) if joined else fold_answer
        applied = fold(
            attempt_no=about.attempt_no, answer=notification.answer, cause=Cause.CALLBACK
        )
    _note_effect(about.order_no)
    result = _RESULTS.QUARANTINED if applied.effect == "quarantined" else _RESULTS.APPLIED
    _note(stored, result, applied.effect, about)
    return None


def _find_subject(
    stored: ChannelCallback, notification: Notification
) -> ChannelAttempt | Refund | None:
    """Return the attempt or refund of this channel that the notification names."""
    request_no, refund_no = notification.request_no or "", notification.refund_no or ""
    if is_number(refund_no, REFUND):
        return Refund.objects.filter(refund_no=refund_no, channel_code=stored.channel_code).first()
    if is_number(request_no, ATTEMPT):
        return ChannelAttempt.objects.filter(
            attempt_no=request_no, channel_code=stored.channel_code
        ).first()
    return None


def _note(
    stored: ChannelCallback,
    result: str,
    note: str,
    about: ChannelAttempt | Refund | None = None,
) -> None:
    stored.result, stored.note = result, note[:_KEPT_NOTE]
    stored.attempt_no = about.attempt_no if isinstance(about, ChannelAttempt) else None
    stored.refund_no = about.refund_no if isinstance(about, Refund) else None
    stored.save(update_fields=["result", "note", "attempt_no", "refund_no"])
