"""Failpoints 故障点: named places where a process may die at the worst moment, used by tests to kill it right there.

``failpoint("name")`` does nothing unless PLATFORM_FAILPOINT_DIR is set (production refuses it). When that folder
holds a file of the name, the process takes the file away and kills itself with SIGKILL: no clean-up, no rollback by
us, no last word. ``failpoint("name", order_no)`` also dies for a file ``name.<order_no>``, so that a test can kill
whoever is at work on one order. Every name is declared here, stands at exactly one place in the code, and is hit by
some flow of tests/proofs/test_dying.py; otherwise the build fails.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

from django.conf import settings

FAILPOINTS: Final[dict[str, str]] = {
    # A payment through a channel.
    "payment_accepted": "payment, detail and attempt are committed; nobody has claimed the attempt",
    "attempt_claimed": "the claim is committed; not a byte has left",
    "payment_answered": "the channel has answered pay; nothing of it is written",
    "outcome_before_commit": "the funnel has folded everything; nothing is committed",
    "outcome_committed": "the funnel has committed; whoever brought the answer has not heard of it",
    "failover_committed": "the attempt at the next channel is committed; nobody has claimed it",
    "balance_payment_committed": "a payment from the balance is committed; nobody was told",
    # Asking and closing.
    "inquiries_claimed": "the janitor has leased due attempts; nothing is asked",
    "inquiry_answered": "the channel has answered an inquiry; nothing of it is written",
    "close_answered": "the channel has answered a close; nothing of it is written",
    "payment_marked_closing": "no new attempt may start; the channel is not asked yet",
    "order_marked_closing": "the order is closing; its payment does not know yet",
    "expiry_claimed": "orders past their time are marked closing; no channel is asked yet",
    # Giving money back.
    "refund_accepted": "the refund is committed and its money reserved; nobody has sent it",
    "refund_claimed": "the refund is leased; not a byte has left",
    "refund_answered": "the channel has answered about a refund; nothing of it is written",
    "refund_outcome_before_commit": "the refunds' funnel has written everything; nothing is committed",
    "refund_outcome_committed": "the refunds' funnel has committed; no doorbell has rung",
    "refunds_claimed": "the janitor has leased due refunds; nothing is asked",
    "late_money_claimed": "due late money is taken up; no refund is written",
    "late_money_settled": "the refund of late money is committed; nobody has sent it",
    # Settlement.
    "settlement_collected": "what the ledger made pending is written down; nothing is released",
    "release_before_commit": "a part of a batch is written, its journal posted; nothing is committed",
    "release_committed": "a part of a batch is released; the batch is open",
    # Statements and reconciliation.
    "statement_before_commit": "a file's lines and its statement are written; nothing is committed",
    "statement_kept": "a file is imported; nobody has compared it",
    "reconciliation_read": "a day is compared in temporary tables; nothing of it is written",
    "reconciliation_before_commit": "differences are written and booked; nothing is committed",
    "reconciliation_committed": "differences are committed; no line has spoken",
    "statement_line_spoken": "one line of a statement has spoken; the others have not",
    # The end of a day.
    "day_step_before_commit": "a step of closing an accounting day is written; nothing is committed",
    # Callbacks and merchants' notifications.
    "callback_stored": "the raw callback is stored; the funnel has not seen it",
    "callback_applied": "the callback had its effect; it is not acknowledged, nor noted if it was folded",
    "deliveries_claimed": "due deliveries are leased; nothing is sent",
    "delivery_sent": "a merchant has answered a delivery; that is not written",
    # Requests with an Idempotency-Key.
    "key_claimed": "the key is claimed; the request has not run",
    "key_unanswered": "the request has had its effect; its answer is not kept",
    "key_answered": "the answer is kept; not a byte of it is sent",
}
"""Every failpoint, with what is true at the moment in which the process dies there."""


def failpoint(name: str, order_no: str = "") -> None:
    """Die here when a test has armed this point, for this order or for any; else do nothing."""
    folder = settings.PLATFORM_FAILPOINT_DIR
    if folder:
        _die_if_armed(Path(folder), name, order_no)


def _die_if_armed(folder: Path, name: str, order_no: str) -> None:
    if name not in FAILPOINTS:
        message = f"the failpoint {name!r} is not declared"
        raise LookupError(message)
    for armed in (folder / f"{name}.{order_no}", folder / name):
        try:
            armed.unlink()
        except FileNotFoundError:
            continue
        os.kill(os.getpid(), signal.SIGKILL)
