"""The plan of an asset exchange: legs are positive, add up to the amount, one of them at most is external."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange import (
    ExchangePlan,
    ExternalLeg,
    ImpossibleExchange,
    InternalAsset,
    InternalLeg,
    plan_exchange,
)
from paymentplatform.kernel.money import MAX_AMOUNT

amounts = st.integers(1, MAX_AMOUNT)
payers = st.just("pyr_a")
assets = st.lists(
    st.builds(InternalAsset, payer_no=payers, spendable=st.integers(-5, MAX_AMOUNT)), max_size=4
)


@given(amount=amounts, sources=assets, method=st.sampled_from(["QR_CODE", "BANK_CARD"]))
def test_every_plan_makes_exactly_the_amount(
    amount: int, sources: list[InternalAsset], method: str
):
    plan = plan_exchange(amount=amount, assets=sources, external_method=method)

    external = [plan.external] if plan.external is not None else []
    legs = [leg.amount for leg in (*plan.internal, *external)]
    assert sum(legs) == amount
    assert min(legs) >= 1
    assert len(external) <= 1
    assert plan.internal_amount + sum(leg.amount for leg in external) == amount
    assert plan == plan_exchange(amount=amount, assets=tuple(sources), external_method=method)


@given(amount=amounts, sources=assets)
def test_internal_assets_come_first_and_give_no_more_than_they_may(
    amount: int, sources: list[InternalAsset]
):
    plan = plan_exchange(amount=amount, assets=sources, external_method="QR_CODE")

    there = sum(max(0, source.spendable) for source in sources)
    assert plan.internal_amount == min(amount, there)
    assert (plan.external is None) == (there >= amount)
    givers = [source for source in sources if source.spendable > 0]
    for leg, source in zip(plan.internal, givers, strict=False):
        assert leg.amount <= source.spendable


@given(amount=amounts, sources=assets)
def test_without_an_external_method_the_assets_must_be_enough(
    amount: int, sources: list[InternalAsset]
):
    there = sum(max(0, source.spendable) for source in sources)
    if there < amount:
        with pytest.raises(ImpossibleExchange):
            plan_exchange(amount=amount, assets=sources, external_method=None)
    else:
        plan = plan_exchange(amount=amount, assets=sources, external_method=None)
        assert plan.external is None


@pytest.mark.parametrize(
    ("amount", "internal", "external"),
    [
        (10, (), None),
        (10, (InternalLeg("pyr_a", 9),), None),
        (10, (InternalLeg("pyr_a", 11),), None),
        (10, (InternalLeg("pyr_a", 11),), ExternalLeg("QR_CODE", -1)),
        (10, (InternalLeg("pyr_a", 0),), ExternalLeg("QR_CODE", 10)),
        (10, (InternalLeg("pyr_a", 5), InternalLeg("pyr_b", 5)), None),
        (0, (), ExternalLeg("QR_CODE", 0)),
    ],
)
def test_a_plan_that_makes_or_loses_money_does_not_exist(
    amount: int, internal: tuple[InternalLeg, ...], external: ExternalLeg | None
):
    with pytest.raises(ImpossibleExchange):
        ExchangePlan(amount, internal, external)
