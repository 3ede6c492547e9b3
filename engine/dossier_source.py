"""What the engine and the books below it tell the dossier of an order's money."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.dossier import get_trade_file, list_moves, list_trade_nos
from engine.models import (
    Case,
    ChannelAttempt,
    ChannelCallback,
    Chargeback,
    Discrepancy,
    LateMoney,
    PaymentDetail,
    PaymentOrder,
    Refund,
    StatementLine,
)
from ledger import api as ledger
from paymentplatform.kernel.admin_codes import name_code
from paymentplatform.kernel.dossier import Entry, entries_of, entries_of_moves
from paymentplatform.kernel.redaction import redact_text

BODY_CHARACTERS = 4_000
_FACTS_OF_PAYMENT = ("payment_paid",)
_FACTS_OF_LATE_MONEY = ("late_money", "late_money_honoured", "late_money_pulled_back")
_FACTS_OF_REFUND = (
    "refund_accepted",
    "late_money_refund_sent",
    "refund_done",
    "refund_failed",
    "late_money_refund_failed",
)


def tell_money(order_no: str) -> Iterator[Entry]:
    """Tell every payment of an order, what channels were asked and said, what went back, and what was booked."""
    file = get_trade_file(order_no=order_no)
    payments = [row.payment_no for row in file.payments]
    attempts = [row.attempt_no for row in file.attempts]
    refunds = [row.refund_no for row in file.refunds]
    late = [row.late_money_no for row in file.late_money]
    for kind, rows, number in (
        ("payment", PaymentOrder.objects.filter(pk__in=payments), "payment_no"),
        ("detail", PaymentDetail.objects.filter(payment_id__in=payments), "detail_no"),
        ("attempt", ChannelAttempt.objects.filter(pk__in=attempts), "attempt_no"),
        ("refund", Refund.objects.filter(pk__in=refunds), "refund_no"),
        ("late_money", LateMoney.objects.filter(pk__in=late), "late_money_no"),
        ("case", Case.objects.filter(case_no__in=[c.case_no for c in file.cases]), "case_no"),
    ):
        yield from entries_of(kind, rows, number=number, at="created_at", says=_say)
    callbacks = ChannelCallback.objects.filter(pk__in=[row.callback_id for row in file.callbacks])
    yield from map(_tell_callback, callbacks.order_by("id"))
    yield from _tell_reconciliation([*list_trade_nos(file), *refunds])
    pulled = list(Chargeback.objects.filter(order_no=order_no).order_by("chargeback_no"))
    yield from entries_of("chargeback", pulled, number="chargeback_no", at="created_at", says=_say)
    yield from entries_of_moves(file.moves)
    facts = [(fact, number) for number in payments for fact in _FACTS_OF_PAYMENT]
    facts += [(fact, number) for number in refunds for fact in _FACTS_OF_REFUND]
    facts += [(fact, number) for number in late for fact in _FACTS_OF_LATE_MONEY]
    facts += [("chargeback", row.chargeback_no) for row in pulled]
    yield from _tell_journals(facts)


def _tell_reconciliation(keys: list[str]) -> Iterator[Entry]:
    """Tell what channels' statements say of these attempts and refunds, and where they differ from us."""
    yield from entries_of(
        "statement_line",
        StatementLine.objects.filter(match_key__in=keys).order_by("id"),
        number="statement_no",
        at="occurred_at",
        says=lambda row: f"{row.kind} {row.channel_trade_no}: {row.amount} {row.currency}",
    )
    differences = list(Discrepancy.objects.filter(match_key__in=keys).order_by("discrepancy_no"))
    yield from entries_of(
        "difference", differences, number="discrepancy_no", at="created_at", says=_say
    )
    numbers = [row.discrepancy_no for row in differences]
    yield from entries_of_moves(list_moves(object_nos=numbers))


def _say(row: Any) -> str:
    parts = [f"{row.amount} {row.currency}"] if hasattr(row, "amount") else []
    for name in ("method", "channel_code", "kind"):
        value = getattr(row, name, None)
        if value:
            parts.append(name_code(str(value)))
    return ", ".join(parts)


def _tell_callback(row: ChannelCallback) -> Entry:
    text = bytes(row.body)[:BODY_CHARACTERS].decode("utf-8", "replace")
    data = {
        "channel_code": row.channel_code,
        "result": row.result,
        "note": row.note,
        "attempt_no": row.attempt_no,
        "refund_no": row.refund_no,
        "headers": row.headers,
        "body": redact_text(text),
    }
    says = f"{row.channel_code}: {row.result} {name_code(row.note)}".strip()
    return Entry(row.received_at, "callback", str(row.pk), says, data)


def _tell_journals(facts: list[tuple[str, str]]) -> Iterator[Entry]:
    for event_type, event_id in facts:
        journal = ledger.find_journal(event_type=event_type, event_id=event_id)
        if journal is None:
            continue
        lines = [
            {
                "debit": line.debit,
                "credit": line.credit,
                "amount": line.amount,
                "currency": line.currency,
            }
            for line in journal.postings
        ]
        data = {
            "event_type": event_type,
            "event_id": event_id,
            "accounting_date": journal.accounting_date,
            "postings": lines,
            "reversed_by": journal.reversed_by,
        }
        says = "; ".join(
            f"{line['debit']} → {line['credit']} {line['amount']} {line['currency']}"
            for line in lines
        )
        yield Entry(
            journal.created_at,
            "journal",
            journal.journal_no,
            f"{name_code(event_type)}: {says}",
            data,
        )
