"""Each promise is broken on purpose, and the query that guards it says so; otherwise it proves nothing."""

from __future__ import annotations

import pytest

from ledger import api
from ledger.chart import CHART
from ledger.invariants import INVARIANTS
from tests.ledger.books import Books

POSTING = "INSERT INTO ledger_posting (journal_no, line_no, debit_account_id, credit_account_id, amount, currency) "
PAYER = "(SELECT id FROM ledger_account WHERE code = '{books.payer}')"
PENDING = "(SELECT id FROM ledger_account WHERE code = '{books.pending}')"
FEES = "(SELECT id FROM ledger_account WHERE code = '{books.fees}')"
JOURNAL = "INSERT INTO ledger_journal (journal_no, event_type, event_id, accounting_date, currency, digest, reverses) "
NO_DIGEST = "'00000000-0000-0000-0000-000000000000'"

PLANTED = [
    (
        1,
        "has no posting",
        [
            JOURNAL
            + f"VALUES ('{{journal}}x', 'x', '{{journal}}', '2026-01-01', 'CNY', {NO_DIGEST}, NULL)"
        ],
    ),
    (
        1,
        "belongs to no journal",
        [POSTING + f"VALUES ('{{journal}}x', 1, {PAYER}, {PENDING}, 1, 'CNY')"],
    ),
    (1, "names no account", [POSTING + f"VALUES ('{{journal}}', 9, 0, {PENDING}, 1, 'CNY')"]),
    (
        1,
        "moves -1",
        [
            "ALTER TABLE ledger_posting DROP CONSTRAINT ledger_posting_amount_range",
            POSTING + f"VALUES ('{{journal}}', 9, {PAYER}, {PENDING}, -1, 'CNY')",
        ],
    ),
    (
        1,
        "currencies disagree",
        [POSTING + f"VALUES ('{{journal}}', 9, {PAYER}, {PENDING}, 1, 'USD')"],
    ),
    (
        1,
        "not those it was posted with",
        [POSTING + f"VALUES ('{{journal}}', 9, {PAYER}, {PENDING}, 1, 'CNY')"],
    ),
    (
        1,
        "not those it was posted with",
        ["UPDATE ledger_posting SET amount = amount + 1 WHERE journal_no = '{journal}'"],
    ),
    (
        2,
        "add up to 5",
        [f"UPDATE ledger_payer_balance SET balance = balance + 5 WHERE account_id = {PAYER}"],
    ),
    (
        2,
        "add up to",
        [f"UPDATE ledger_roll_up SET balance = balance + 5 WHERE account_id = {PENDING}"],
    ),
    (2, "add up to", [POSTING + f"VALUES ('{{journal}}', 9, {PAYER}, {PENDING}, 1, 'CNY')"]),
    (
        3,
        "balance 995, postings 990",
        [f"UPDATE ledger_payer_balance SET balance = balance + 5 WHERE account_id = {PAYER}"],
    ),
    (
        3,
        "roll-up 5, postings 0",
        [f"UPDATE ledger_roll_up SET balance = balance + 5 WHERE account_id = {PENDING}"],
    ),
    (
        3,
        "roll-up of another cluster",
        [
            f"UPDATE ledger_roll_up SET balance = 9, horizon = '9999999999999' WHERE account_id = {PENDING}"
        ],
    ),
    (3, "has no balance row", [f"DELETE FROM ledger_payer_balance WHERE account_id = {PAYER}"]),
    (3, "has no roll-up", [f"DELETE FROM ledger_roll_up WHERE account_id = {PENDING}"]),
    (
        4,
        "balance 990, held 991",
        [
            "ALTER TABLE ledger_payer_balance DROP CONSTRAINT ledger_payer_balance_covers_held",
            f"UPDATE ledger_payer_balance SET held = 991 WHERE account_id = {PAYER}",
        ],
    ),
    (
        4,
        "held 6, open holds 5",
        [f"UPDATE ledger_payer_balance SET held = 6 WHERE account_id = {PAYER}"],
    ),
    (4, "spent down to -1", [POSTING + f"VALUES ('{{journal}}', 9, {PENDING}, {FEES}, 10, 'CNY')"]),
    (
        4,
        "which does not exist",
        [
            (
                "UPDATE ledger_hold SET status = 'CAPTURED', journal_no = 'jnl_0', resolved_at = now()"
                " WHERE hold_no = '{hold}'"
            )
        ],
    ),
    (
        10,
        "left RELEASED for OPEN",
        [
            (
                "INSERT INTO ledger_transition (machine, object_no, from_status, to_status, cause, actor, request_id)"
                " VALUES ('hold', '{hold}', 'RELEASED', 'OPEN', '', '', '')"
            )
        ],
    ),
    (
        10,
        "is RELEASED, its last event says OPEN",
        [
            "UPDATE ledger_hold SET status = 'RELEASED', resolved_at = now() WHERE hold_no = '{hold}'"
        ],
    ),
    (
        10,
        "its last event says nothing",
        ["DELETE FROM ledger_transition WHERE object_no = '{hold}'"],
    ),
    (
        14,
        "posted 2 times",
        [
            "ALTER TABLE ledger_journal DROP CONSTRAINT ledger_journal_event",
            JOURNAL
            + "SELECT journal_no || 'x', event_type, event_id, accounting_date, currency, digest, NULL"
            " FROM ledger_journal WHERE journal_no = '{journal}'",
        ],
    ),
    (
        14,
        "reversed 2 times",
        [
            "DROP INDEX ledger_journal_reversed_once",
            JOURNAL
            + "SELECT journal_no || n, 'reversal', journal_no || n, accounting_date, currency, digest, journal_no"
            " FROM ledger_journal, generate_series(1, 2) AS n WHERE journal_no = '{journal}'",
        ],
    ),
    (
        14,
        "which does not exist",
        [
            JOURNAL
            + f"VALUES ('{{journal}}x', 'x', '{{journal}}', '2026-01-01', 'CNY', {NO_DIGEST}, 'jnl_0')"
        ],
    ),
    (
        14,
        "opened 2 times",
        [
            "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_code_key",
            (
                "INSERT INTO ledger_account (code, kind, owner, currency, credit_sign)"
                " SELECT code, kind, owner, currency, credit_sign FROM ledger_account WHERE code = '{books.payer}'"
            ),
        ],
    ),
    (
        14,
        "held 2 times",
        [
            "ALTER TABLE ledger_hold DROP CONSTRAINT ledger_hold_pkey",
            (
                "INSERT INTO ledger_hold (hold_no, account_id, amount, reference, status)"
                " SELECT hold_no, account_id, amount, reference, 'OPEN' FROM ledger_hold WHERE hold_no = '{hold}'"
            ),
        ],
    ),
]


@pytest.fixture
def books() -> Books:
    return Books().funded(1_000)


def test_the_books_of_all_tests_are_in_order():
    assert api.find_differences() == []


@pytest.mark.parametrize(
    ("number", "problem", "statements"),
    PLANTED,
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_violation_is_found(planted, books, number, problem, statements):
    names = {"books": books, "journal": books.pay(10, fee=1), "hold": books.hold(5)}
    found = []
    with planted(*(statement.format(**names) for statement in statements)) as connection:
        for invariant in INVARIANTS:
            if invariant.number == number:
                found += connection.execute(invariant.sql).fetchall()
    assert any(problem in text for _, text in found), found


def test_every_invariant_has_a_planted_violation():
    assert {number for number, _, _ in PLANTED} == {invariant.number for invariant in INVARIANTS}
    assert all(invariant.always for invariant in INVARIANTS)


def test_every_floored_kind_is_watched():
    watched = next(invariant.sql for invariant in INVARIANTS if invariant.number == 4)
    hot = [kind for kind, rule in CHART.items() if rule.floored and not rule.balance_row]
    assert all(f"'{kind}'" in watched for kind in hot)


def test_a_chargeback_below_zero_is_no_overdraft(books):
    books.post((books.available, books.receivable, 70))
    assert api.find_differences() == []
