"""Everything the engine knows about an order's money, for operators: frozen data out of plain reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from engine.contracts import (
    AttemptView,
    CallbackView,
    CaseView,
    DetailView,
    LateMoneyView,
    PaymentOrderView,
    RefundView,
    TradeFile,
)
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
    Transition,
)
from engine.statement_contracts import ChargebackView, DifferenceView, StatedFile
from paymentplatform.kernel import numbers
from paymentplatform.kernel.history import Move, read_move

T = TypeVar("T")

_OWNERS: dict[str, tuple[type[Model], str, str]] = {
    numbers.PAYMENT: (PaymentOrder, "payment_no", "order_no"),
    numbers.DETAIL: (PaymentDetail, "detail_no", "payment__order_no"),
    numbers.ATTEMPT: (ChannelAttempt, "attempt_no", "order_no"),
    numbers.REFUND: (Refund, "refund_no", "order_no"),
    numbers.LATE_MONEY: (LateMoney, "late_money_no", "order_no"),
}


def get_trade_file(*, order_no: str) -> TradeFile:
    """Return all payments of an order with what belongs to them, oldest first; empty when there are none."""
    return _file_of(PaymentOrder.objects.filter(order_no=order_no), order_no=order_no)


def get_payment_file(*, payment_no: str) -> TradeFile:
    """Return one payment with what belongs to it."""
    return _file_of(PaymentOrder.objects.filter(payment_no=payment_no), payment_no=payment_no)


def find_order_no(*, number: str) -> str | None:
    """Return the order that a payment, detail, attempt, refund, late money, case or channel trade number belongs to."""
    prefix = number.partition("_")[0]
    if prefix == numbers.CASE:
        case = Case.objects.filter(case_no=number).first()
        return find_order_no(number=case.object_no) if case is not None else None
    if prefix in _OWNERS:
        model, key, order = _OWNERS[prefix]
        found = model._default_manager.filter(**{key: number})  # noqa: SLF001 - public, despite its name
        return found.values_list(order, flat=True).first()
    by_merchant = Refund.objects.filter(merchant_refund_no=number).order_by("-refund_no")
    by_trade = ChannelAttempt.objects.filter(channel_trade_no=number, status="SUCCEEDED")
    late = LateMoney.objects.filter(channel_trade_no=number)
    return (
        by_merchant.values_list("order_no", flat=True).first()
        or by_trade.values_list("order_no", flat=True).first()
        or late.values_list("order_no", flat=True).first()
    )


def list_moves(*, object_nos: Iterable[str]) -> tuple[Move, ...]:
    """Return every move of these objects, in the order in which they happened."""
    rows = Transition.objects.filter(object_no__in=list(object_nos)).order_by("id")
    return tuple(read_move(row) for row in rows)


def _file_of(payments: QuerySet[PaymentOrder], **owner: str) -> TradeFile:
    found = list(payments.order_by("payment_no"))
    payment_nos = [payment.payment_no for payment in found]
    details = list(PaymentDetail.objects.filter(payment__in=found).order_by("detail_no"))
    attempts = list(
        ChannelAttempt.objects.filter(payment_no__in=payment_nos).order_by("attempt_no")
    )
    attempt_nos = [attempt.attempt_no for attempt in attempts]
    refunds = list(Refund.objects.filter(payment_no__in=payment_nos).order_by("refund_no"))
    refund_nos = [refund.refund_no for refund in refunds]
    callbacks = ChannelCallback.objects.filter(
        Q(attempt_no__in=attempt_nos) | Q(refund_no__in=refund_nos)
    ).order_by("id")
    late = list(LateMoney.objects.filter(**owner).order_by("late_money_no"))
    objects = [
        *payment_nos,
        *(detail.detail_no for detail in details),
        *attempt_nos,
        *refund_nos,
        *(row.late_money_no for row in late),
    ]
    cases = list(Case.objects.filter(object_no__in=objects).order_by("case_no"))
    return TradeFile(
        payments=tuple(_copy(PaymentOrderView, row) for row in found),
        details=tuple(_copy(DetailView, row) for row in details),
        attempts=tuple(_copy(AttemptView, row) for row in attempts),
        callbacks=tuple(_copy(CallbackView, row, callback_id=row.pk) for row in callbacks),
        refunds=tuple(_copy(RefundView, row) for row in refunds),
        late_money=tuple(_copy(LateMoneyView, row) for row in late),
        cases=tuple(_copy(CaseView, row) for row in cases),
        moves=list_moves(object_nos=[*objects, *(case.case_no for case in cases)]),
    )


def get_stated_file(*, order_no: str, file: TradeFile) -> StatedFile:
    """Return what statements have said of an order's money; ``file`` is the order's, read before."""
    chargebacks = list(Chargeback.objects.filter(order_no=order_no).order_by("chargeback_no"))
    keys = [
        *list_trade_nos(file),
        *(refund.refund_no for refund in file.refunds),
        *(row.channel_trade_no for row in chargebacks),
    ]
    differences = Discrepancy.objects.filter(match_key__in=keys).order_by("discrepancy_no")
    return StatedFile(
        chargebacks=tuple(_copy(ChargebackView, row) for row in chargebacks),
        differences=tuple(_copy(DifferenceView, row) for row in differences),
    )


def list_trade_nos(file: TradeFile) -> list[str]:
    """Return what channels call our charges: statements know them by that, and refunds by our number."""
    known = {attempt.channel_trade_no for attempt in file.attempts}
    known |= {late.channel_trade_no for late in file.late_money}
    return sorted(number for number in known if number)


def _copy(view: type[T], row: Model, **given: Any) -> T:
    """Make the view out of the row's attributes of the same names."""
    names = (field.name for field in fields(view) if field.name not in given)  # type: ignore[arg-type]
    return view(**{name: getattr(row, name) for name in names}, **given)
