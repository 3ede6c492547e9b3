"""Money for people and for fees."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paymentplatform.kernel.money import (
    CURRENCY_EXPONENTS,
    MAX_AMOUNT,
    format_amount,
    format_decimal,
    parse_decimal,
    share_half_up,
)


@pytest.mark.parametrize(
    ("amount", "rate_ppm", "share"),
    [(1, 500_000, 1), (1, 499_999, 0), (250, 6_000, 2), (249, 6_000, 1), (0, 6_000, 0)],
)
def test_a_share_is_rounded_half_up(amount: int, rate_ppm: int, share: int):
    assert share_half_up(amount, rate_ppm) == share


@given(amount=st.integers(0, MAX_AMOUNT), rate_ppm=st.integers(0, 1_000_000))
def test_a_share_is_never_more_than_the_whole(amount: int, rate_ppm: int):
    assert 0 <= share_half_up(amount, rate_ppm) <= amount


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(123456, "CNY", "1,234.56"), (5, "CNY", "0.05"), (1234, "JPY", "1,234"), (1, "KWD", "0.001")],
)
def test_minor_units_are_written_with_the_currencys_decimals(amount: int, currency: str, text: str):
    assert format_amount(amount, currency) == text


@given(amount=st.integers(0, MAX_AMOUNT), currency=st.sampled_from(sorted(CURRENCY_EXPONENTS)))
def test_what_was_written_is_read_again(amount: int, currency: str):
    assert parse_decimal(format_decimal(amount, currency), currency) == amount


@pytest.mark.parametrize(("text", "amount"), [("80", 8000), ("80.5", 8050), ("0.01", 1)])
def test_decimals_may_be_left_out(text: str, amount: int):
    assert parse_decimal(text, "USD") == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        *(
            (text, "CNY")
            for text in ("", ".", "1.", ".5", "-1", "+1", "1,000", "1.234", "1e3", "１", "1 ")
        ),
        ("1.5", "JPY"),
        ("1", "XXX"),
    ],
)
def test_what_is_no_amount_is_refused(text: str, currency: str):
    with pytest.raises(ValueError, match=r"amount|currency"):
        parse_decimal(text, currency)
