"""Consult 支付方式咨询: which methods an order can be paid with, ranked, each with a reason when not offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from zoneinfo import ZoneInfo

from django.conf import settings

from acquiring.contracts import Method, OrderView
from checkout.catalogue import (
    Catalogue,
    MethodEntry,
    Standing,
    Verdict,
    Wish,
    find_hindrance,
    rank_methods,
)
from checkout.contracts import CHOICE_FIELDS, MethodOffer, Option
from checkout.services.balance_offer import find_balance_refusal
from checkout.services.catalogues import get_catalogue
from checkout.services.consult_records import keep_consult
from checkout.services.route_books import get_route_book
from checkout.services.routing import find_route_hindrance, plan_route
from engine import api as engine
from engine.contracts import Capability
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import FieldError, InvalidRequest
from paymentplatform.kernel.hotsql import HotStatement

_OPTION_NAMES: Final = CHOICE_FIELDS | {Method.BANK_CARD: "card_token"}


_LAST_USED: Final = HotStatement(
    name="find_last_used",
    retry_safe=True,
    sql="""
    SELECT u.method FROM (
        (SELECT payment_no, method FROM checkout_route_decision
         WHERE merchant_no = $1::text AND payer_ref = $2::text ORDER BY payment_no DESC LIMIT 1)
        UNION ALL
        (SELECT payment_no, 'BALANCE' FROM checkout_balance_use
         WHERE merchant_no = $1::text AND payer_ref = $2::text ORDER BY payment_no DESC LIMIT 1)
    ) AS u ORDER BY u.payment_no DESC LIMIT 1
    """,
)


@transactions.forbid
def list_methods(
    *,
    order: OrderView,
    merchant_no: str,
    allowed_methods: list[str] | None,
    asked_by: str,
    terminal: str = "WEB",
    locale: str = "zh-hans",
    payer_ref: str | None = None,
    payer_token: str | None = None,
    last_used: str | None = None,
    with_cards: bool = False,
) -> list[MethodOffer]:
    """Return every method of the catalogue, the offered ones first; advice only, acceptance checks again (forbid).

    With a merchant's ``payer_token`` BALANCE is offered when that agreement can pay the whole order now.
    ``last_used`` is what this payer chose last; without it, it is looked up by ``payer_ref``, the merchant's name of
    him. ``options`` are the banks or wallets of a method in the wished language; ``with_cards``: those of BANK_CARD
    are the payer's saved cards, never for pages that anybody with a link opens. The answer is kept for operators.
    """
    catalogue = get_catalogue()
    wish = Wish(
        merchant_no=merchant_no,
        currency=order.currency,
        amount=order.amount,
        terminal=terminal,
        locale=locale,
        clock=_read_clock(catalogue.methods),
        allowed_methods=allowed_methods,
        status=order.status,
        closing=order.closing,
    )
    standings = {row.code: _find_standing(row, wish) for row in catalogue.methods}
    reasons = {
        row.code: find_hindrance(row, wish, catalogue) or standings[row.code].hindrance
        for row in catalogue.methods
    }
    if payer_token is not None and reasons.get(Method.BALANCE, "") is None:
        reasons[Method.BALANCE] = find_balance_refusal(
            order=order, merchant_no=merchant_no, payer_token=payer_token
        )
    verdicts = rank_methods(
        catalogue=catalogue,
        merchant_no=merchant_no,
        reasons=reasons,
        standings=standings,
        last_used=last_used or _find_last_used(merchant_no, payer_ref),
    )
    _keep(order, verdicts, catalogue, asked_by=asked_by, terminal=terminal, locale=locale)
    owner = (merchant_no, payer_ref) if with_cards else None
    return [_offer(row, catalogue, locale, owner) for row in verdicts]


def find_refusal(*, method: Method, wish: Wish) -> str | None:
    """Return why a method cannot carry this payment by the catalogue, or None; its channels are routing's matter.

    Asks nobody as long as the catalogue is remembered and the method has no hours.
    """
    catalogue = get_catalogue()
    row = catalogue.find_method(method)
    clock = _read_clock([row]) if row is not None else None
    return find_hindrance(row, replace(wish, clock=clock), catalogue)


def refuse_odd_options(
    *,
    method: Method,
    bank_code: str | None,
    wallet_code: str | None,
    card_token: str | None,
    card_bin: str | None = None,
) -> None:
    """Raise InvalidRequest for an option of another method, an empty card, a bank or wallet that is not offered, or
    first digits that are not 6 to 8 or stand beside a card that is known.

    Without a bank or wallet the institution lets the payer choose on its own page.
    """
    if card_bin is not None:
        _refuse_odd_bin(method, card_bin, card_token)
    own = _OPTION_NAMES.get(method)
    given = {"bank_code": bank_code, "wallet_code": wallet_code, "card_token": card_token}
    for option, value in given.items():
        if value is None:
            continue
        if option != own:
            _refuse(option, "conflict", f"{option} is not an option of {method}.")
        if option == "card_token":
            if not value:
                _refuse(option, "length", "card_token is empty: leave it out, or give a card.")
            continue
        known = [choice.code for choice in _list_choices(method, get_catalogue())]
        if value not in known:
            allowed = f"one of {', '.join(known)}" if known else "left out"
            _refuse(option, "unknown_value", f"{option} must be {allowed}.")


def _refuse_odd_bin(method: Method, card_bin: str, card_token: str | None) -> None:
    if method != Method.BANK_CARD:
        _refuse("card_bin", "conflict", f"card_bin is not an option of {method}.")
    if card_token is not None:
        _refuse(
            "card_bin", "conflict", "Give card_token or card_bin: a saved card has its channel."
        )
    if not (card_bin.isascii() and card_bin.isdigit() and 6 <= len(card_bin) <= 8):
        _refuse("card_bin", "format", "The first 6 to 8 digits of the card, never more.")


def _refuse(option: str, code: str, detail: str) -> None:
    raise InvalidRequest(detail, errors=(FieldError(f"options.{option}", code, detail),))


def _find_standing(row: MethodEntry, wish: Wish) -> Standing:
    """Ask routing how a method's channels stand for this payment."""
    if row.code == Method.BALANCE:
        return Standing()
    route = plan_route(
        merchant_no=wish.merchant_no,
        method=row.code,
        currency=wish.currency,
        amount=wish.amount or 1,
        terminal=wish.terminal or "WEB",
    )
    best = route.choice.candidates[0] if route.candidates else None
    if best is None:
        return Standing(find_route_hindrance(route))
    return Standing(None, best.success_ppm, best.cost_amount)


def _find_last_used(merchant_no: str, payer_ref: str | None) -> str | None:
    """Return the method that this payer of this merchant chose last; one round trip, none for an unnamed payer."""
    if payer_ref is None:
        return None
    rows = _LAST_USED.execute([merchant_no, payer_ref])
    return (rows[0][0] or b"").decode() if rows else None


def _keep(
    order: OrderView,
    verdicts: Sequence[Verdict],
    catalogue: Catalogue,
    *,
    asked_by: str,
    terminal: str,
    locale: str,
) -> None:
    """Keep the answer for an order that could have been paid; what an ended one is told needs no explanation."""
    if order.status not in {"INIT", "PAYING"} or order.closing:
        return
    keep_consult(
        order_no=order.order_no,
        verdicts=verdicts,
        asked_by=asked_by,
        terminal=terminal,
        locale=locale,
        catalogue_revision=catalogue.revision,
        book_version=get_route_book().version,
    )


def _offer(
    verdict: Verdict, catalogue: Catalogue, locale: str, owner: tuple[str, str | None] | None
) -> MethodOffer:
    row = catalogue.find_method(verdict.method)
    assert row is not None
    is_chinese = locale.lower().startswith("zh")
    return MethodOffer(
        code=verdict.method,
        name=row.name_zh if is_chinese else row.name_en,
        flow=row.flow,
        available=verdict.is_offered,
        reason_code=verdict.reason_code,
        rank=verdict.rank,
        options=_list_options(verdict.method, catalogue, is_chinese=is_chinese, owner=owner)
        if verdict.is_offered
        else [],
    )


def _list_options(
    method: Method, catalogue: Catalogue, *, is_chinese: bool, owner: tuple[str, str | None] | None
) -> list[Option]:
    if method == Method.BANK_CARD and owner is not None:
        merchant_no, payer_ref = owner
        cards = engine.list_saved_cards(merchant_no=merchant_no, payer_ref=payer_ref)
        return [Option(card.card_no, f"{card.brand} •••• {card.last4}") for card in cards]
    return [
        Option(option.code, option.name_zh if is_chinese else option.name_en)
        for option in _list_choices(method, catalogue)
    ]


def _list_choices(method: Method, catalogue: Catalogue) -> list[engine.PaymentOption]:
    """Return the banks or wallets of a method that channels know and the catalogue offers, in its order."""
    if method not in CHOICE_FIELDS:
        return []
    known = engine.list_payment_options(Capability(method))
    row = catalogue.find_method(method)
    if row is None or row.options is None:
        return list(known)
    by_code = {option.code: option for option in known}
    return [by_code[code] for code in row.options if code in by_code]


def _read_clock(rows: Sequence[MethodEntry]) -> str | None:
    """Return the time of the day as HH:MM, only when somebody has hours: it is a question to the database."""
    if all(row.hours is None for row in rows):
        return None
    return f"{database_now().astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE)):%H:%M}"
