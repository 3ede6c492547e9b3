"""What the payer reads: contracts in, primitives for templates out. No query, no request, no policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import segno
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext

from acquiring.contracts import CashierOrder, CloseReason, Method, OrderStatus, OrderView
from checkout.contracts import CHOICE_FIELDS, UNTOLD_REFUSALS, MethodOffer, PayAction
from checkout.late_money_words import describe_late_money
from checkout.risk_words import risk_words
from paymentplatform.kernel.money import format_amount

POLL_STEPS_MS: Final = ((15, 2_000), (45, 5_000))
"""(polls so far, delay): 30 s at 2 s, then 2.5 minutes at 5 s, then every POLL_SLOW_MS."""
POLL_SLOW_MS: Final = 10_000
POLL_STOP: Final = 0
"""``next_poll_ms`` of an order whose page will not change any more."""

_METHOD_NAMES: Final = {
    Method.BALANCE: gettext_noop("Wallet balance"),
    Method.BANK_CARD: gettext_noop("Bank card"),
    Method.WALLET: gettext_noop("Third-party wallet"),
    Method.NET_BANKING: gettext_noop("Net banking"),
    Method.QR_CODE: gettext_noop("Scan a QR code"),
}
_METHOD_HINTS: Final = {
    Method.BALANCE: gettext_noop("With your payer number and payment password"),
    Method.BANK_CARD: gettext_noop("Enter the card on the bank's own secure page"),
    Method.WALLET: gettext_noop("Confirm in your wallet"),
    Method.NET_BANKING: gettext_noop("Log in at your bank and confirm"),
    Method.QR_CODE: gettext_noop("Scan with your phone and confirm there"),
}
_FAILURES: Final = {
    "insufficient_balance": gettext_noop("There is not enough money in the wallet."),
    "insufficient_funds": gettext_noop("There is not enough money in the account."),
    "amount_mismatch": gettext_noop(
        "The bank reported a different amount. Whatever was charged is returned to you."
    ),
    "card_invalid": gettext_noop("The card is not valid. You have not been charged."),
    "channel_unavailable": gettext_noop(
        "The bank could not take it just now. You have not been charged."
    ),
    "declined": gettext_noop("The bank declined it. You have not been charged."),
    "payer_declined": gettext_noop("You declined it. You have not been charged."),
    "payment_closed": gettext_noop("It was stopped before any money moved."),
}
_REASONS: Final = {
    "amount_over_limit": gettext_noop("The amount is over the limit for this way to pay"),
    "amount_under_limit": gettext_noop("The amount is too small for this way to pay"),
    "channel_unavailable": gettext_noop("Not available at the moment"),
    "currency_unsupported": gettext_noop("Not available in this currency"),
    "insufficient_balance": gettext_noop("Not enough balance"),
    "no_channel": gettext_noop("Not available at the moment"),
    "outside_hours": gettext_noop("Not available at this time of the day"),
}


class Stage(StrEnum):
    """Which page tells the truth about an order right now."""

    CHOOSE = "choose"
    WAIT = "wait"
    CLOSING = "closing"
    PAID = "paid"
    FAILED = "failed"
    CLOSED = "closed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class CashierLinks:
    """The addresses of one order's pages, relative to this site."""

    token: str

    @property
    def choose(self) -> str:
        return f"/cashier/{self.token}"

    @property
    def change(self) -> str:
        return f"/cashier/{self.token}?change=1"

    @property
    def pay(self) -> str:
        return f"/cashier/{self.token}/pay"

    @property
    def status(self) -> str:
        return f"/cashier/{self.token}/status"

    @property
    def result(self) -> str:
        return f"/cashier/{self.token}/result"

    def wait(self, payment_no: str) -> str:
        return f"/cashier/{self.token}/payments/{payment_no}"


def stage_of(cashier: CashierOrder) -> Stage:
    """Choose the page from the order alone. A payment still alive is never called expired or failed."""
    order = cashier.order
    if order.status == OrderStatus.SUCCESS:
        return Stage.PAID
    if order.status == OrderStatus.FAILED:
        return Stage.FAILED
    if order.status == OrderStatus.CLOSED:
        return Stage.EXPIRED if order.close_reason == CloseReason.EXPIRED else Stage.CLOSED
    if order.closing:
        return Stage.CLOSING
    if order.status == OrderStatus.PAYING:
        return Stage.WAIT
    return Stage.EXPIRED if cashier.expires_in_s <= 0 else Stage.CHOOSE


def is_final(cashier: CashierOrder) -> bool:
    """Tell whether the page of this order will not change any more (out of time counts, swept or not)."""
    return stage_of(cashier) not in {Stage.CHOOSE, Stage.WAIT, Stage.CLOSING}


def page_address(cashier: CashierOrder) -> str:
    """Return the address of the page that tells the truth about the order now."""
    links = CashierLinks(cashier.cashier_token)
    if is_final(cashier):
        return links.result
    if stage_of(cashier) == Stage.WAIT and cashier.order.payment is not None:
        return links.wait(cashier.order.payment.payment_no)
    return links.choose


def present_order(cashier: CashierOrder, *, time_zone: str) -> dict[str, Any]:
    """Return the summary that stands on every page: who is paid, what for, how much, until when."""
    order = cashier.order
    seconds_left = max(cashier.expires_in_s, 0)
    return {
        "merchant_name": cashier.merchant_name,
        "merchant_initial": cashier.merchant_name.strip()[:1].upper() or "·",
        "subject": order.subject,
        "description": order.description or "",
        "amount": format_amount(order.amount, order.currency),
        "currency": order.currency,
        "order_no": order.order_no,
        "merchant_order_no": order.merchant_order_no,
        "expires_in_s": seconds_left,
        "time_left": format_time_left(seconds_left),
        "paid_at": format_time(order.paid_at, time_zone=time_zone) if order.paid_at else "",
        "method": method_name(order.payment.method) if order.payment else "",
        "payment_no": order.payment.payment_no if order.payment else "",
        "parts": present_parts(order),
        **present_way_back(cashier),
    }


def present_way_back(cashier: CashierOrder) -> dict[str, Any]:
    """Return the link to the shop: the address that the merchant gave, nothing of ours added; None if it is no link."""
    return {
        "return_url": cashier.return_url if is_web_address(cashier.return_url) else None,
        "return_label": pgettext("button", "Return to %(merchant)s")
        % {"merchant": cashier.merchant_name},
    }


def present_parts(order: OrderView) -> list[dict[str, str]]:
    """Return name and amount of each asset of a combined payment; nothing for a payment of one asset."""
    details = order.payment.details if order.payment else []
    if len(details) < 2:
        return []
    return [
        {
            "name": method_name(detail.method),
            "amount": format_amount(detail.amount, order.currency),
        }
        for detail in details
    ]


def format_time_left(seconds: int) -> str:
    """Write a countdown: ``14:05``, or ``1:02:03`` from an hour on."""
    minutes, rest = divmod(max(seconds, 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes:02}:{rest:02}"


def format_time(value: str, *, time_zone: str) -> str:
    """Write an RFC 3339 time for people, in the business time zone and with its offset."""
    moment = datetime.fromisoformat(value).astimezone(ZoneInfo(time_zone))
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%d %H:%M:%S} (UTC{offset[:3]}:{offset[3:]})"


def method_name(code: str) -> str:
    """Return the payer's word for a method; an unknown code is shown as it is."""
    known = _METHOD_NAMES.get(code)  # type: ignore[call-overload]
    return _(known) if known else code


def failure_text(failure_code: str | None) -> str:
    """Say why a try was declined, in words for the payer; internal codes never reach the page."""
    known = _FAILURES.get(failure_code or "")
    return _(known) if known else _("It was declined. You have not been charged.")


def present_methods(
    offers: Sequence[MethodOffer], *, preferred: str | None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Split offers into (available, unavailable) rows in rank order; exactly one available row is chosen.

    ``preferred`` is what the payer chose before in this browser; it wins while it is available.
    """
    ranked = sorted(offers, key=lambda offer: offer.rank)
    available = [offer for offer in ranked if offer.available]
    codes = [offer.code for offer in available]
    chosen = preferred if preferred in codes else next(iter(codes), None)
    rows = [
        {
            "code": str(offer.code),
            "name": offer.name,
            "hint": _(_METHOD_HINTS[offer.code]),
            "chosen": offer.code == chosen,
            "is_balance": offer.code == Method.BALANCE,
            "option_field": CHOICE_FIELDS.get(offer.code),
            "options": [{"code": item.code, "name": item.name} for item in offer.options],
        }
        for offer in available
    ]
    others = [
        {"code": str(offer.code), "name": offer.name, "reason": _reason(offer)}
        for offer in ranked
        if not offer.available and offer.reason_code not in UNTOLD_REFUSALS
    ]
    return rows, others


def _reason(offer: MethodOffer) -> str:
    known = _REASONS.get(offer.reason_code or "")
    return _(known) if known else _("Not available for this order")


def present_action(
    action: PayAction, *, method: str, frame_origins: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what the payer does next: a link, a QR code with its text alternative, a form, or nothing.

    A card page of an origin in ``frame_origins`` is shown inside ours: card numbers are typed into the institution's
    page and never reach this site.
    """
    content = action.qr_content or ""
    url = action.url if is_web_address(action.url) else None
    is_framed = method == Method.BANK_CARD and action.type == "redirect" and url is not None
    return {
        "type": action.type,
        "method": method_name(method),
        "url": url,
        "is_framed": is_framed and _origin_of(url or "") in frame_origins,
        "fields": sorted((action.fields or {}).items()),
        "qr_svg": draw_qr(content) if content else "",
        "qr_content": content,
        "qr_link": content if is_web_address(content) else None,
    }


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_web_address(value: str | None) -> bool:
    """Tell whether this may become a link: absolute http or https with a host, nothing else."""
    if not value:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and "\\" not in value


def draw_qr(content: str) -> SafeString:
    """Draw a QR code as inline SVG: black on white in every colour scheme, or phones could not read it."""
    code = segno.make(content, error="m", micro=False)
    svg = code.svg_inline(
        border=2, dark="#000", light="#fff", omitsize=True, svgclass="qr", lineclass=None
    )
    return mark_safe(svg)  # noqa: S308  # nosec B308 B703 - segno writes paths only, never the text


def present_result(cashier: CashierOrder) -> dict[str, Any]:
    """Return the words and the mark of an order's present end."""
    stage = stage_of(cashier)
    titles = {
        Stage.PAID: _("Payment successful"),
        Stage.FAILED: _("Payment not completed"),
        Stage.CLOSED: _("Order closed"),
        Stage.EXPIRED: _("Order expired"),
    }
    texts = {
        Stage.PAID: _("The merchant is informed automatically. You can return to the shop now."),
        Stage.FAILED: _("This order can no longer be paid. Please order again at the shop."),
        Stage.CLOSED: _("The merchant has closed this order. It can no longer be paid."),
        Stage.EXPIRED: _("The time to pay this order has run out. Please order again at the shop."),
    }
    return {
        "stage": str(stage),
        "title": titles[stage],
        "text": texts[stage],
        "late_money": describe_late_money(
            cashier.late_money, is_paid=cashier.order.status == OrderStatus.SUCCESS
        ),
        **present_way_back(cashier),
    }


def present_refusal(
    reasons: Sequence[str], *, balance_first: bool = False
) -> tuple[dict[str, str], str]:
    """Return (words by form field, words for the whole form) of a pay request that was refused.

    A wrong password, a locked one and an unknown payer number get the same words on purpose. ``balance_first``: the
    password stood beside the choice to use the balance first.
    """
    if not reasons:
        return {}, ""
    password = _(
        "The payer number or the payment password is not right, or paying by balance is locked: after "
        "five wrong tries it is locked for some hours. You can also choose another way to pay."
    )
    password_field = "balance_password" if balance_first else "payment_password"
    by_field = {
        "payer_no_invalid": ("payer_no", _("Please enter your payer number.")),
        "payment_password_invalid": (
            "payment_password",
            _("Please enter your payment password."),
        ),
        "balance_payer_no_invalid": ("balance_payer_no", _("Please enter your payer number.")),
        "balance_password_invalid": (
            "balance_password",
            _("Please enter your payment password."),
        ),
        "wrong_payment_password": (password_field, password),
        "payment_password_locked": (password_field, password),
    }
    by_form = {
        "method_invalid": _("Please choose how to pay."),
        "method_unavailable": _(
            "This way to pay is not available for the order. Please choose another one."
        ),
        **risk_words(),
    }
    errors = dict(by_field[reason] for reason in reasons if reason in by_field)
    notices = [by_form.get(reason) for reason in reasons if reason not in by_field]
    general = _("Please check what you entered and try again.")
    return errors, " ".join(dict.fromkeys(notice or general for notice in notices))


def failed_try_notice(order: OrderView) -> str:
    """Return the notice for an order that is open again after a definite decline, or an empty text."""
    if (
        order.status != OrderStatus.INIT
        or order.payment is None
        or order.payment.status != "FAILED"
    ):
        return ""
    return failure_text(order.payment.failure_code)


def poll_delay_ms(*, polls_so_far: int) -> int:
    """Return how long the page waits before it asks again: 2 s, then 5 s, then 10 s."""
    for limit, delay in POLL_STEPS_MS:
        if polls_so_far < limit:
            return delay
    return POLL_SLOW_MS
