"""Callbacks of channels: stored raw, verified, compared, then into the funnel. A repeat answers success."""

from __future__ import annotations

from collections.abc import Mapping

from engine.channels.base import NotificationRefused
from engine.channels.registry import UnknownChannel, get_channel
from engine.contracts import Cause
from engine.models import ChannelAttempt, ChannelCallback
from engine.services.outcomes import apply_attempt_outcome
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import InvalidRequest, NotFound, Unauthenticated

_KEPT_HEADERS = 40
_RESULTS = ChannelCallback.Result


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
    try:
        notification = channel.parse_notification(headers=headers, body=body)
    except NotificationRefused as refusal:
        _note(stored, _RESULTS.REFUSED, str(refusal))
        raise Unauthenticated from refusal
    attempt = ChannelAttempt.objects.filter(
        attempt_no=notification.request_no, channel_code=channel_code
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
    return channel.acknowledge()


def _note(stored: ChannelCallback, result: str, note: str, attempt_no: str | None = None) -> None:
    stored.result, stored.note, stored.attempt_no = result, note[:500], attempt_no
    stored.save(update_fields=["result", "note", "attempt_no"])
