"""How a refund is split over assets, and how the fee returns: figures only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.refund_split import RefundableAsset, RefundPart, share_returned_fee, split_refund
from paymentplatform.kernel.money import MAX_AMOUNT

BALANCE = RefundableAsset("pdt_1", None, 3_000)
CARD = RefundableAsset("pdt_2", "sandbox", 7_000)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (1, [("sandbox", 1)]),
        (7_000, [("sandbox", 7_000)]),
        (7_001, [("sandbox", 7_000), (None, 1)]),
        (10_000, [("sandbox", 7_000), (None, 3_000)]),
    ],
)
def test_the_external_asset_gives_first(amount: int, expected: list[tuple[str | None, int]]):
    parts = split_refund(amount=amount, assets=[BALANCE, CARD])
    assert [(part.channel_code, part.amount) for part in parts] == expected


def test_an_empty_asset_gives_nothing():
    empty = RefundableAsset("pdt_2", "sandbox", 0)
    assert split_refund(amount=5, assets=[empty, BALANCE]) == (RefundPart("pdt_1", None, 5),)


@pytest.mark.parametrize("amount", [10_001, 0])
def test_what_is_not_there_is_a_bug(amount: int):
    with pytest.raises(ValueError, match="cannot be refunded"):
        split_refund(amount=amount, assets=[BALANCE, CARD])


@pytest.mark.parametrize(
    ("fee", "paid", "amounts", "expected"),
    [
        (6, 1_000, [333, 333, 334], [2, 2, 2]),  # 1.998, then the rest
        (60, 10_000, [10_000], [60]),
        (5, 1_000, [100, 900], [1, 4]),  # half up
        (5, 1_000, [99, 901], [0, 5]),
        (5, 10, [1] * 10, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]),  # never above the fee
        (1, 3, [1, 1, 1], [0, 0, 1]),  # the last one takes the rest
        (49, 100, [1] * 100, [0] * 51 + [1] * 49),  # and can always take it
        (0, 10, [4, 6], [0, 0]),
    ],
)
def test_the_fee_returns_pro_rata(fee: int, paid: int, amounts: list[int], expected: list[int]):
    returned: list[int] = []
    refunded = 0
    for amount in amounts:
        part = share_returned_fee(
            fee=fee,
            paid=paid,
            fee_left=fee - sum(returned),
            paid_left=paid - refunded,
            amount=amount,
        )
        returned.append(part)
        refunded += amount
    assert returned == expected


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, bool]]]:
    """A payment, its fee, and refunds of it: a share of what is left, and whether it comes to nothing."""
    paid = draw(st.one_of(st.integers(1, 200), st.integers(1, MAX_AMOUNT)))
    fee = draw(st.integers(0, paid))
    steps = draw(st.lists(st.tuples(st.integers(1, 1_000), st.booleans()), max_size=30))
    return paid, fee, steps


@given(history=histories(), fails_late=st.booleans())
def test_successful_refunds_return_exactly_the_fee_and_never_more(
    history: tuple[int, int, list[tuple[int, bool]]], fails_late: bool
):
    """Whatever is refunded in whatever parts, and however much of it fails, at once or long after."""
    paid, fee, steps = history
    alive: list[tuple[int, int]] = []
    doomed: list[tuple[int, int]] = []

    def accept(amount: int) -> tuple[int, int]:
        counted = [*alive, *doomed]
        part = share_returned_fee(
            fee=fee,
            paid=paid,
            fee_left=fee - sum(returned for _, returned in counted),
            paid_left=paid - sum(refunded for refunded, _ in counted),
            amount=amount,
        )
        assert 0 <= part <= amount
        assert sum(returned for _, returned in counted) + part <= fee
        return amount, part

    for share, fails in steps:
        left = paid - sum(refunded for refunded, _ in [*alive, *doomed])
        if left == 0:
            doomed.clear()
            continue
        made = accept(max(1, left * share // 1_000))
        (doomed if fails else alive).append(made)
        if fails and not fails_late:
            doomed.clear()
    doomed.clear()
    left = paid - sum(refunded for refunded, _ in alive)
    if left:
        alive.append(accept(left))
    assert sum(refunded for refunded, _ in alive) == paid
    assert sum(returned for _, returned in alive) == fee
