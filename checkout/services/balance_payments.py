"""Paying from a balance 余额支付: payments that are asked for at the same time share one transaction.

Each is a payment for itself, with its own rows, its own end and its own refusal. Together they share the statements
and the flush to disk, which cost more than the rows do (docs/decisions/0018).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Final

from django.conf import settings

from checkout.services.risk import DecisionRow
from paymentplatform.kernel.combining import Combiner, GroupFailed
from paymentplatform.kernel.errors import Unavailable
from paymentplatform.kernel.hotsql import HotStatement, RolledBack, encode_array
from paymentplatform.kernel.shared_connection import SharedConnection

MOST_TOGETHER: Final = 32
"""A group is as large as the number of threads at most; more would only make the first wait for the last."""
PATIENCE_MS: Final = 100
"""How long a group waits for a row that somebody holds. Then each goes on alone, in a thread of his own."""


@dataclass(frozen=True, slots=True)
class BalancePayment:
    """What ``checkout_pay_from_balances`` is told of one payment, in its order. Amounts in minor units.

    ``decision`` is the risk decision that let it through, kept in the same statement, as is what ``payer_ref`` chose
    (None: the merchant has not named him).
    """

    order_no: str
    merchant_no: str
    payment_no: str
    detail_no: str
    journal_no: str
    event_id: str
    delivery_no: str
    payer_no: str
    agreement_no: str | None
    amount: int
    currency: str
    fee_amount: int
    options_digest: str
    cause: str
    actor: str
    request_id: str
    decision: DecisionRow
    payer_ref: str | None = None


_BESIDE: Final = frozenset({"decision", "payer_ref"})
_COLUMNS: Final = tuple(field.name for field in fields(BalancePayment) if field.name not in _BESIDE)
_NUMBERS: Final = frozenset({"amount", "fee_amount"})
_PAY: Final = HotStatement(
    name="pay_from_balances",
    sql="""
    WITH judged AS (
        INSERT INTO checkout_risk_decision (order_no, payment_no, outcome, reason, facts, fired, rules_version)
        SELECT i.order_no, i.payment_no, i.outcome, i.reason, i.facts::jsonb, i.fired::jsonb, i.rules_version
        FROM unnest($1::text[], $3::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::bigint[])
            AS i (order_no, payment_no, outcome, reason, facts, fired, rules_version)
    ), used AS (
        INSERT INTO checkout_balance_use (payment_no, merchant_no, payer_ref)
        SELECT i.payment_no, i.merchant_no, i.payer_ref
        FROM unnest($3::text[], $2::text[], $25::text[]) AS i (payment_no, merchant_no, payer_ref)
        WHERE i.payer_ref IS NOT NULL
    )
    SELECT unnest(checkout_pay_from_balances({}, $17::text, $18::text, $19::integer))
    """.format(  # noqa: S608 - places and our own types, no input
        ", ".join(
            f"${at}::{'bigint' if name in _NUMBERS else 'text'}[]"
            for at, name in enumerate(_COLUMNS, start=1)
        )
    ),
)


def pay_from_balance(payment: BalancePayment) -> str:
    """Carry out one payment, with those that other threads ask for now: PAID, or FAILED for lack of money.

    Its own transaction. Raises PayerTokenInvalid, OrderAlreadyPaid and its like, PaymentInProgress, NotFound for a
    payment that was refused and has written nothing; Unavailable when nobody knows.
    """
    try:
        return _payments.submit(payment)
    except RolledBack:
        pass  # somebody holds a row of ours: we wait for it, and nobody for us
    except GroupFailed as failed:
        cause = failed.__cause__
        if not isinstance(cause, Exception) or _may_have_happened(cause):
            raise Unavailable from cause
        # One of us was refused, or the database gave up on all of us: nothing was written. Each for himself.
    return _pay_together([payment], patience_ms=None)[0]


def _may_have_happened(error: Exception) -> bool:
    return isinstance(error, Unavailable) and not isinstance(error, RolledBack)


def _pay_together(
    payments: Sequence[BalancePayment], *, patience_ms: int | None = PATIENCE_MS
) -> list[str]:
    """Pay each of them in one statement; whoever is refused refuses all."""
    # By payer, so that two processes lock the same payers in the same order.
    order = sorted(range(len(payments)), key=lambda at: payments[at].payer_no)
    columns = (encode_array([getattr(payments[at], name) for at in order]) for name in _COLUMNS)
    decisions = zip(*(payments[at].decision for at in order), strict=True)
    rows = _PAY.execute(
        [
            *columns,
            settings.BUSINESS_TIME_ZONE,
            settings.BASE_URL,
            patience_ms,
            *(encode_array(column) for column in decisions),
            encode_array([payments[at].payer_ref for at in order]),
        ],
        on=_connection.get() if len(payments) > 1 else None,  # groups come one after the other
    )
    ends = [""] * len(payments)
    for at, (end,) in zip(order, rows, strict=True):
        ends[at] = (end or b"").decode()
    return ends


_connection: Final = SharedConnection()
"""For groups, whoever leads them: sixteen threads would make the same plans sixteen times."""


def _keys_of(payment: BalancePayment) -> frozenset[Hashable]:
    """An order is paid once, and of a payer's money each payment must see what the one before has left."""
    return frozenset((payment.order_no, payment.payer_no))


_payments: Final[Combiner[BalancePayment, str]] = Combiner(
    _pay_together, keys=_keys_of, most=MOST_TOGETHER
)
