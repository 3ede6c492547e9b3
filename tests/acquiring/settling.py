"""A merchant whose money is settled: what the books say about it, and two persons who pay it out."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import transaction

from acquiring import api as acquiring
from acquiring.contracts import MerchantIdentity, Method
from acquiring.settlement_contracts import SettlementRun
from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.services.refund_outcomes import apply_refund_outcome
from ledger import api as ledger
from paymentplatform.kernel import numbers
from tests.engine.scripted import ScriptedChannel, charged
from tests.makers import make_payer, make_payer_token
from tests.trading import Trade, balance_of, make_identity, make_trade, rows
from tests.waiting import wait_until

DAY_S = 86_400
LONG = 10 * DAY_S
"""After so long every payment is due under T+1, whatever the calendar says of the days between."""


@dataclass
class Seller:
    """A fresh merchant, its payer, and the three accounts."""

    merchant: MerchantIdentity
    payer_no: str
    token: str
    currency: str = "CNY"

    @property
    def number(self) -> str:
        """Its merchant number."""
        return self.merchant.merchant_no

    def sell(self, amount: int = 10_00) -> Trade:
        """Sell something for the payer's balance."""
        trade = make_trade(merchant=self.merchant, amount=amount, currency=self.currency)
        assert trade.pay(Method.BALANCE, payer_token=self.token).status == "PAID"
        self.wait_until_collectable()
        return trade

    def wait_until_collectable(self) -> None:
        """Wait until what was posted is below the horizon: other databases of the server may hold it up for a moment.

        What a test itself keeps open is not waited for.
        """
        above = (
            "SELECT 1 AS one FROM ledger_posting p JOIN ledger_account a ON a.id = p.credit_account_id"
            " WHERE a.owner = %s AND p.xact_id >= pg_snapshot_xmin(pg_current_snapshot()) LIMIT 1"
        )
        with suppress(AssertionError):
            wait_until(lambda: not rows(above, self.number), 5.0, what="the horizon")

    def sell_by_channel(self, channel: ScriptedChannel, amount: int = 10_00) -> Trade:
        """Sell something through a scripted channel; its refunds then wait for ``end_refund``."""
        channel.pay_answers.append(charged(amount, trade_no=f"ch-{secrets.token_hex(6)}"))
        trade = make_trade(merchant=self.merchant, amount=amount, currency=self.currency)
        assert trade.pay().status == "PAID"
        return trade

    def balances(self) -> tuple[int, int, int]:
        """(pending, available, in flight)"""
        pending, available, flight = (
            balance_of(f"{kind}:{self.number}:{self.currency}") for kind in ("L20", "L21", "L22")
        )
        return pending, available, flight

    def settle(self, day: date | None = None, **options: Any) -> SettlementRun:
        """Settle this merchant alone; nobody may fail."""
        self.wait_until_collectable()
        run = acquiring.settle_merchants(settlement_date=day, merchant_no=self.number, **options)
        assert run.failures == []
        return run

    def items(self) -> list[dict[str, Any]]:
        """What was collected, oldest first."""
        return rows(
            "SELECT * FROM acquiring_settlement_item WHERE merchant_no = %s ORDER BY journal_no",
            self.number,
        )

    def batches(self) -> list[dict[str, Any]]:
        """The batches, oldest first."""
        return rows(
            "SELECT * FROM acquiring_settlement_batch WHERE merchant_no = %s ORDER BY batch_no",
            self.number,
        )

    def payouts(self) -> list[dict[str, Any]]:
        """The payouts, oldest first."""
        return rows(
            "SELECT * FROM acquiring_payout WHERE merchant_no = %s ORDER BY payout_no", self.number
        )

    def footprint(self) -> tuple[Any, ...]:
        """Everything that a refusal must leave as it was."""
        accounts = rows(
            "SELECT * FROM acquiring_settlement_account WHERE merchant_no = %s", self.number
        )
        holds = rows("SELECT * FROM acquiring_settlement_hold WHERE merchant_no = %s", self.number)
        own = (self.items(), self.batches(), self.payouts(), accounts, holds)
        return (self.balances(), *own)

    def honour_late_money(self, amount: int, *, fee: int) -> str:
        """Post late money that the merchant keeps, of an order nobody knows; returns the journal's number."""
        number = numbers.new_number(numbers.LATE_MONEY)
        late = {"late_money_no": number, "channel_code": "sandbox", "currency": self.currency}
        with transaction.atomic():
            ledger.post_journal(draft=ledger.build_late_money_received(**late, amount=amount))
            draft = ledger.build_late_money_honoured(
                **late, merchant_no=self.number, amount=amount, fee=fee
            )
            return ledger.post_journal(draft=draft)

    def charge_back(self, amount: int, number: str) -> None:
        """Let a channel pull money back."""
        with transaction.atomic():
            ledger.post_journal(
                draft=ledger.build_chargeback(
                    chargeback_no=number,
                    channel_code="sandbox",
                    merchant_no=self.number,
                    currency=self.currency,
                    amount=amount,
                )
            )

    def pay_out(self, payout_no: str) -> None:
        """Send a payout as two persons do: propose, then approve."""
        with transaction.atomic():
            acquiring.propose_payout(payout_no=payout_no)
        with transaction.atomic():
            acquiring.send_payout(payout_no=payout_no)

    def end(self, payout_no: str, *, bank_reference: str = "", failure_code: str = "") -> None:
        """Record what the bank said."""
        with transaction.atomic():
            acquiring.end_payout(
                payout_no=payout_no, bank_reference=bank_reference, failure_code=failure_code
            )


def make_seller(*, currency: str = "CNY", **settings: Any) -> Seller:
    """Make a merchant and a payer with plenty who has agreed with it."""
    merchant = make_identity(**settings)
    payer_no = make_payer(currency=currency)
    token = make_payer_token(payer_no=payer_no, merchant_no=merchant.merchant_no, currency=currency)
    return Seller(merchant, payer_no, token, currency)


def end_refund(refund_no: str, outcome: Outcome) -> None:
    """Let the channel answer about a refund."""
    (refund,) = rows("SELECT * FROM engine_refund WHERE refund_no = %s", refund_no)
    answer = ChannelAnswer(outcome, amount=refund["external_amount"], currency=refund["currency"])
    apply_refund_outcome(refund_no=refund_no, answer=answer, cause=Cause.CALLBACK)
