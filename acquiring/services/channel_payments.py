"""Channel payments 渠道支付: orders whose channels say at the same time that they were paid share one transaction.

As with payments from balances each is a payment for itself, and together they share statements and the flush to disk
(docs/decisions/0018, 0031). What a success says is the engine's business: it is handed down unread.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from acquiring.services.order_moves import DELIVERY_TASK
from paymentplatform.kernel import jobs, numbers, transactions
from paymentplatform.kernel.combining import Combiner
from paymentplatform.kernel.hotsql import HotStatement, encode_array
from paymentplatform.kernel.shared_connection import SharedConnection

MOST_TOGETHER: Final = 32
PATIENCE_MS: Final = 100
"""How long a group waits for a row that somebody holds. Then each is folded alone, in a thread of its own."""


@dataclass(frozen=True, slots=True)
class Success:
    """One success: the attempt, the channel's number of the charge, and the engine's words for it (JSON)."""

    attempt_no: str
    charge: str
    words: bytes


_TAKE: Final = HotStatement(
    name="take_successes",
    sql="""
    SELECT attempt_no, order_no FROM acquiring_take_successes(
        $1::jsonb, $2::text[], $3::text[], $4::text, $5::text, $6::integer)
    """,
)


@transactions.forbid
def take_success(*, attempt_no: str, charge: str, words: bytes) -> str | None:
    """Take a success if it is plain, with those that other threads bring now; returns the order's number (forbid).

    Its own transaction; the merchant is told of it. None: it is not plain, and nothing was written. Raises GroupFailed
    and what ``HotStatement.execute`` does: nothing was written, or nobody knows.
    """
    order_no = _successes.submit(Success(attempt_no, charge, words))
    if order_no is not None:
        jobs.ring_now(DELIVERY_TASK)
    return order_no


def _take_together(successes: Sequence[Success]) -> list[str | None]:
    """Take those that are plain in one statement."""
    made = [numbers.new_numbers(numbers.EVENT, numbers.DELIVERY) for _ in successes]
    is_group = len(successes) > 1
    rows = _TAKE.execute(
        [
            b"[%s]" % b",".join(success.words for success in successes),
            encode_array([event_id for event_id, _ in made]),
            encode_array([delivery_no for _, delivery_no in made]),
            settings.BASE_URL,
            settings.BUSINESS_TIME_ZONE,
            PATIENCE_MS if is_group else None,
        ],
        on=_connection.get() if is_group else None,  # groups come one after the other
    )
    taken = {
        (attempt_no or b"").decode(): (order_no or b"").decode() for attempt_no, order_no in rows
    }
    return [taken.get(success.attempt_no) for success in successes]


_connection: Final = SharedConnection()
"""For groups, whoever leads them: sixteen threads would make the same plans sixteen times."""


def _keys_of(success: Success) -> frozenset[Hashable]:
    """An attempt ends once, and of two that name the same charge the second must see what became of the first."""
    return frozenset((success.attempt_no, success.charge))


_successes: Final[Combiner[Success, str | None]] = Combiner(
    _take_together, keys=_keys_of, most=MOST_TOGETHER
)
