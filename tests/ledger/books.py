"""Fresh parties and short ways to move their money; every test has books of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import connection, transaction

from ledger import api
from ledger.contracts import InsufficientBalance, JournalDraft, PostingDraft
from paymentplatform.kernel import numbers

DAY = date(2026, 3, 1)
LONG = bool(os.environ.get("RUN_LONG"))


def fresh(prefix: str = "ref") -> str:
    """Return a number nobody has used."""
    return numbers.new_number(prefix)


@dataclass
class Books:
    """A payer, a merchant and a channel of one test's own, in one currency."""

    currency: str = "CNY"
    payer_no: str = field(default_factory=lambda: fresh("pyr"))
    merchant_no: str = field(default_factory=lambda: fresh("mch"))
    channel_code: str = field(default_factory=lambda: fresh("chn"))

    @property
    def payer(self) -> str:
        return f"L10:{self.payer_no}:{self.currency}"

    @property
    def pending(self) -> str:
        return f"L20:{self.merchant_no}:{self.currency}"

    @property
    def available(self) -> str:
        return f"L21:{self.merchant_no}:{self.currency}"

    @property
    def receivable(self) -> str:
        return f"A10:{self.channel_code}:{self.currency}"

    @property
    def transit(self) -> str:
        return f"L30:{self.channel_code}:{self.currency}"

    @property
    def bank(self) -> str:
        return f"A20:platform:{self.currency}"

    @property
    def fees(self) -> str:
        return f"I10:platform:{self.currency}"

    def funded(self, amount: int) -> Books:
        """Top the payer up and return these books."""
        self.post((self.bank, self.payer, amount))
        return self

    def post(
        self,
        *legs: tuple[str, str, int],
        event: tuple[str, str] | None = None,
        spend: bool = False,
        holds: tuple[str | None, ...] = (),
        reverses: str | None = None,
    ) -> str:
        """Post one journal of these legs in a transaction of its own; ``spend`` is for all of them."""
        event_type, event_id = event or ("test", fresh())
        draft = JournalDraft(
            event_type,
            event_id,
            DAY,
            self.currency,
            tuple(
                PostingDraft(*leg, spend=spend, hold_no=holds[index] if holds else None)
                for index, leg in enumerate(legs)
            ),
            reverses,
        )
        with transaction.atomic():
            return api.post_journal(draft=draft)

    def pay(
        self,
        amount: int,
        *,
        fee: int = 0,
        payment_no: str | None = None,
        day: date | None = DAY,
    ) -> str:
        """Pay from the balance; without a day on the present one, as payments do."""
        with transaction.atomic():
            return api.post_journal(
                draft=api.build_payment_paid(
                    payment_no=payment_no or fresh("pay"),
                    merchant_no=self.merchant_no,
                    currency=self.currency,
                    legs=(api.BalanceLeg(self.payer_no, amount),),
                    fee=fee,
                    accounting_date=day,
                )
            )

    def collect(self, amount: int) -> str:
        """Get money for the merchant through the channel: no payer balance involved."""
        return self.post((self.receivable, self.pending, amount))

    def spend(self, amount: int, *, event_id: str | None = None) -> str:
        """Take money out of the merchant's pending account, minding its floor."""
        return self.post(
            (self.pending, self.transit, amount),
            event=("test_spend", event_id or fresh()),
            spend=True,
        )

    def hold(self, amount: int, *, hold_no: str | None = None, reference: str = "test") -> str:
        """Hold some of the payer's balance."""
        number = hold_no or fresh("hld")
        with transaction.atomic():
            api.place_hold(
                hold_no=number, account_code=self.payer, amount=amount, reference=reference
            )
        return number

    def release(self, hold_no: str) -> bool:
        """Release a hold."""
        with transaction.atomic():
            return api.release_hold(hold_no=hold_no)

    def balance(self, code: str) -> int:
        """Return the balance of one account."""
        return api.get_balance(account_code=code).balance

    def state(self) -> dict[str, Any]:
        """Everything these books hold, to compare before and after."""
        codes = [self.payer, self.pending, self.available, self.receivable, self.transit]
        return {
            "balances": api.list_balances(account_codes=codes),
            "journals": query(
                "SELECT count(DISTINCT p.journal_no), count(*) FROM ledger_posting p "
                "JOIN ledger_account a ON a.id IN (p.debit_account_id, p.credit_account_id) "
                "WHERE a.code = ANY(%s)",
                codes,
            ),
            "accounts": query("SELECT code FROM ledger_account WHERE code = ANY(%s)", codes),
            "holds": query(
                "SELECT hold_no, status FROM ledger_hold h JOIN ledger_account a ON a.id = h.account_id "
                "WHERE a.code = ANY(%s) ORDER BY 1",
                codes,
            ),
        }


def reverse(journal_no: str) -> str:
    """Undo one journal in a transaction of its own."""
    with transaction.atomic():
        return api.reverse_journal(journal_no=journal_no, accounting_date=DAY)


def query(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Run one SELECT as the application."""
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        return list(cursor.fetchall())


def succeeded(function: Any, *arguments: Any, **options: Any) -> bool:
    """Tell whether money was there; every other failure goes on."""
    try:
        function(*arguments, **options)
    except InsufficientBalance:
        return False
    return True


def sum_of_postings(code: str) -> int:
    """Add up an account from its postings alone, positive on its normal side."""
    rows = query(
        "SELECT a.credit_sign * (COALESCE((SELECT sum(amount) FROM ledger_posting WHERE credit_account_id = a.id), 0)"
        " - COALESCE((SELECT sum(amount) FROM ledger_posting WHERE debit_account_id = a.id), 0))"
        " FROM ledger_account a WHERE a.code = %s",
        code,
    )
    return int(rows[0][0]) if rows else 0
