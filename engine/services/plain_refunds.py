"""Plain refunds 普通退款: accepted in one call of the database, and ended in one when their channel says they are done.

A refund is plain when its order was paid through one asset and nothing else has happened to that payment. Only the
database can tell, under the locks. Whatever is not plain it leaves untouched, and ``refunds.accept_refund`` and
``refund_outcomes.fold_refund_answer`` decide under the same locks: no rule stands here that does not stand there
(docs/decisions/0040).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import structlog
from django.conf import settings

from engine.channels.base import Capability, ChannelAnswer, Outcome
from engine.channels.registry import list_channels
from engine.contracts import Cause
from engine.ports import payment_owner
from engine.services.answers import keep_refund_answer, note_refund_commit
from engine.services.calls import KeptCall, MadeCall, describe_calls
from engine.services.plain_successes import RawCallback
from paymentplatform.kernel import context, metrics, numbers, transactions

_log = structlog.get_logger(__name__)
_encode: Final = msgspec.json.Encoder().encode


class PlainRefund(msgspec.Struct, frozen=True, kw_only=True):
    """What ``engine_accept_plain_refunds`` is told of one: the refund, and what its event rows say of it.

    ``amount`` is in minor units, ``channels`` are those that can refund, ``first_try_s`` is when a worker comes if
    whoever accepted it has died.
    """

    refund_no: str
    merchant_refund_no: str
    amount: int
    reason: str
    channels: list[str]
    first_try_s: int
    accepted_no: str
    done_no: str
    cause: str
    actor: str
    request_id: str


class PlainRefundSuccess(msgspec.Struct, frozen=True, kw_only=True):
    """What ``engine_take_refund_success`` is told.

    ``calls`` are kept when there are several; the last three are there when a callback told of it.
    """

    refund_no: str
    amount: int | None
    currency: str | None
    last_answer: str
    done_no: str
    cause: str
    actor: str
    request_id: str
    calls: list[KeptCall] | None = None
    channel_code: str | None = None
    headers: Mapping[str, str] | None = None
    body: bytes | None = None


def describe_refund_wish(
    *, refund_no: str, merchant_refund_no: str, amount: int, reason: str, cause: Cause
) -> bytes:
    """Write down a PlainRefund as JSON, under new journals' numbers and in the name of who acts now."""
    accepted_no, done_no = sorted(numbers.new_number(numbers.JOURNAL) for _ in range(2))
    return _encode(
        PlainRefund(
            refund_no=refund_no,
            merchant_refund_no=merchant_refund_no,
            amount=amount,
            reason=reason,
            channels=[channel.code for channel in list_channels(Capability.REFUND)],
            first_try_s=settings.INQUIRY_SCHEDULE_S[0],
            accepted_no=accepted_no,
            done_no=done_no,
            cause=cause,
            actor=context.actor.get(),
            request_id=context.request_id.get(),
        )
    )


def count_refund_ended() -> None:
    """Count a plain refund of an order that has just been done."""
    metrics.REFUND_OUTCOMES.labels("ORDER", "SUCCESS").inc()


@transactions.forbid
def take_refund_success(
    *,
    refund_no: str,
    answer: ChannelAnswer,
    cause: Cause,
    callback: RawCallback | None = None,
    calls: Sequence[MadeCall] = (),
) -> str | None:
    """End a refund if the answer is a plain success; returns the number of its order (forbid).

    In its own transaction. ``callback`` is kept with it as applied, and so are ``calls``. None when nothing was
    written; also when nobody knows whether anything was. Fold the answer then: nothing happens twice.
    """
    if answer.outcome != Outcome.SUCCEEDED:
        return None
    try:
        order_no = payment_owner().take_refund_success(
            refund_no=refund_no,
            words=describe_refund_success(
                refund_no=refund_no,
                answer=answer,
                cause=cause,
                callback=callback,
                calls=calls,
            ),
        )
    except Exception as error:  # noqa: BLE001 - what is wrong there too is raised there
        _log.warning("plain_refund_not_taken", refund_no=refund_no, error=type(error).__name__)
        return None
    if order_no is not None:
        note_refund_commit(order_no)
        count_refund_ended()
    return order_no


def describe_refund_success(
    *,
    refund_no: str,
    answer: ChannelAnswer,
    cause: Cause,
    callback: RawCallback | None,
    calls: Sequence[MadeCall] = (),
) -> bytes:
    """Write down a PlainRefundSuccess as JSON, under a new journal's number and in the name of who acts now."""
    return _encode(
        PlainRefundSuccess(
            refund_no=refund_no,
            amount=answer.amount,
            currency=answer.currency,
            last_answer=keep_refund_answer(answer),
            done_no=numbers.new_number(numbers.JOURNAL),
            cause=cause,
            actor=context.actor.get(),
            request_id=context.request_id.get(),
            calls=describe_calls(calls, cause=cause) or None,
            channel_code=callback.channel_code if callback else None,
            headers=callback.headers if callback else None,
            body=callback.body if callback else None,
        )
    )
