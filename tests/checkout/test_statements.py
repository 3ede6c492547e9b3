"""The payer's statement adds up, whatever days are asked for."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from checkout.management.commands.payer_statement import CSV_COLUMNS
from checkout.statements import get_payer_statement
from ledger import api as ledger
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import InvalidRequest, NotFound
from tests.console import trades
from tests.makers import make_payer

FIRST = date(2026, 1, 30)


def book(payer: str, day: date, amount: int, currency: str = "CNY") -> str:
    """Bring money in on a business day; returns the reference."""
    reference = numbers.new_number("ref")
    draft = ledger.build_top_up(
        reference=reference,
        payer_no=payer,
        currency=currency,
        amount=amount,
        accounting_date=day,
    )
    with transaction.atomic():
        ledger.post_journal(draft=draft)
    return reference


@pytest.fixture
def payer() -> str:
    """100 on each of four days from FIRST on."""
    made = make_payer(balance=0)
    for n in range(4):
        book(made, FIRST + timedelta(days=n), 100)
    return made


@pytest.mark.parametrize(
    ("first", "last", "opening", "movements"),
    [(0, 3, 0, 4), (1, 2, 100, 2), (2, 2, 200, 1), (4, 9, 400, 0), (-5, -1, 0, 0)],
)
def test_opening_movements_and_closing_add_up(payer, first, last, opening, movements):
    statement = get_payer_statement(
        payer_no=payer,
        from_date=FIRST + timedelta(days=first),
        to_date=FIRST + timedelta(days=last),
    )
    (account,) = statement.accounts
    assert (account.currency, account.opening_balance) == ("CNY", opening)
    assert [move.amount for move in account.movements] == [100] * movements
    assert [move.balance for move in account.movements] == [
        opening + 100 * (n + 1) for n in range(movements)
    ]
    assert account.closing_balance == opening + 100 * movements


def test_payments_are_taken_off_and_named():
    trade = trades.paid_by_balance()
    (account,) = get_payer_statement(payer_no=trade.payer).accounts
    move = account.movements[-1]
    assert (move.event_type, move.reference, move.amount) == (
        "payment_paid",
        trade.payment,
        -trades.AMOUNT,
    )
    code = ledger.payer_balance(payer_no=trade.payer, currency="CNY")
    assert account.closing_balance == ledger.get_balance(account_code=code).balance


def test_each_currency_is_an_account_of_its_own(payer):
    book(payer, FIRST, 7, "JPY")
    found = get_payer_statement(payer_no=payer, from_date=FIRST, to_date=FIRST)
    assert {account.currency: account.closing_balance for account in found.accounts} == {
        "CNY": 100,
        "JPY": 7,
    }


def test_unknown_payers_and_wrong_days_are_refused(payer):
    with pytest.raises(NotFound):
        get_payer_statement(payer_no="pyr_x")
    with pytest.raises(InvalidRequest):
        get_payer_statement(payer_no=payer, from_date=FIRST, to_date=FIRST - timedelta(days=1))


class TestCommand:
    def run(self, *arguments: object) -> tuple[int, str]:
        out = io.StringIO()
        try:
            call_command("payer_statement", *map(str, arguments), stdout=out)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
        return 0, out.getvalue()

    def days(self, payer: str) -> list[Any]:
        return ["--payer", payer, "--from", FIRST, "--to", FIRST + timedelta(days=1)]

    def test_one_json_document(self, payer):
        code, text = self.run(*self.days(payer), "--json")
        document = json.loads(text)
        (account,) = document["accounts"]
        assert (code, document["payer_no"], document["from"]) == (0, payer, FIRST.isoformat())
        assert (account["opening_balance"], account["closing_balance"]) == (0, 200)
        assert [move["balance"] for move in account["movements"]] == [100, 200]

    def test_csv_with_opening_and_closing_rows(self, payer):
        with transaction.atomic():
            ledger.post_journal(
                draft=ledger.build_top_up(
                    reference=f"=1+{payer}",
                    payer_no=payer,
                    currency="CNY",
                    amount=5,
                    accounting_date=FIRST,
                )
            )
        code, text = self.run(*self.days(payer), "--csv")
        rows = list(csv.DictReader(io.StringIO(text)))
        assert (code, tuple(rows[0])) == (0, CSV_COLUMNS)
        assert [row["event_type"] for row in rows] == [
            "opening_balance",
            *["top_up"] * 3,
            "closing_balance",
        ]
        assert [row["balance"] for row in rows] == ["0", "100", "200", "205", "205"]
        assert rows[3]["reference"] == f"'=1+{payer}"

    def test_people_read_major_units(self, payer):
        code, text = self.run(*self.days(payer))
        assert code == 0
        assert "2.00" in text

    def test_refusals(self, payer):
        assert self.run("--payer", "pyr_x")[0] == 1
        assert self.run("--payer", payer, "--json", "--csv")[0] == 2
        assert (
            self.run("--payer", payer, "--from", FIRST, "--to", FIRST - timedelta(days=1))[0] == 2
        )
