"""Two books, one truth: the institution's own against ours, charge by charge and refund by refund."""

from __future__ import annotations

from collections.abc import Iterable

from tests.live import LivePlatform

_RECEIVED = """
    WITH booked AS (
        SELECT j.event_type, j.event_id, split_part(d.code, ':', 2) AS channel, p.amount, p.currency
        FROM ledger_posting p
        JOIN ledger_journal j ON j.journal_no = p.journal_no
        JOIN ledger_account d ON d.id = p.debit_account_id
        WHERE d.code LIKE 'A10:%%')
    SELECT b.channel, a.channel_trade_no AS number, b.amount, b.currency
    FROM booked b JOIN engine_channel_attempt a
      ON b.event_type = 'payment_paid' AND a.payment_no = b.event_id AND a.status = 'SUCCEEDED'
    WHERE a.order_no = ANY(%s)
    UNION ALL
    SELECT b.channel, l.channel_trade_no, b.amount, b.currency
    FROM booked b JOIN engine_late_money l ON b.event_type = 'late_money' AND l.late_money_no = b.event_id
    WHERE l.order_no = ANY(%s)
"""
"""What our ledger says that channels have taken for these orders: each charge by its trade number."""

_RETURNED = """
    SELECT split_part(c.code, ':', 2) AS channel, r.refund_no AS number, p.amount, p.currency
    FROM ledger_posting p
    JOIN ledger_journal j ON j.journal_no = p.journal_no
    JOIN ledger_account c ON c.id = p.credit_account_id
    JOIN engine_refund r ON r.refund_no = j.event_id
    WHERE c.code LIKE 'A10:%%' AND r.order_no = ANY(%s)
"""
"""What our ledger says that channels have given back for these orders."""

Entry = tuple[str, str, int, str]


def find_book_differences(platform: LivePlatform, order_nos: Iterable[str]) -> list[str]:
    """Compare both books about these orders; each line is one difference."""
    wanted = list(order_nos)
    theirs = platform.whole_book()
    charges = [
        (row["channel"], row["channel_trade_no"], row["charged_amount"], row["currency"])
        for row in theirs["charges"]
        if row["order_no"] in wanted and row["status"] == "SUCCEEDED"
    ]
    refunds = [
        (row["channel"], row["refund_no"], row["amount"], row["currency"])
        for row in theirs["refunds"]
        if row["order_no"] in wanted and row["status"] == "SUCCEEDED"
    ]
    return [
        *_compare("charge", _ours(platform, _RECEIVED, wanted, wanted), charges),
        *_compare("refund", _ours(platform, _RETURNED, wanted), refunds),
    ]


def _ours(platform: LivePlatform, query: str, *orders: list[str]) -> list[Entry]:
    return [
        (row["channel"], row["number"], row["amount"], row["currency"])
        for row in platform.sql(query, *orders)
    ]


def _compare(kind: str, ours: list[Entry], theirs: list[Entry]) -> list[str]:
    return [
        *(f"{kind} only in our book: {entry}" for entry in ours if entry not in theirs),
        *(
            f"{kind} only in the institution's book: {entry}"
            for entry in theirs
            if entry not in ours
        ),
        *(f"{kind} twice in our book: {entry}" for entry in set(ours) if ours.count(entry) > 1),
    ]
