"""The catalogue of methods 支付方式目录: read out of memory, changed by operators."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from django.db.models import F

from acquiring.contracts import Method
from checkout.catalogue import AmountLimits, Catalogue, Hours, MerchantChoice, MethodEntry
from checkout.models import CatalogueStamp, MerchantMethod, PaymentMethod
from paymentplatform.kernel import transactions
from paymentplatform.kernel.cache import ConfigCache
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.errors import FieldError, InvalidRequest, NotFound
from paymentplatform.kernel.field_errors import build_field_error
from paymentplatform.kernel.money import MAX_AMOUNT, is_currency

KEPT_S: Final = 5
"""A change counts everywhere about so many seconds after its transaction."""

_TERMINALS: Final = ("WEB", "WAP", "APP")
_MOST_PREFERENCE: Final = 100


class MethodTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What operators may change of a method; see ``models.PaymentMethod``."""

    position: int
    is_on: bool
    name_en: str
    name_zh: str
    currencies: list[str] | None
    amount_limits: dict[str, AmountLimits]
    terminals: list[str] | None
    locales: list[str] | None
    hours: list[Hours] | None
    options: list[str] | None


def get_catalogue() -> Catalogue:
    """Return the catalogue, some seconds old at most."""
    return _catalogues.get("")


@transactions.start
def change_method(*, method: str, terms: dict[str, Any]) -> None:
    """Give a method other terms (start). Raises NotFound, and InvalidRequest that names what is wrong."""
    checked = _check_terms(terms)
    _lock_catalogue()
    row = PaymentMethod.objects.filter(code=method).first()
    if row is None:
        raise NotFound
    for name, value in msgspec.to_builtins(checked).items():
        setattr(row, name, value)
    row.save()
    transactions.after_commit(_catalogues.forget)


@transactions.start
def choose_for_merchant(
    *, merchant_no: str, method: str, is_on: bool, preference: int | None
) -> None:
    """Switch a method on or off for one merchant, or say how early it is shown (start).

    ``preference`` 1 to 100, the least first; None takes it back. Raises NotFound for an unknown method.
    """
    if preference is not None and not 1 <= preference <= _MOST_PREFERENCE:
        detail = f"1 to {_MOST_PREFERENCE}"
        raise InvalidRequest(detail, errors=(FieldError("preference", "range", detail),))
    _lock_catalogue()
    if not PaymentMethod.objects.filter(code=method).exists():
        raise NotFound
    MerchantMethod.objects.update_or_create(
        merchant_no=merchant_no,
        method_id=method,
        defaults={"is_on": is_on, "preference": preference},
    )
    transactions.after_commit(_catalogues.forget)


def _lock_catalogue() -> None:
    """Move the stamp on, which also lets changes come one after the other."""
    CatalogueStamp.objects.filter(pk=1).update(revision=F("revision") + 1, changed_at=PlatformNow())


def _check_terms(terms: dict[str, Any]) -> MethodTerms:
    try:
        checked = msgspec.convert(terms, MethodTerms)
    except msgspec.ValidationError as error:
        fault = build_field_error("", error)
        raise InvalidRequest(f"{fault.field}: {fault.detail}", errors=(fault,)) from None
    faults = [*_find_faults(checked)]
    if faults:
        detail = "; ".join(f"{fault.field}: {fault.detail}" for fault in faults)
        raise InvalidRequest(detail, errors=tuple(faults))
    return checked


def _find_faults(terms: MethodTerms) -> list[FieldError]:
    named = {"currencies": terms.currencies or (), "amount_limits": terms.amount_limits}
    faults = [
        FieldError(name, "unknown_value", f"{code} is not enabled")
        for name, codes in named.items()
        for code in codes
        if not is_currency(code)
    ]
    faults += [
        FieldError(name, "length", "1 to 64 characters")
        for name in ("name_en", "name_zh")
        if not 1 <= len(getattr(terms, name)) <= 64
    ]
    faults += [
        FieldError("amount_limits", "range", f"{code}: holds no amount")
        for code, limits in terms.amount_limits.items()
        if not 1 <= (limits.min or 1) <= (limits.max or MAX_AMOUNT) <= MAX_AMOUNT
    ]
    clocks = [clock for row in terms.hours or () for clock in (row.start, row.end)]
    rules = (
        (1 <= terms.position <= 1000, "position", "range", "1 to 1000"),
        (
            set(terms.terminals or ()) <= set(_TERMINALS),
            "terminals",
            "unknown_value",
            "WEB, WAP, APP",
        ),
        (all(map(_is_language, terms.locales or ())), "locales", "format", "like zh or en-gb"),
        (all(map(_is_clock, clocks)), "hours", "format", "times as HH:MM"),
    )
    faults += [FieldError(*fault) for holds, *fault in rules if not holds]
    return faults


def _is_language(text: str) -> bool:
    return bool(text) and text == text.lower()


def _is_clock(text: str) -> bool:
    hours, colon, minutes = text.partition(":")
    return (
        len(text) == 5
        and colon == ":"
        and text.isascii()
        and hours.isdigit()
        and minutes.isdigit()
        and int(hours) < 24
        and int(minutes) < 60
    )


def _load(_key: str) -> Catalogue:
    revision = int(str(_read_stamp("") or 0))
    choices: dict[str, dict[str, MerchantChoice]] = {}
    for row in MerchantMethod.objects.all():
        choice = MerchantChoice(row.is_on, row.preference)
        choices.setdefault(row.merchant_no, {})[row.method_id] = choice
    rows = PaymentMethod.objects.order_by("position", "code")
    return Catalogue(revision, tuple(_read_method(row) for row in rows), choices)


def _read_method(row: PaymentMethod) -> MethodEntry:
    return MethodEntry(
        code=Method(row.code),
        position=row.position,
        is_on=row.is_on,
        flow=row.flow,
        name_en=row.name_en,
        name_zh=row.name_zh,
        currencies=_tuple(row.currencies),
        amount_limits=msgspec.convert(row.amount_limits, dict[str, AmountLimits]),
        terminals=_tuple(row.terminals),
        locales=_tuple(row.locales),
        hours=msgspec.convert(row.hours, tuple[Hours, ...] | None),
        options=_tuple(row.options),
    )


def _tuple(value: list[str] | None) -> tuple[str, ...] | None:
    return None if value is None else tuple(value)


def _read_stamp(_key: str) -> object:
    return CatalogueStamp.objects.values_list("revision", flat=True).get(pk=1)


_catalogues: ConfigCache[str, Catalogue] = ConfigCache(
    _load, name="catalogue", seconds=KEPT_S, read_stamp=_read_stamp
)
