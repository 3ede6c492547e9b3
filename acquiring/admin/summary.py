"""What became of an order's money, in plain words: the first thing that an operator with a complaint in hand reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from acquiring.contracts import CloseReason
from acquiring.models import TradeOrder
from engine import api as engine
from engine.contracts import LateMoneyView, RefundView, TradeFile
from paymentplatform.kernel.admin_codes import name_code
from paymentplatform.kernel.admin_tables import link_number, show_money, show_time


def summarize(
    order: TradeOrder, file: TradeFile, stated: engine.StatedFile, deliveries: Sequence[Any]
) -> SafeString:
    """Say in a line each how the order stands, where other money of it is, and who waits for what."""
    lines: list[str] = [_say_state(order, file)]
    lines += [_say_refund(refund) for refund in file.refunds if refund.purpose == "ORDER"]
    lines += [_say_late_money(late) for late in file.late_money]
    lines += [_say_chargeback(row) for row in stated.chargebacks]
    lines += [_say_difference(row) for row in stated.differences if row.status != "RESOLVED"]
    lines += _say_open(file, deliveries)
    return format_html_join("", "<p>{}</p>", ((line,) for line in lines))


_CLOSED_BY: Final = {
    CloseReason.MERCHANT.value: _("by the merchant"),
    CloseReason.OPERATOR.value: _("by an operator"),
    CloseReason.EXPIRED.value: _("its time was over"),
}


def _time(at: Any) -> SafeString | str:
    return show_time(at) if at else "–"


def _say_state(order: TradeOrder, file: TradeFile) -> str:
    if order.status == "SUCCESS":
        return format_html(say("Paid at {at}."), at=_time(order.paid_at))
    if order.status == "CLOSED":
        text = say("Closed at {at} ({reason}), not paid.")
        return format_html(
            text,
            at=_time(order.closed_at),
            reason=_CLOSED_BY.get(str(order.close_reason), order.close_reason),
        )
    if order.status == "FAILED":
        return say("Failed for good, not paid: no try is left.")
    if order.status == "PAYING":
        return _say_under_way(file)
    failed = [payment for payment in file.payments if payment.status == "FAILED"]
    if not failed:
        return say("Nobody has paid yet.")
    text = say("Not paid: the last payment failed ({code}). The payer may try again.")
    last = max(failed, key=lambda payment: payment.created_at)
    return format_html(text, code=name_code(last.failure_code or "–"))


def _say_under_way(file: TradeFile) -> str:
    silent = [attempt for attempt in file.attempts if attempt.status in {"SENT", "UNKNOWN"}]
    if not silent:
        return say(
            "A payment is under way: its end is not known yet. The payer may still have to confirm it."
        )
    text = say(
        "Nobody knows yet whether the money was taken: channel {channel} gave no usable answer. It is asked again at "
        "{at}. Do not call it failed."
    )
    return format_html(text, channel=silent[-1].channel_code, at=_time(silent[-1].next_query_at))


def _say_refund(refund: RefundView) -> SafeString:
    text = {
        "SUCCESS": say("Refund {no} of {money}: given back to the payer."),
        "FAILED": say(
            "Refund {no} of {money}: refused for good ({code}), the payer gets nothing and the merchant has it back."
        ),
    }.get(
        refund.status,
        say(
            "Refund {no} of {money}: under way, the channel has not confirmed it. Next try at {at}."
        ),
    )
    return format_html(
        text,
        no=link_number(refund.refund_no),
        money=show_money(refund.amount, refund.currency),
        code=refund.failure_code or "–",
        at=_time(refund.next_try_at),
    )


def _say_late_money(late: LateMoneyView) -> SafeString:
    text = {
        "REFUNDING": say("Late money {no}, {money} ({reason}): on its way back to the payer."),
        "REFUNDED": say(
            "Late money {no}, {money} ({reason}): given back to the payer at {resolved}."
        ),
        "HONOURED": say(
            "Late money {no}, {money} ({reason}): given to the merchant at {resolved}."
        ),
    }.get(late.status)
    if text is None and late.due_at is None:
        text = say("Late money {no}, {money} ({reason}): waits for a decision of two operators.")
    elif text is None:
        text = say(
            "Late money {no}, {money} ({reason}): kept apart until {due}, then it goes back."
        )
    return format_html(
        text,
        no=link_number(late.late_money_no),
        money=show_money(late.amount, late.currency),
        reason=name_code(late.reason),
        resolved=_time(late.resolved_at),
        due=_time(late.due_at),
    )


def _say_chargeback(row: engine.ChargebackView) -> SafeString:
    text = say(
        "The channel pulled {money} back ({trade_no}), known since {at}: the payer has it. Nothing of it can be "
        "refunded again."
    )
    return format_html(
        text,
        money=show_money(row.amount, row.currency),
        trade_no=row.channel_trade_no,
        at=_time(row.created_at),
    )


def _say_difference(row: engine.DifferenceView) -> SafeString:
    text = say("Difference {no} ({kind}, {money}) with the channel's statement waits for people.")
    return format_html(
        text,
        no=link_number(row.discrepancy_no),
        kind=name_code(row.kind),
        money=show_money(row.difference, row.currency),
    )


def _say_open(file: TradeFile, deliveries: Sequence[Any]) -> Iterator[SafeString]:
    for case in file.cases:
        if case.status != "RESOLVED":
            text = say("Case {no} ({kind}) is open.")
            yield format_html(text, no=link_number(case.case_no), kind=name_code(case.kind))
    unheard = [
        line
        for line in deliveries
        if line.status == "DEAD" or (line.status == "DUE" and line.tries)
    ]
    if unheard:
        text = say("The merchant's server has not accepted {count} of our notices.")
        yield format_html(text, count=len(unheard))
