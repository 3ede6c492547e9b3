"""What the engine and the books below it tell the dossier of an order's money."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from engine.channels.base import Outcome
from engine.contracts import Cause, TradeFile
from engine.dossier import get_trade_file, list_moves, list_trade_nos
from engine.models import (
    Case,
    ChannelAttempt,
    ChannelCall,
    ChannelCallback,
    Chargeback,
    Discrepancy,
    LateMoney,
    PaymentDetail,
    PaymentOrder,
    Refund,
    StatementLine,
)
from engine.services.calls import KEPT_OF_CALL
from engine.states import CHANNEL_ATTEMPT, REFUND
from ledger import api as ledger
from paymentplatform.kernel.admin_codes import name_call, name_code
from paymentplatform.kernel.dossier import Entry, entries_of, entries_of_moves
from paymentplatform.kernel.redaction import redact_text

BODY_CHARACTERS = 4_000
_TOLD_OF_CALL = (
    *("channel_code", "operation", "outcome", "duration_ms", "answer"),
    *("cause", "actor", "request_id"),
)
_SUCCEEDED = frozenset({"SUCCEEDED", "SUCCESS"})
_NOT_OUR_CALLS = frozenset({Cause.CALLBACK, Cause.STATEMENT})
_OPERATIONS = {
    CHANNEL_ATTEMPT.name: (ChannelCall.Operation.PAY, ChannelCall.Operation.QUERY),
    REFUND.name: (ChannelCall.Operation.REFUND, ChannelCall.Operation.QUERY_REFUND),
}
"""Of an attempt's and of a refund's success: which call it was when it was just sent, and which later."""
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
    yield from _tell_calls(order_no, file)
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


def _tell_calls(order_no: str, file: TradeFile) -> Iterator[Entry]:
    """Tell every call to a channel that was answered; of a plain success its attempt or refund tells."""
    calls = list(ChannelCall.objects.filter(order_no=order_no).order_by("id"))
    for row in calls:
        data = {name: getattr(row, name) for name in _TOLD_OF_CALL}
        yield _tell_call(row.answered_at, row.attempt_no or row.refund_no or "", data)
    successes = [row for row in calls if row.outcome == Outcome.SUCCEEDED]
    told = {(row.attempt_no or row.refund_no, row.answer) for row in successes}
    heard: dict[str, ChannelAttempt | Refund] = {
        **ChannelAttempt.objects.in_bulk([row.attempt_no for row in file.attempts]),
        **Refund.objects.in_bulk([row.refund_no for row in file.refunds]),
    }
    for move in file.moves:
        by_our_call = move.to_status in _SUCCEEDED and move.cause not in _NOT_OUR_CALLS
        about = heard.get(move.object_no) if by_our_call else None
        if about is None or about.channel_code is None:
            continue
        if (about.pk, about.last_answer[:KEPT_OF_CALL]) in told:
            continue
        sending, asking = _OPERATIONS[move.machine]
        data = {
            "channel_code": about.channel_code,
            "operation": sending if move.cause == Cause.SYNC_ANSWER else asking,
            "outcome": about.last_outcome,
            "answer": about.last_answer,
            "cause": move.cause,
            "actor": move.actor,
            "request_id": move.request_id,
        }
        yield _tell_call(move.at, move.object_no, data)


def _tell_call(at: datetime, number: str, data: dict[str, Any]) -> Entry:
    told = data | {"answer": redact_text(data["answer"])}
    says = f"{data['channel_code']}, {name_call(data['operation'])}: {data['outcome']}"
    return Entry(at, "channel_call", number, says, told)


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
