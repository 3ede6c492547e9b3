"""Money is an integer count of minor units beside an ISO 4217 code. Never a float, never a decimal column.

Pure: imports no framework.
"""

from __future__ import annotations

from typing import Final

MAX_AMOUNT: Final = 999_999_999_999
"""Largest amount of one order, payment or refund, in minor units."""

CURRENCY_EXPONENTS: Final[dict[str, int]] = {
    "AED": 2, "AUD": 2, "BHD": 3, "BRL": 2, "CAD": 2, "CHF": 2, "CNY": 2, "CZK": 2, "DKK": 2,
    "EUR": 2, "GBP": 2, "HKD": 2, "HUF": 2, "IDR": 2, "ILS": 2, "INR": 2, "JPY": 0, "KRW": 0,
    "KWD": 3, "MOP": 2, "MXN": 2, "MYR": 2, "NOK": 2, "NZD": 2, "OMR": 3, "PHP": 2, "PLN": 2,
    "SAR": 2, "SEK": 2, "SGD": 2, "THB": 2, "TRY": 2, "TWD": 2, "USD": 2, "VND": 0, "ZAR": 2,
}  # fmt: skip
"""The currencies the platform takes, with the number of decimals of each (ISO 4217 list one)."""


def is_currency(code: str) -> bool:
    """Tell whether this is an ISO 4217 code the platform takes (upper case only)."""
    return code in CURRENCY_EXPONENTS


def format_amount(amount: int, currency: str) -> str:
    """Write minor units for people: ``format_amount(123456, "CNY") == "1,234.56"``; JPY has no decimals."""
    exponent = CURRENCY_EXPONENTS[currency]
    sign = "-" if amount < 0 else ""
    whole, fraction = divmod(abs(amount), 10**exponent)
    return f"{sign}{whole:,}" + (f".{fraction:0{exponent}d}" if exponent else "")


def format_decimal(amount: int, currency: str) -> str:
    """Write minor units for machines that want decimals: ``format_decimal(-123456, "CNY") == "-1234.56"``."""
    return format_amount(amount, currency).replace(",", "")


def parse_decimal(text: str, currency: str) -> int:
    """Read an amount as people write it, in minor units: ``parse_decimal("80.00", "USD") == 8000``.

    Raises ValueError for another currency, more decimals than it has, a sign, blanks or separators.
    """
    exponent = CURRENCY_EXPONENTS.get(currency)
    if exponent is None:
        message = f"{currency!r} is no currency that the platform takes"
        raise ValueError(message)
    whole, point, fraction = text.partition(".")
    digits = whole + fraction
    decimals_fit = 1 <= len(fraction) <= exponent if point else True
    if not (whole and digits.isascii() and digits.isdecimal() and decimals_fit):
        message = f"{text!r} is no amount in {currency}, which has {exponent} decimals"
        raise ValueError(message)
    return int(whole + fraction.ljust(exponent, "0"))


def share_half_up(amount: int, rate_ppm: int) -> int:
    """Return ``rate_ppm`` millionths of ``amount``, rounded half up to the minor unit (both non-negative)."""
    return (amount * rate_ppm + 500_000) // 1_000_000
