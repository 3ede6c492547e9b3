"""The two commands: documents on stdout, exit codes, tables for people."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import date, timedelta

import pytest
from django.core.management import call_command

from ledger import api
from ledger.contracts import AccountKind, TrialBalance, TrialBalanceRow
from ledger.management.commands import trial_balance, verify_ledger
from paymentplatform.kernel.invariants import Difference
from tests.environment import ROOT
from tests.ledger.books import DAY, Books


def run(name: str, *arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command(name, *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


class TestVerifyLedger:
    def test_all_is_well(self):
        code, text = run("verify_ledger", "--json")
        document = json.loads(text)
        assert (code, document["ok"], document["differences"]) == (0, True, [])
        assert [row["number"] for row in document["invariants"]] == [1, 2, 3, 4, 10, 14, 1, 3]

    def test_differences_end_with_1(self, monkeypatch):
        found = Difference(3, "Stored", "L10:x:CNY", "balance 2, postings 1")
        monkeypatch.setattr(verify_ledger, "find_differences", lambda: [found])
        code, text = run("verify_ledger", "--json")
        assert code == 1
        assert json.loads(text)["differences"][0]["subject"] == "L10:x:CNY"
        code, text = run("verify_ledger")
        assert code == 1
        assert "L10:x:CNY: balance 2, postings 1" in text

    def test_people_get_a_table(self):
        code, text = run("verify_ledger")
        assert code == 0
        assert "holds" in text

    def test_wrong_use_ends_with_2(self):
        done = subprocess.run(
            [sys.executable, "manage.py", "trial_balance", "--date", "yesterday", "--json"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "not a date" in json.loads(done.stdout)["error"]["detail"]


class TestTrialBalance:
    def test_debits_equal_credits(self):
        Books(currency="JPY").funded(1_000).pay(300, fee=5)
        code, text = run("trial_balance", "--json")
        document = json.loads(text)
        assert (code, document["date"], document["balanced"]) == (0, None, True)
        yen = [row for row in document["rows"] if row["currency"] == "JPY"]
        assert sum(row["debits"] for row in yen) == sum(row["credits"] for row in yen)
        assert {row["kind"] for row in yen} >= {"A20", "L10", "L20", "I10"}

    def test_a_day_includes_itself_and_nothing_later(self):
        """The same day gives the same figures however much is posted later."""
        books = Books(currency="KRW").funded(1_000)
        books.pay(300)
        before, after = DAY - timedelta(days=1), DAY

        def won(day: date) -> list[TrialBalanceRow]:
            return [
                row
                for row in api.get_trial_balance(accounting_date=day).rows
                if row.currency == "KRW"
            ]

        assert won(before) == []
        (payers,) = [row for row in won(after) if row.kind is AccountKind.PAYER_BALANCE]
        assert (payers.accounts, payers.debits, payers.credits, payers.balance) == (
            1,
            300,
            1_000,
            700,
        )
        code, text = run("trial_balance", "--date", DAY.isoformat(), "--json")
        assert code == 0
        assert json.loads(text)["date"] == DAY.isoformat()

    def test_people_get_a_table(self):
        Books().funded(1_234_56)
        code, text = run("trial_balance")
        assert code == 0
        assert "balanced" in text

    @pytest.mark.parametrize("arguments", [(), ("--json",)])
    def test_a_difference_ends_with_1(self, monkeypatch, arguments):
        row = TrialBalanceRow("CNY", AccountKind.BANK, 1, 2, 1, 1)
        monkeypatch.setattr(
            trial_balance, "get_trial_balance", lambda **_: TrialBalance(None, (row,))
        )
        assert run("trial_balance", *arguments)[0] == 1
