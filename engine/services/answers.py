"""What may be believed and kept of a channel's answer, and how the funnel tells what it made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from engine.channels.base import ChannelAnswer
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency
from paymentplatform.kernel.redaction import redact_text

MAX_TRADE_NO: Final = 64
KEPT_OF_ANSWER: Final = 4_096
KEPT_OF_REFUND_ANSWER: Final = 500


@dataclass(frozen=True, slots=True)
class Applied:
    """What the funnel did. ``failover_attempt_no`` is a new attempt that nobody has submitted yet."""

    effect: str
    failover_attempt_no: str | None = None


def is_readable(answer: ChannelAnswer) -> bool:
    """Tell whether a success says in possible figures what was charged; nothing is ever booked on less."""
    return (
        answer.amount is not None
        and 1 <= answer.amount <= MAX_AMOUNT
        and answer.currency is not None
        and is_currency(answer.currency)
        and bool(answer.channel_trade_no)
        and len(answer.channel_trade_no or "") <= MAX_TRADE_NO
        and (answer.channel_trade_no or "").isprintable()
    )


def keep_answer(answer: ChannelAnswer) -> str:
    """Return what is kept of an answer's own words, for people: no secret, nothing that cannot be stored."""
    return redact_text(answer.raw)[:KEPT_OF_ANSWER]


def keep_refund_answer(answer: ChannelAnswer) -> str:
    """Return what is kept of an answer about a refund, likewise."""
    return redact_text(answer.raw)[:KEPT_OF_REFUND_ANSWER]


def note_commit(order_no: str) -> None:
    """Mark the moment at which an answer's effect has just been committed."""
    failpoint("outcome_committed", order_no)


def note_refund_commit(order_no: str) -> None:
    """Mark the moment at which an answer's effect on a refund has just been committed."""
    failpoint("refund_outcome_committed", order_no)
