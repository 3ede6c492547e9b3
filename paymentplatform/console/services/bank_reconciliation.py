"""The third circle: the bank's statement beside the ledger's bank account (A20). Looks, and books nothing.

A line and a journal are the same fact when the bank's reference is the journal's (of a settlement: the part after the
channel; of a payout: its number or what people have recorded; of its return: what they have recorded); the mirror of a
journal takes that one away. What is missing in the books is proposed like everything else: a settlement, a top-up, the
platform's own money, a payout's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

from django.db import connection

from engine import api as engine
from paymentplatform.kernel import transactions

BANK: Final = "bank"

_COMPARE: Final = """
WITH said AS (
    SELECT l.match_key AS reference, l.currency, array_agg(s.statement_date) AS days, bool_or(l.kind = 'DEBIT') AS took,
           sum(CASE l.kind WHEN 'CREDIT' THEN l.amount ELSE -l.amount END) AS amount
      FROM engine_statement AS s
      JOIN engine_statement_line AS l ON l.statement_no = s.statement_no
     WHERE s.channel_code = %(bank)s AND s.superseded_at IS NULL
     GROUP BY 1, 2
), journal AS (
    SELECT CASE f.event_type WHEN 'channel_settled' THEN substr(f.event_id, strpos(f.event_id, '/') + 1)
                             WHEN 'payout_returned' THEN r.bank_reference
                             WHEN 'payout_confirmed' THEN COALESCE(n.reference, b.reference, f.event_id)
                             ELSE f.event_id END AS reference,
           a.currency, j.journal_no, j.accounting_date,
           sum(CASE WHEN p.debit_account_id = a.id THEN p.amount ELSE -p.amount END) AS amount
      FROM ledger_account AS a
      JOIN ledger_posting AS p ON a.id IN (p.debit_account_id, p.credit_account_id)
      JOIN ledger_journal AS j ON j.journal_no = p.journal_no
      JOIN ledger_journal AS f ON f.journal_no = COALESCE(j.reverses, j.journal_no)
      LEFT JOIN acquiring_payout_return AS r ON f.event_type = 'payout_returned' AND r.payout_no = f.event_id
      LEFT JOIN acquiring_payout AS o ON f.event_type = 'payout_confirmed' AND o.payout_no = f.event_id
      LEFT JOIN said AS n ON n.reference = o.payout_no AND n.currency = a.currency AND n.took
      LEFT JOIN said AS b ON b.reference = o.bank_reference AND b.currency = a.currency AND b.took
     WHERE a.kind = 'A20'
     GROUP BY j.journal_no, f.journal_no, r.bank_reference, n.reference, b.reference, a.currency
), booked AS (
    SELECT reference, currency, sum(amount) AS amount, array_agg(accounting_date) AS days FROM journal GROUP BY 1, 2
)
SELECT CASE WHEN NULLIF(b.amount, 0) IS NULL THEN 'CHANNEL_ONLY' WHEN s.amount IS NULL THEN 'PLATFORM_ONLY'
            WHEN s.amount > b.amount THEN 'AMOUNT_OVER' ELSE 'AMOUNT_UNDER' END,
       reference, currency, COALESCE(s.amount, 0)::bigint, COALESCE(b.amount, 0)::bigint
  FROM booked AS b FULL JOIN said AS s USING (reference, currency)
 WHERE COALESCE(b.amount, 0) <> COALESCE(s.amount, 0)
   AND %(day)s = ANY (COALESCE(b.days, '{}') || COALESCE(s.days, '{}'))
 ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class BankDifference:
    """One reference on which bank and books disagree; money into the account is positive, in minor units.

    ``next_step`` is what a person can do about it.
    """

    kind: str
    reference: str
    currency: str
    bank_amount: int
    our_amount: int
    next_step: str = ""


def _advise(kind: str, bank_amount: int, our_amount: int) -> str:
    if kind == "CHANNEL_ONLY" and bank_amount > 0:
        return (
            "propose it under this reference: a channel's settlement on its page, a payer's top-up on his, or the"
            " platform's own money above the list of accounts; a payout that came back on its own page"
        )
    if kind == "CHANNEL_ONLY":
        return (
            "record what the bank said on the page of the payout; nothing else leaves this account"
        )
    if kind == "PLATFORM_ONLY" and our_amount > 0:
        return "wait for the bank's next file; then ask who should have paid"
    if kind == "PLATFORM_ONLY":
        return "wait for the bank's next file; then ask the bank about this payout"
    if bank_amount == 0 and our_amount < 0:
        return "the bank has given this payout back: propose its return on its page"
    return "ask for the advice of this payment; correct what was proposed under this reference"


@dataclass(frozen=True, slots=True)
class BankReconciliation:
    """What came of a day: the file that counts, and what differs."""

    statement_no: str | None
    line_count: int
    differences: tuple[BankDifference, ...]


@transactions.forbid
def reconcile_bank(
    *, statement_date: date, file: Path | None, dry_run: bool = False
) -> BankReconciliation:
    """Import the bank's file of a day, if one is given, and compare it with the ledger both ways (forbid).

    ``dry_run`` compares as if the file had been imported and keeps nothing of it. Raises StatementMissing when the day
    has no file, and what the import raises.
    """
    if file is None:
        return _compare_in_one_snapshot(statement_date)
    given = engine.StatementFile(BANK, statement_date, file)
    if dry_run:
        return engine.rehearse_import(given, look=lambda: _compare(statement_date))
    engine.import_statement(given)
    return _compare_in_one_snapshot(statement_date)


def _compare_in_one_snapshot(statement_date: date) -> BankReconciliation:
    with transactions.one_snapshot():
        return _compare(statement_date)


def _compare(statement_date: date) -> BankReconciliation:
    statement = engine.get_counting_statement(channel_code=BANK, statement_date=statement_date)
    given: dict[str, Any] = {"bank": BANK, "day": statement_date}
    with connection.cursor() as cursor:
        cursor.execute(_COMPARE, given)
        rows = cursor.fetchall()
    return BankReconciliation(
        statement_no=statement.statement_no,
        line_count=statement.line_count,
        differences=tuple(
            BankDifference(kind, reference, currency, theirs, ours, _advise(kind, theirs, ours))
            for kind, reference, currency, theirs, ours in rows
        ),
    )
