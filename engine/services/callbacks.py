"""Callbacks of channels: stored raw, verified, compared, then into the funnel. A repeat answers success."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from engine.channels.base import Channel, NotificationRefused
from engine.channels.registry import UnknownChannel, find_channel, get_channel
from engine.contracts import Cause
from engine.models import ChannelAttempt, ChannelCallback
from engine.services.outcomes import apply_attempt_outcome
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import InvalidRequest, NotFound, Unauthenticated

_KEPT_HEADERS = 40
_RESULTS = ChannelCallback.Result


@dataclass(frozen=True, slots=True)
class ReplayedCallback:
    """What came of a stored callback the second time."""

    callback_id: int
    result: str
    note: str
    attempt_no: str | None


@transactions.forbid
def receive_callback(
    *, channel_code: str, headers: Mapping[str, str], body: bytes
) -> tuple[bytes, str]:
    """Take in one callback and return the acknowledgement (body, content type) of the channel (forbid).

    Raises NotFound for an unknown channel, Unauthenticated when the signature does not verify, InvalidRequest when
    it names no request of ours: in each case nothing but the raw copy is kept.
    """
    try:
        channel = get_channel(channel_code)
    except UnknownChannel:
        raise NotFound from None
    stored = ChannelCallback.objects.create(
        channel_code=channel_code,
        headers=dict(list(headers.items())[:_KEPT_HEADERS]),
        body=body,
    )
    _apply(stored, channel, headers)
    return channel.acknowledge()


@transactions.forbid
def replay_callback(*, callback_id: int) -> ReplayedCallback:
    """Take a stored callback through verification and the funnel once more (forbid).

    For one that was refused or found no match by our own fault; a repeat has no second effect, and its signature
    has to verify now as it would have when it came. Raises NotFound, and what receive_callback raises.
    """
    stored = ChannelCallback.objects.filter(pk=callback_id).first()
    if stored is None:
        raise NotFound(f"There is no callback {callback_id}.")
    channel = find_channel(stored.channel_code)
    if channel is None:
        raise NotFound(f"There is no channel {stored.channel_code} any more.")
    _apply(stored, channel, stored.headers, received_at=stored.received_at)
    return ReplayedCallback(callback_id, stored.result, stored.note, stored.attempt_no)


def _apply(
    stored: ChannelCallback,
    channel: Channel,
    headers: Mapping[str, str],
    *,
    received_at: datetime | None = None,
) -> None:
    """Verify, compare, hand to the funnel, and note beside the raw copy what came of it."""
    when = {} if received_at is None else {"received_at": received_at}
    try:
        notification = channel.parse_notification(headers=headers, body=bytes(stored.body), **when)
    except NotificationRefused as refusal:
        _note(stored, _RESULTS.REFUSED, str(refusal))
        raise Unauthenticated from refusal
    attempt = ChannelAttempt.objects.filter(
        attempt_no=notification.request_no, channel_code=stored.channel_code
    ).first()
    if attempt is None:
        _note(stored, _RESULTS.UNMATCHED, "no such request")
        raise InvalidRequest("The notification names no request of this platform.")
    if notification.merchant_account != channel.merchant_account:
        _note(stored, _RESULTS.QUARANTINED, "another merchant account", attempt.attempt_no)
        raise InvalidRequest("The notification is for another merchant account.")
    applied = apply_attempt_outcome(
        attempt_no=attempt.attempt_no, answer=notification.answer, cause=Cause.CALLBACK
    )
    result = _RESULTS.QUARANTINED if applied.effect == "quarantined" else _RESULTS.APPLIED
    _note(stored, result, applied.effect, attempt.attempt_no)


def _note(stored: ChannelCallback, result: str, note: str, attempt_no: str | None = None) -> None:
    stored.result, stored.note, stored.attempt_no = result, note[:500], attempt_no
    stored.save(update_fields=["result", "note", "attempt_no"])
