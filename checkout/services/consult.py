"""Consult 支付方式咨询: which methods an order can be paid with, ranked, each with a reason when not offered."""

from __future__ import annotations

from typing import Final

from acquiring.contracts import Method, OrderView
from checkout.contracts import MethodOffer, Option
from engine import api as engine
from engine.contracts import Capability

_CATALOGUE: Final[tuple[tuple[Method, str, dict[str, str]], ...]] = (
    (Method.BALANCE, "password", {"en": "Wallet balance", "zh": "余额支付"}),
    (Method.QR_CODE, "qr_code", {"en": "Scan a QR code", "zh": "扫码支付"}),
    (Method.WALLET, "redirect", {"en": "Third-party wallet", "zh": "第三方钱包"}),
    (Method.BANK_CARD, "redirect", {"en": "Bank card", "zh": "银行卡"}),
    (Method.NET_BANKING, "redirect", {"en": "Net banking", "zh": "网上银行"}),
)
_OPEN: Final = frozenset({Method.BALANCE, Method.QR_CODE})
"""Methods opened to payers; the others are in the catalogue with the reason ``not_enabled``."""


def list_methods(
    *,
    order: OrderView,
    allowed_methods: list[str] | None,
    locale: str = "zh-hans",
) -> list[MethodOffer]:
    """Return every method of the catalogue, the offered ones first; advice only, acceptance checks again."""
    language = "zh" if locale.lower().startswith("zh") else "en"
    offers = []
    for method, flow, names in _CATALOGUE:
        reason = find_refusal(method=method, order=order, allowed_methods=allowed_methods)
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
            options=list[Option](),
        )
        for rank, (_, method, name, flow, reason) in enumerate(offers, start=1)
    ]


def find_refusal(
    *, method: Method, order: OrderView | None, allowed_methods: list[str] | None
) -> str | None:
    """Return why a method is not offered, or None: ``not_allowed_by_merchant``, ``not_enabled``, ``no_channel``."""
    if order is not None and order.status not in {"INIT", "PAYING"}:
        return "order_not_payable"
    if allowed_methods is not None and method not in allowed_methods:
        return "not_allowed_by_merchant"
    if method not in _OPEN:
        return "not_enabled"
    currency = order.currency if order is not None else None
    if method != Method.BALANCE and not list_candidates(method=method, currency=currency):
        return "no_channel"
    return None


def list_candidates(*, method: Method, currency: str | None = None) -> tuple[str, ...]:
    """Return the codes of the channels that take this method now, in the order in which they are tried."""
    channels = engine.list_channels(Capability(method), currency=currency)
    return tuple(channel.code for channel in channels)
