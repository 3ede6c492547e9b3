"""Consult 支付方式咨询: which methods an order can be paid with, ranked, each with a reason when not offered."""

from __future__ import annotations

from typing import Final

from acquiring.contracts import Method, OrderView
from checkout.contracts import MethodOffer, Option
from checkout.services.balance_offer import find_balance_refusal
from engine import api as engine
from engine.contracts import Capability
from paymentplatform.kernel.errors import FieldError, InvalidRequest

_CATALOGUE: Final[tuple[tuple[Method, str, dict[str, str]], ...]] = (
    (Method.BALANCE, "password", {"en": "Wallet balance", "zh": "余额支付"}),
    (Method.QR_CODE, "qr_code", {"en": "Scan a QR code", "zh": "扫码支付"}),
    (Method.WALLET, "redirect", {"en": "Third-party wallet", "zh": "第三方钱包"}),
    (Method.BANK_CARD, "redirect", {"en": "Bank card", "zh": "银行卡"}),
    (Method.NET_BANKING, "redirect", {"en": "Net banking", "zh": "网上银行"}),
)
_OPTION_NAMES: Final = {
    Method.WALLET: "wallet_code",
    Method.NET_BANKING: "bank_code",
    Method.BANK_CARD: "card_token",
}
"""The member of a payment's ``options`` that names the choice inside a method."""


def list_methods(
    *,
    order: OrderView,
    allowed_methods: list[str] | None,
    locale: str = "zh-hans",
    merchant_no: str | None = None,
    payer_ref: str | None = None,
    payer_token: str | None = None,
) -> list[MethodOffer]:
    """Return every method of the catalogue, the offered ones first; advice only, acceptance checks again.

    With a merchant's ``payer_token`` BALANCE is offered when that agreement can pay the whole order now.
    ``options`` are the banks or wallets of a method in the wished language. Given the merchant and its own name of
    the payer, those of BANK_CARD are the payer's saved cards: never give them on pages that anybody with a link opens.
    """
    language = "zh" if locale.lower().startswith("zh") else "en"
    offers = []
    for method, flow, names in _CATALOGUE:
        reason = find_refusal(method=method, order=order, allowed_methods=allowed_methods)
        if reason is None and method == Method.BALANCE and merchant_no and payer_token is not None:
            reason = find_balance_refusal(
                order=order, merchant_no=merchant_no, payer_token=payer_token
            )
        offers.append((reason is not None, method, names[language], flow, reason))
    offers.sort(key=lambda offer: offer[0])
    return [
        MethodOffer(
            code=method,
            name=name,
            flow=flow,
            available=reason is None,
            reason_code=reason,
            rank=rank,
            options=[]
            if reason is not None
            else _list_options(
                method=method, language=language, merchant_no=merchant_no, payer_ref=payer_ref
            ),
        )
        for rank, (_, method, name, flow, reason) in enumerate(offers, start=1)
    ]


def find_refusal(
    *, method: Method, order: OrderView | None, allowed_methods: list[str] | None
) -> str | None:
    """Return why a method is not offered, or None. Without an order only its methods and channels are looked at."""
    if order is not None and order.status not in {"INIT", "PAYING"}:
        return "order_not_payable"
    if order is not None and order.closing:
        return "order_closing"
    if allowed_methods is not None and method not in allowed_methods:
        return "not_allowed_by_merchant"
    currency = order.currency if order is not None else None
    if method != Method.BALANCE and not any(
        channel.takes_method and not channel.is_over_limit
        for channel in engine.list_channel_facts(method=Capability(method), currency=currency)
    ):
        return "no_channel"
    return None


def refuse_odd_options(
    *, method: Method, bank_code: str | None, wallet_code: str | None, card_token: str | None
) -> None:
    """Raise InvalidRequest for an option of another method, an empty card, or a bank or wallet that nobody knows.

    Without a bank or wallet the institution lets the payer choose on its own page.
    """
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
        known = [choice.code for choice in engine.list_payment_options(Capability(method))]
        if value not in known:
            allowed = f"one of {', '.join(known)}" if known else "left out"
            _refuse(option, "unknown_value", f"{option} must be {allowed}.")


def _refuse(option: str, code: str, detail: str) -> None:
    raise InvalidRequest(detail, errors=(FieldError(f"options.{option}", code, detail),))


def _list_options(
    *, method: Method, language: str, merchant_no: str | None, payer_ref: str | None
) -> list[Option]:
    if method == Method.BANK_CARD and merchant_no is not None:
        cards = engine.list_saved_cards(merchant_no=merchant_no, payer_ref=payer_ref)
        return [Option(card.card_no, f"{card.brand} •••• {card.last4}") for card in cards]
    if method not in {Method.WALLET, Method.NET_BANKING}:
        return []
    return [
        Option(option.code, option.name_zh if language == "zh" else option.name_en)
        for option in engine.list_payment_options(Capability(method))
    ]
