"""Which notifications a charge or a refund causes, written in the same turn of the book as it is itself."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.book import Row
from engine.channels.sandbox.institution.documents import (
    Document,
    notification_of,
    notification_of_refund,
    write_time,
)
from engine.channels.sandbox.institution.scenarios import Notify, Reply, Scenario

LATE_NOTIFICATION_S: Final = 20.0
CHARGE_AFTER_CLOSE_S: Final = 5.0


def announce_result(turn: sqlite3.Connection, charge: Row, plan: Notify) -> None:
    """Put the notifications of a finished charge into the outbox, true and false ones."""
    failed = {"status": "FAILED", "failure_code": "CARD_DECLINED"}
    _announce(
        turn, charge, notification_of(charge), plan, older_at=charge["created_at"], lie=failed
    )


def announce_refund(turn: sqlite3.Connection, refund: Row, charge: Row, scenario: Scenario) -> None:
    """Put the notifications of a refund into the outbox; what was not answered is told late."""
    plan = Notify.LATE if scenario.refund_reply is Reply.MISSING else scenario.notify
    lie = {"status": "FAILED", "failure_code": "REFUND_REFUSED"}
    news = notification_of_refund(refund)
    _announce(turn, charge, news, plan, older_at=refund["created_at"], lie=lie)


def _announce(
    turn: sqlite3.Connection,
    charge: Row,
    news: Document,
    plan: Notify,
    *,
    older_at: float,
    lie: Document,
) -> None:
    if plan is Notify.FIVE_TIMES:
        for number in range(5):
            _put(turn, "NOTIFY", charge, news, delay_s=0.1 * number)
    elif plan is Notify.OLDER_AFTER_NEWER:
        older = news | {"status": "PENDING", "occurred_at": write_time(older_at)}
        for document, delay_s in ((news, 0.0), (older, 0.3), (older, 0.6)):
            _put(turn, "NOTIFY", charge, document, delay_s=delay_s)
    elif plan is Notify.LATE:
        _put(turn, "NOTIFY", charge, news, delay_s=LATE_NOTIFICATION_S)
    elif plan is Notify.FORGED_FIRST:
        _put(turn, "FORGE", charge, news | lie)
        _put(turn, "NOTIFY", charge, news, delay_s=LATE_NOTIFICATION_S)
    else:
        _put(turn, "NOTIFY", charge, news)


def forge_success(turn: sqlite3.Connection, charge: Row) -> None:
    """Send news, with a signature that is not ours, of a charge that nobody has paid yet."""
    _put(turn, "FORGE", charge, notification_of(charge) | {"status": "SUCCEEDED"})


def schedule_late_charge(turn: sqlite3.Connection, charge: Row) -> None:
    """Plan the charge that comes although the close was accepted."""
    _put(turn, "CHARGE", charge, {}, delay_s=CHARGE_AFTER_CLOSE_S)


def _put(
    turn: sqlite3.Connection,
    kind: str,
    charge: Row,
    document: Document,
    *,
    delay_s: float = 0.0,
) -> None:
    if kind != "CHARGE" and not charge["notify_url"]:
        return
    due_at = time.time() + delay_s
    turn.execute(
        "INSERT INTO outbox (kind, channel, request_no, url, body, due_at, first_due_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            kind,
            charge["channel"],
            charge["request_no"],
            charge["notify_url"],
            codec.encode(document),
            due_at,
            due_at,
        ),
    )
