"""What consult answered, kept so that operators can say why a method was not offered; bounded on purpose.

Kept is each different answer of an order, the first at once, MOST_ANSWERS at most. A process that has lately kept an
answer does not ask the database again: a page that is loaded a hundred times costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from checkout.catalogue import Verdict
from paymentplatform.kernel import transactions
from paymentplatform.kernel.hotsql import HotStatement

MOST_ANSWERS: Final = 10
_REMEMBERED: Final = 20_000

_KEEP: Final = HotStatement(
    name="keep_consult",
    retry_safe=True,
    sql="""
    SELECT checkout_keep_consult(
        $1::text, $2::text, $3::text, $4::text, $5::text, $6::integer, $7::integer, $8::jsonb, $9::integer)
    """,
)
_lately_kept: set[tuple[str, str]] = set()


@transactions.forbid
def keep_consult(
    *,
    order_no: str,
    verdicts: Sequence[Verdict],
    asked_by: str,
    terminal: str,
    locale: str,
    catalogue_revision: int,
    book_version: int,
) -> None:
    """Keep an answer that differs from those kept before (forbid: its own transaction, which waits for no disk)."""
    digest = _digest(verdicts, terminal)
    if (order_no, digest) in _lately_kept:
        return
    _KEEP.execute(
        [
            order_no,
            digest,
            asked_by,
            terminal,
            locale[:35],
            catalogue_revision,
            book_version,
            msgspec.json.encode(verdicts),
            MOST_ANSWERS,
        ]
    )
    if len(_lately_kept) >= _REMEMBERED:
        _lately_kept.clear()
    _lately_kept.add((order_no, digest))


def _digest(verdicts: Sequence[Verdict], terminal: str) -> str:
    """Name what was offered in which order, and why not; the figures behind it may tremble."""
    said = [(row.method, row.reason_code, row.rank) for row in verdicts]
    return hashlib.sha256(msgspec.json.encode([terminal, said])).hexdigest()
