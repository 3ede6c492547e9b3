"""The bank's statement beside the ledger's bank account: settlements, payouts and top-ups, both ways."""

from __future__ import annotations

import io
import itertools
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import transaction

from acquiring import api as acquiring
from engine import api as engine
from ledger import api as ledger
from paymentplatform.kernel import numbers
from tests.acquiring.settling import LONG, make_seller
from tests.clock import VirtualClock
from tests.trading import balance_of
from tests.waiting import wait_until

_days = itertools.count(4_000, 20)


def camt(day: date, *entries: tuple[str, int], account: str = "BANK-1") -> str:
    """A statement: (reference, signed minor units) of each booked entry."""

    def money(amount: int) -> str:
        sign = "CRDT" if amount >= 0 else "DBIT"
        return f'<Amt Ccy="CNY">{abs(amount) // 100}.{abs(amount) % 100:02d}</Amt><CdtDbtInd>{sign}</CdtDbtInd>'

    booked = "".join(
        f"<Ntry>{money(amount)}<Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{day}</Dt></BookgDt><NtryDtls><TxDtls><Refs>"
        f"<EndToEndId>{reference}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
        for reference, amount in entries
    )
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>{money(amount)}</Bal>"
        for code, amount in (("OPBD", 0), ("CLBD", sum(amount for _, amount in entries)))
    )
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>'
        f"<FrToDt><FrDtTm>{day}T00:00:00</FrDtTm></FrToDt><Acct><Id><Othr><Id>{account}</Id></Othr></Id></Acct>"
        f"{balances}{booked}</Stmt></BkToCstmrStmt></Document>"
    )


def run(folder: Path, day: date, text: str | None) -> tuple[int, dict[str, Any]]:
    """Run the command; returns its exit code and its document."""
    arguments = ["--date", str(day), "--json"]
    if text is not None:
        path = folder / "bank.xml"
        path.write_text(text, encoding="utf-8")
        arguments += ["--file", str(path)]
    out = io.StringIO()
    try:
        call_command("reconcile_bank", *arguments, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def booked() -> tuple[str, str]:
    """A settlement of 9.94 and a funding of 5.00, booked today; returns their references."""
    settled, funded = numbers.new_number("ref"), numbers.new_number("ref")
    with transaction.atomic():
        engine.record_channel_settlement(
            channel_code="sandbox2",
            currency="CNY",
            gross=10_00,
            cost=6,
            reference=settled,
            decided_by="test",
        )
        ledger.post_journal(
            draft=ledger.build_platform_funding(reference=funded, currency="CNY", amount=5_00)
        )
    return settled, funded


@pytest.fixture
def day(clock: VirtualClock) -> date:
    """A business day on which nobody else books anything."""
    now = clock.advance(86_400 * next(_days))
    return now.astimezone(ZoneInfo("Asia/Shanghai")).date()


def differences(document: dict[str, Any]) -> set[tuple[str, str, int, int]]:
    return {
        (row["kind"], row["reference"], row["bank_amount"], row["our_amount"])
        for row in document["differences"]
    }


def test_what_agrees_ends_with_0(day: date, tmp_path: Path):
    settled, funded = booked()
    code, document = run(tmp_path, day, camt(day, (settled, 9_94), (funded, 5_00)))
    assert (code, document["ok"], document["line_count"]) == (0, True, 2)
    assert run(tmp_path, day, None) == (code, document)


def test_a_funding_that_was_reversed_is_none_for_the_bank(day: date, tmp_path: Path):
    reference = f"{day}/{numbers.new_number('ref')}"
    draft = ledger.build_platform_funding(reference=reference, currency="CNY", amount=5_00)
    with transaction.atomic():
        journal = ledger.get_journal(journal_no=ledger.post_journal(draft=draft))
    assert run(tmp_path, day, camt(day, (reference, 5_00)))[0] == 0
    with transaction.atomic():
        ledger.post_journal(draft=ledger.build_reversal(journal=journal, accounting_date=None))
    code, document = run(tmp_path, day, None)
    assert (code, differences(document)) == (1, {("CHANNEL_ONLY", reference, 5_00, 0)})
    assert "own money" in document["differences"][0]["next_step"]
    assert run(tmp_path, day, camt(day))[0] == 0


@pytest.mark.parametrize("reference", [None, "RTN-1"], ids=["under-its-number", "under-another"])
@pytest.mark.parametrize("paid_as", ["its-number", "another"])
def test_a_payout_that_comes_back_days_later_is_missing_until_its_return_is_booked(
    day: date, tmp_path: Path, clock: VirtualClock, reference: str | None, paid_as: str
):
    """Of its own number the bank's entries cancel out; of another one it is a receipt that nobody knows."""
    seller = make_seller()
    seller.sell(10_00)
    paid_on = clock.advance(LONG).astimezone(ZoneInfo("Asia/Shanghai")).date()
    (payout,) = wait_until(lambda: seller.settle().payouts, what="a payout")
    seller.pay_out(payout.payout_no)
    own = numbers.new_number("ref") if paid_as == "another" else payout.payout_no
    seller.end(payout.payout_no, bank_reference=own)
    assert run(tmp_path, paid_on, camt(paid_on, (own, -10_00)))[0] == 0
    clock.advance(2 * 86_400)
    back_on = paid_on + timedelta(days=2)
    shown = reference and f"{reference}-{payout.payout_no}"[:60]
    said = (shown or payout.payout_no, 10_00)
    code, document = run(tmp_path, back_on, camt(back_on, said))
    cancels = said[0] == own
    missing = ("AMOUNT_OVER", own, 0, -10_00) if cancels else ("CHANNEL_ONLY", said[0], 10_00, 0)
    assert (code, differences(document)) == (1, {missing})
    assert "page" in document["differences"][0]["next_step"]
    with transaction.atomic():
        acquiring.record_payout_return(
            payout_no=payout.payout_no,
            bank_reference=said[0],
            return_code="AC04",
            decided_by="proposal:x",
        )
    assert run(tmp_path, back_on, None)[0] == 0
    assert run(tmp_path, paid_on, None)[0] == 0


def test_a_payout_is_known_by_its_number_or_by_what_people_have_recorded(
    day: date, tmp_path: Path, clock: VirtualClock
):
    seller = make_seller()
    seller.sell(10_00)
    today = clock.advance(LONG).astimezone(ZoneInfo("Asia/Shanghai")).date()
    (payout,) = wait_until(lambda: seller.settle().payouts, what="a payout")
    seller.pay_out(payout.payout_no)
    own = numbers.new_number("ref")
    seller.end(payout.payout_no, bank_reference=own)
    for said in (own, payout.payout_no):
        assert run(tmp_path, today, camt(today, (said, -10_00)))[0] == 0
    code, document = run(tmp_path, today, camt(today))
    assert (code, differences(document)) == (1, {("PLATFORM_ONLY", payout.payout_no, 0, -10_00)})


def test_what_differs_is_told_both_ways_and_nothing_is_booked(day: date, tmp_path: Path):
    settled, funded = booked()
    before = balance_of("A20:platform:CNY")
    code, document = run(tmp_path, day, camt(day, (settled, 9_95), ("STRANGE", -7_00)))
    assert code == 1
    assert differences(document) == {
        ("AMOUNT_OVER", settled, 9_95, 9_94),
        ("CHANNEL_ONLY", "STRANGE", -7_00, 0),
        ("PLATFORM_ONLY", funded, 0, 5_00),
    }
    assert balance_of("A20:platform:CNY") == before
    steps = {row["kind"]: row["next_step"] for row in document["differences"]}
    assert "payout" in steps["CHANNEL_ONLY"]
    assert "who should have paid" in steps["PLATFORM_ONLY"]
    assert "advice" in steps["AMOUNT_OVER"]


def test_what_the_bank_books_a_day_later_is_the_same_fact(
    day: date, tmp_path: Path, clock: VirtualClock
):
    settled, funded = booked()
    assert run(tmp_path, day, camt(day, (funded, 5_00)))[0] == 1
    clock.advance(86_400)
    following = day + timedelta(days=1)
    assert run(tmp_path, following, camt(following, (settled, 9_94)))[0] == 0
    assert run(tmp_path, day, None)[0] == 0


@pytest.mark.parametrize("account", ["BANK-2", ""])
def test_a_file_of_another_account_is_refused(day: date, tmp_path: Path, account: str):
    code, document = run(tmp_path, day, camt(day, account=account))
    assert (code, document["error"]["code"]) == (1, "statement_refused")
    assert run(tmp_path, day, None)[1]["error"]["code"] == "statement_missing"
