"""Plain refunds 普通退款, acquiring's floor: those that are asked for at the same time share one transaction.

As with payments from balances each is a refund for itself, and together they share statements and the flush to disk.
What is not plain is left untouched, for ``refunds.py`` and the refunds' funnel (docs/decisions/0040). What the engine
has to say about a refund is its own business: it is handed down unread.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from psycopg.errors import UniqueViolation

from acquiring.contracts import CreateRefund, MerchantIdentity
from acquiring.services.order_moves import DELIVERY_TASK
from engine import api as engine
from paymentplatform.kernel import jobs, numbers, transactions
from paymentplatform.kernel.combining import Combiner, GroupFailed
from paymentplatform.kernel.errors import Unavailable
from paymentplatform.kernel.hotsql import HotStatement, RolledBack, encode_array
from paymentplatform.kernel.shared_connection import SharedConnection

MOST_TOGETHER: Final = 32
PATIENCE_MS: Final = 100
"""How long a run waits for a row that somebody holds, also a run of one: all who come meanwhile wait for it. Then each
goes on alone, in a thread of its own."""

_ACCEPT: Final = HotStatement(
    name="accept_plain_refunds",
    retry_safe=True,  # a number is taken once: the second time its refund is not plain
    sql="""
    SELECT refund_no, order_no, status, refund FROM acquiring_accept_plain_refunds(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::jsonb, $7::text[], $8::text[], $9::text,
        $10::integer)
    """,
)
_TAKE: Final = HotStatement(
    name="take_refund_success",
    retry_safe=True,  # a refund ends once
    sql="SELECT acquiring_take_refund_success($1::text, $2::jsonb, $3::text, $4::text, $5::text)",
)


@dataclass(frozen=True, slots=True)
class AcceptedRefund:
    """A refund that was just accepted: how it stands, its order, and the Refund object as JSON."""

    refund_no: str
    order_no: str
    status: engine.RefundStatus
    rendered: bytes


@dataclass(frozen=True, slots=True)
class RefundWish:
    """What a merchant asks for, under the number that the refund will have, and the engine's words for it (JSON)."""

    refund_no: str
    merchant: MerchantIdentity
    body: CreateRefund
    words: bytes


@transactions.forbid
def accept_plain_refund(*, body: CreateRefund, merchant: MerchantIdentity) -> AcceptedRefund | None:
    """Accept a refund if it is plain, with those that other threads ask for now (forbid).

    ``body`` has been checked. Its own transaction; a refund to a balance is SUCCESS then. None: it is not plain, or the
    merchant's key has ended meanwhile, and nothing was written; or it was accepted, the connection broke, and its
    number is taken now. Raises InsufficientMerchantBalance, which has written nothing, and Unavailable when nobody
    knows.
    """
    wish = describe_wish(body=body, merchant=merchant)
    try:
        accepted = _refunds.submit(wish)
    except RolledBack:  # somebody holds a row of ours: we wait for it, and nobody for us
        accepted = accept_together([wish], patience_ms=None)[0]
    except GroupFailed as failed:
        if isinstance(failed.__cause__, Unavailable) and not isinstance(
            failed.__cause__, RolledBack
        ):
            raise Unavailable from failed.__cause__
        # One of us was refused, or the database gave up on all of us: nothing was written. Each for himself.
        accepted = accept_together([wish], patience_ms=None)[0]
    if accepted is not None and accepted.status == engine.RefundStatus.SUCCESS:
        engine.count_refund_ended()
        jobs.ring_now(DELIVERY_TASK)
    return accepted


def describe_wish(*, body: CreateRefund, merchant: MerchantIdentity) -> RefundWish:
    """Write down what a merchant asks for, in the name of who acts now."""
    refund_no = numbers.new_number(numbers.REFUND)
    words = engine.describe_refund_wish(
        refund_no=refund_no,
        merchant_refund_no=body.merchant_refund_no,
        amount=body.amount,
        reason=body.reason or "",
        cause=engine.Cause.API,
    )
    return RefundWish(refund_no, merchant, body, words)


def accept_together(
    wishes: Sequence[RefundWish], *, patience_ms: int | None = PATIENCE_MS
) -> list[AcceptedRefund | None]:
    """Accept those that are plain in one statement; one without enough money refuses all.

    Raises RolledBack when a row was held for longer than ``patience_ms``. Without it (one alone): not plain.
    """
    made = [numbers.new_numbers(numbers.EVENT, numbers.DELIVERY) for _ in wishes]
    is_group = len(wishes) > 1
    try:
        rows = _ACCEPT.execute(
            [
                encode_array([wish.merchant.key_id for wish in wishes]),
                encode_array([wish.merchant.merchant_no for wish in wishes]),
                encode_array([wish.body.order_no for wish in wishes]),
                encode_array([wish.body.merchant_order_no for wish in wishes]),
                encode_array([wish.body.amount for wish in wishes]),
                b"[%s]" % b",".join(wish.words for wish in wishes),
                encode_array([event_id for event_id, _ in made]),
                encode_array([delivery_no for _, delivery_no in made]),
                settings.BUSINESS_TIME_ZONE,
                patience_ms,
            ],
            on=_connection.get() if is_group else None,  # groups come one after the other
        )
    except RolledBack:
        if patience_ms is not None:
            raise
        return [None]
    except UniqueViolation:  # the number was used for another order just now
        if is_group:
            raise
        return [None]
    accepted = {row.refund_no: row for row in map(_read_accepted, rows)}
    return [accepted.get(wish.refund_no) for wish in wishes]


def _read_accepted(row: list[bytes | None]) -> AcceptedRefund:
    refund_no, order_no, status, rendered = (value or b"" for value in row)
    return AcceptedRefund(
        refund_no.decode(), order_no.decode(), engine.RefundStatus(status.decode()), rendered
    )


@transactions.forbid
def take_refund_success(*, refund_no: str, words: bytes) -> str | None:
    """End a refund of an order if its success is plain; returns the order's number (forbid).

    Its own transaction; the merchant is told of it. None: it is not plain, and nothing was written. Raises what
    ``HotStatement.execute`` does: nothing was written, or nobody knows.
    """
    made = numbers.new_numbers(numbers.EVENT, numbers.DELIVERY)
    ((order_no,),) = _TAKE.execute([refund_no, words, *made, settings.BUSINESS_TIME_ZONE])
    if order_no is None:
        return None
    jobs.ring_now(DELIVERY_TASK)
    return order_no.decode()


_connection: Final = SharedConnection()
"""For groups, whoever leads them: sixteen threads would make the same plans sixteen times."""


def _keys_of(wish: RefundWish) -> frozenset[Hashable]:
    """Of two refunds of one order, or under one number, the second must see what became of the first."""
    body = wish.body
    return frozenset(
        (wish.merchant.merchant_no, kind, name)
        for kind, name in (
            ("order", body.order_no),
            ("merchant's order", body.merchant_order_no),
            ("refund", body.merchant_refund_no),
        )
        if name is not None
    )


_refunds: Final[Combiner[RefundWish, AcceptedRefund | None]] = Combiner(
    accept_together, keys=_keys_of, most=MOST_TOGETHER
)
