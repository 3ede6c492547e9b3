"""Plain successes 普通成功: what the funnel is told most often, taken in one call of the database.

A success is plain when its channel has exactly what it was asked for, for a payment that waits for nothing else. Only
the database can tell, under the locks. Whatever is not plain it leaves untouched, and ``outcomes.fold_answer`` decides
under the same locks: no rule stands here that does not stand there (docs/decisions/0031).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.ports import payment_owner
from engine.services.answers import is_readable, keep_answer, note_commit
from paymentplatform.kernel import context, metrics, numbers, transactions

_log = structlog.get_logger(__name__)
_encode: Final = msgspec.json.Encoder().encode


class RawCallback(msgspec.Struct, frozen=True):
    """A verified callback as it came, to be kept with its effect."""

    channel_code: str
    headers: Mapping[str, str]
    body: bytes


class PlainSuccess(msgspec.Struct, frozen=True, kw_only=True):
    """What ``engine_take_successes`` is told of one: what the channel says, and what its event rows say of it.

    ``amount`` is in minor units. The last three are there when a callback told of it.
    """

    attempt_no: str
    channel_trade_no: str | None
    amount: int | None
    currency: str | None
    last_answer: str
    journal_no: str
    cause: str
    actor: str
    request_id: str
    channel_code: str | None = None
    headers: Mapping[str, str] | None = None
    body: bytes | None = None


@transactions.forbid
def take_plain_success(
    *, attempt_no: str, answer: ChannelAnswer, cause: Cause, callback: RawCallback | None = None
) -> str | None:
    """End the attempt's payment if the answer is a plain success; returns the number of the order paid (forbid).

    In its own transaction, which other threads' successes may share. ``callback`` is kept with it as applied. None when
    nothing was written; also when nobody knows whether anything was. Fold the answer then: nothing happens twice.
    """
    if not may_be_plain(answer):
        return None
    try:
        order_no = payment_owner().take_success(
            attempt_no=attempt_no,
            charge=str(answer.channel_trade_no),
            words=describe_success(
                attempt_no=attempt_no, answer=answer, cause=cause, callback=callback
            ),
        )
    except Exception as error:  # noqa: BLE001 - what is wrong there too is raised there
        _log.warning("plain_success_not_taken", attempt_no=attempt_no, error=type(error).__name__)
        return None
    if order_no is None:
        return None
    note_commit(order_no)
    metrics.PAYMENT_OUTCOMES.labels("PAID", "").inc()
    return order_no


def may_be_plain(answer: ChannelAnswer) -> bool:
    """Tell whether the answer by itself is worth asking the database about."""
    return answer.outcome == Outcome.SUCCEEDED and is_readable(answer) and answer.saved_card is None


def describe_success(
    *, attempt_no: str, answer: ChannelAnswer, cause: Cause, callback: RawCallback | None
) -> bytes:
    """Write down a PlainSuccess as JSON, under a new journal's number and in the name of who acts now."""
    return _encode(
        PlainSuccess(
            attempt_no=attempt_no,
            channel_trade_no=answer.channel_trade_no,
            amount=answer.amount,
            currency=answer.currency,
            last_answer=keep_answer(answer),
            journal_no=numbers.new_number(numbers.JOURNAL),
            cause=cause,
            actor=context.actor.get(),
            request_id=context.request_id.get(),
            channel_code=callback.channel_code if callback else None,
            headers=callback.headers if callback else None,
            body=callback.body if callback else None,
        )
    )
