"""The banks and wallets of the sandbox institution, as its documentation lists them for its merchants. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from engine.channels.base import Capability, PaymentOption

PAYMENT_OPTIONS: Final[Mapping[Capability, tuple[PaymentOption, ...]]] = MappingProxyType(
    {
        Capability.NET_BANKING: (
            PaymentOption("ICBC", "ICBC (sandbox)", "中国工商银行（沙箱）"),
            PaymentOption("CCB", "CCB (sandbox)", "中国建设银行（沙箱）"),
            PaymentOption("ABC", "ABC (sandbox)", "中国农业银行（沙箱）"),
            PaymentOption("BOC", "Bank of China (sandbox)", "中国银行（沙箱）"),
            PaymentOption("CMB", "CMB (sandbox)", "招商银行（沙箱）"),
        ),
        Capability.WALLET: (
            PaymentOption("BLUE_WALLET", "Blue Wallet (sandbox)", "蓝色钱包（沙箱）"),
            PaymentOption("GREEN_WALLET", "Green Wallet (sandbox)", "绿色钱包（沙箱）"),
        ),
    }
)
