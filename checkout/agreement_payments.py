"""What was taken from a payer's balance under an agreement, for operators; out of ledger, engine and uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings

from checkout.models import AgreementUse, PayerAgreement
from engine import api as engine
from ledger import api as ledger
from ledger.contracts import StatementEntry

SHOWN_PAYMENTS: Final = 200


@dataclass(frozen=True, slots=True)
class AgreementPayment:
    """What one payment took, or is to take, from the balance, in minor units.

    ``cause`` is the number of the agreement that a merchant paid with, ``cashier`` when the payer did so himself.
    """

    at: datetime
    payment_no: str
    amount: int
    currency: str
    status: str
    cause: str
    actor: str


def list_agreement_payments(
    *, agreement: PayerAgreement
) -> tuple[list[AgreementPayment], list[AgreementPayment]]:
    """Return (payments under it, others from this balance to this merchant since the consent), newest first.

    Looks at the last SHOWN_PAYMENTS that were paid, and as many uses by combined payments, paid or not.
    """
    entries = _list_paid(agreement)
    uses = {
        use.payment_no: use
        for use in AgreementUse.objects.filter(agreement=agreement).order_by("-payment_no")[
            :SHOWN_PAYMENTS
        ]
    }
    starts = {
        move.object_no: (move.cause, move.actor)
        for move in engine.list_moves(object_nos={*(e.event_id for e in entries), *uses})
        if move.from_status == "INIT"
    }
    under: list[AgreementPayment] = []
    others: list[AgreementPayment] = []
    for entry in entries:
        cause, actor = starts.get(entry.event_id, ("", ""))
        is_under = cause == agreement.agreement_no or entry.event_id in uses
        uses.pop(entry.event_id, None)
        (under if is_under else others).append(
            AgreementPayment(
                at=entry.created_at,
                payment_no=entry.event_id,
                amount=-entry.change,
                currency=agreement.currency,
                status="PAID",
                cause=cause,
                actor=actor,
            )
        )
    under += _list_unpaid(agreement, uses, starts)
    under.sort(key=lambda payment: payment.payment_no, reverse=True)
    return under, others


def _list_paid(agreement: PayerAgreement) -> list[StatementEntry]:
    zone = ZoneInfo(settings.BUSINESS_TIME_ZONE)
    entries = ledger.list_statement_entries(
        account_code=ledger.payer_balance(payer_no=agreement.payer_id, currency=agreement.currency),
        from_date=agreement.created_at.astimezone(zone).date(),
        to_date=date.max,
    )
    merchant = ledger.merchant_pending(
        merchant_no=agreement.merchant_no, currency=agreement.currency
    )
    paid = [
        entry
        for entry in entries
        if entry.event_type == "payment_paid"
        and entry.counter_account == merchant
        and entry.created_at >= agreement.created_at
    ]
    return paid[: -SHOWN_PAYMENTS - 1 : -1]


def _list_unpaid(
    agreement: PayerAgreement,
    uses: dict[str, AgreementUse],
    starts: dict[str, tuple[str, str]],
) -> list[AgreementPayment]:
    """A combined payment that is not paid: FAILED, or its payer or channel is still awaited."""
    failed = set(engine.list_failed_payments(payment_nos=list(uses)))
    return [
        AgreementPayment(
            at=use.created_at,
            payment_no=use.payment_no,
            amount=use.amount,
            currency=agreement.currency,
            status="FAILED" if use.payment_no in failed else "PAYING",
            cause=starts.get(use.payment_no, ("", ""))[0],
            actor=starts.get(use.payment_no, ("", ""))[1],
        )
        for use in uses.values()
    ]
