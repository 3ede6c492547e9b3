"""What the setting CHANNELS may name, and what is said about what it may not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.test import override_settings

from engine.channels.base import Capability, Channel, PaymentOption, TimeLimits
from engine.channels.registry import (
    GuardedChannel,
    find_bad_channels,
    forget_channels,
    list_payment_options,
)
from engine.checks import check_channels
from tests.engine.scripted import ScriptedChannel


class Factory:
    """Makes a channel that differs from a good one in a stated way."""

    setting_names: tuple[str, ...] = ()

    def __init__(self, code: str = "shaped", **shape: Any) -> None:
        self.code, self._shape = code, shape

    def build(self, values: Mapping[str, Any]) -> Channel:
        channel = ScriptedChannel(self.code)
        for name, value in self._shape.items():
            setattr(channel, name.removeprefix("its_"), value)
        return channel


class Broken:
    """A factory that lacks what it needs."""

    code = "broken"
    setting_names = ("NO_SUCH_SETTING",)

    def build(self, values: Mapping[str, Any]) -> Channel:
        return ScriptedChannel(values["NO_SUCH_SETTING"])


GOOD = Factory()
OTHER = Factory("other")
TWIN = Factory()
LIAR = Factory(its_code="another")
UPPER = Factory("Bad/Code")
POOR = Factory(capabilities=frozenset({Capability.CLOSE}))
NAMELESS = Factory(merchant_account="")
ODD_OPTIONS = Factory(payment_options={Capability.WALLET: (PaymentOption("W", "W", "W"),)})
HASTY = Factory(time_limits=TimeLimits(pay_s=0))
DUMB = Factory(query=None)
BROKEN = Broken()
FIRST_WALLETS, SECOND_WALLETS = (
    Factory(
        code,
        capabilities=frozenset({Capability.WALLET}),
        payment_options={Capability.WALLET: tuple(PaymentOption(o, code, code) for o in wallets)},
    )
    for code, wallets in (("one", "AB"), ("two", "BC"))
)
HERE = "tests.engine.test_registry"


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["LIAR"], "the factory says 'shaped', its channel 'another'"),
        (["UPPER"], "cannot stand in an address"),
        (["POOR"], "no payment method"),
        (["NAMELESS"], "no merchant_account"),
        (["ODD_OPTIONS"], "which it does not declare"),
        (["HASTY"], "pay_s is not above 0"),
        (["DUMB"], "it has no query()"),
        (["BROKEN"], "NO_SUCH_SETTING"),
        (["GOOD", "TWIN"], "another channel has the code 'shaped'"),
        (["NOTHING"], "NOTHING"),
    ],
)
def test_a_bad_entry_stops_the_start_and_says_why(entries: list[str], said: str):
    with override_settings(CHANNELS=[f"{HERE}.{entry}" for entry in entries]):
        (error,) = check_channels()
    assert error.id == "engine.E002"
    assert said in error.msg
    assert f"{HERE}.{entries[-1]}" in error.msg


def test_good_entries_pass():
    assert check_channels() == []
    with override_settings(CHANNELS=[f"{HERE}.GOOD", f"{HERE}.OTHER"]):
        assert find_bad_channels() == []


def test_options_are_listed_over_all_channels_each_once():
    banks = list_payment_options(Capability.NET_BANKING)
    assert [bank.code for bank in banks] == ["ICBC", "CCB", "ABC", "BOC", "CMB"]
    assert banks[0].name_zh == "中国工商银行（沙箱）"
    assert list_payment_options(Capability.QR_CODE) == ()


def test_of_two_names_for_one_option_the_first_channels_counts():
    with override_settings(CHANNELS=[f"{HERE}.FIRST_WALLETS", f"{HERE}.SECOND_WALLETS"]):
        forget_channels()
        options = list_payment_options(Capability.WALLET)
    forget_channels()
    assert [(option.code, option.name_en) for option in options] == [
        ("A", "one"),
        ("B", "one"),
        ("C", "two"),
    ]


@pytest.mark.parametrize(("limit_s", "told"), [(-1.0, True), (5.0, False)])
def test_a_call_that_overran_is_reported(
    monkeypatch: pytest.MonkeyPatch, limit_s: float, told: bool
):
    errors: list[str] = []
    monkeypatch.setattr(
        "engine.channels.registry._log.error", lambda event, **_: errors.append(event)
    )
    channel = ScriptedChannel("slow", time_limits=TimeLimits(query_s=limit_s))
    call: Callable[[Any], Any] = GuardedChannel(channel).query

    class About:
        order_no = request_no = "x"

    call(About())
    assert errors == (["channel_call_overran"] if told else [])
