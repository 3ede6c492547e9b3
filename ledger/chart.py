"""The chart of accounts 会计科目表. Pure.

The database knows the same chart (``sql/account.sql``); a test proves that the two agree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger.contracts import AccountKind, InvalidPosting
from paymentplatform.kernel.money import is_currency

PLATFORM: Final = "platform"
"""Owner of the accounts there is one of per currency."""

INTERNAL: Final = "internal"
"""Owner of the refund account for money that never leaves the platform."""

MAX_POSTING: Final = 10**15
"""Largest amount of one posting, in minor units."""

_OWNER: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


class Side(StrEnum):
    """The side on which an account grows."""

    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


@dataclass(frozen=True, slots=True)
class KindRule:
    """How one kind of account behaves.

    ``balance_row``: an exact balance with holds, changed by each posting (payers). All other accounts are
    hot: never updated by a payment, roll-up plus tail. ``floored``: spending stops at zero.
    """

    kind: AccountKind
    name: str
    owner: str
    normal_side: Side
    balance_row: bool = False
    floored: bool = False


CHART: Final[dict[AccountKind, KindRule]] = {
    rule.kind: rule
    for rule in (
        KindRule(
            AccountKind.CHANNEL_RECEIVABLE, "Channel receivable 应收渠道", "channel", Side.DEBIT
        ),
        KindRule(AccountKind.BANK, "Bank 银行存款", "platform", Side.DEBIT),
        KindRule(AccountKind.CHANNEL_SHORT, "Short at channel 短款挂账", "channel", Side.DEBIT),
        KindRule(
            AccountKind.PAYER_BALANCE,
            "Payer balance 付款人余额",
            "payer",
            Side.CREDIT,
            balance_row=True,
            floored=True,
        ),
        KindRule(
            AccountKind.MERCHANT_PENDING,
            "Merchant pending 商户待结算",
            "merchant",
            Side.CREDIT,
            floored=True,
        ),
        KindRule(
            AccountKind.MERCHANT_AVAILABLE,
            "Merchant available 商户可用",
            "merchant",
            Side.CREDIT,
            floored=True,
        ),
        KindRule(
            AccountKind.PAYOUT_IN_FLIGHT,
            "Payout in flight 出款在途",
            "merchant",
            Side.CREDIT,
            floored=True,
        ),
        KindRule(
            AccountKind.REFUND_IN_TRANSIT,
            "Refund in transit 退款在途",
            "channel or internal",
            Side.CREDIT,
            floored=True,
        ),
        KindRule(AccountKind.SUSPENSE, "Suspense 长款挂账", "channel", Side.CREDIT, floored=True),
        KindRule(AccountKind.FEE_INCOME, "Fee income 手续费收入", "platform", Side.CREDIT),
        KindRule(AccountKind.CHANNEL_COST, "Channel cost 渠道成本", "channel", Side.DEBIT),
        KindRule(AccountKind.RECONCILIATION_LOSS, "Loss 对账损失", "platform", Side.DEBIT),
        KindRule(AccountKind.PLATFORM_CAPITAL, "Capital 平台资本", "platform", Side.CREDIT),
    )
}


@dataclass(frozen=True, slots=True)
class AccountCode:
    """The three parts of a code such as ``L20:mch_01k9…:CNY``."""

    kind: AccountKind
    owner: str
    currency: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.owner}:{self.currency}"


def build_account_code(*, kind: AccountKind, owner: str, currency: str) -> str:
    """Build an account's code. Raises InvalidPosting for an owner or currency that no account can have."""
    if not _OWNER.match(owner) or not is_currency(currency):
        message = f"no account can be {kind}:{owner}:{currency}"
        raise InvalidPosting(message)
    return f"{kind}:{owner}:{currency}"


def parse_account_code(code: str) -> AccountCode:
    """Take a code apart. Raises InvalidPosting when it is none."""
    parts = code.split(":")
    if len(parts) == 3 and parts[0] in set(AccountKind):
        kind, owner, currency = parts
        if _OWNER.match(owner) and is_currency(currency):
            return AccountCode(kind=AccountKind(kind), owner=owner, currency=currency)
    message = f"not an account code: {code!r}"
    raise InvalidPosting(message)


def payer_balance(*, payer_no: str, currency: str) -> str:
    """Build the code of a payer's balance account."""
    return build_account_code(kind=AccountKind.PAYER_BALANCE, owner=payer_no, currency=currency)


def merchant_pending(*, merchant_no: str, currency: str) -> str:
    """Build the code of a merchant's account for money that is not released yet."""
    return build_account_code(
        kind=AccountKind.MERCHANT_PENDING, owner=merchant_no, currency=currency
    )


def merchant_available(*, merchant_no: str, currency: str) -> str:
    """Build the code of a merchant's account for money that can be paid out."""
    return build_account_code(
        kind=AccountKind.MERCHANT_AVAILABLE, owner=merchant_no, currency=currency
    )


def payout_in_flight(*, merchant_no: str, currency: str) -> str:
    """Build the code of a merchant's account for money on its way to his bank account."""
    return build_account_code(
        kind=AccountKind.PAYOUT_IN_FLIGHT, owner=merchant_no, currency=currency
    )


def channel_receivable(*, channel_code: str, currency: str) -> str:
    """Build the code of what a channel owes the platform."""
    return build_account_code(
        kind=AccountKind.CHANNEL_RECEIVABLE, owner=channel_code, currency=currency
    )


def channel_short(*, channel_code: str, currency: str) -> str:
    """Build the code of money that we have paid for and the channel says it never took."""
    return build_account_code(kind=AccountKind.CHANNEL_SHORT, owner=channel_code, currency=currency)


def channel_cost(*, channel_code: str, currency: str) -> str:
    """Build the code of what a channel has charged the platform for its services."""
    return build_account_code(kind=AccountKind.CHANNEL_COST, owner=channel_code, currency=currency)


def suspense(*, channel_code: str, currency: str) -> str:
    """Build the code of a channel's money whose reason is not known yet."""
    return build_account_code(kind=AccountKind.SUSPENSE, owner=channel_code, currency=currency)


def refund_in_transit(*, channel_code: str | None, currency: str) -> str:
    """Build the code of refunds on their way through a channel, or inside the platform (None)."""
    return build_account_code(
        kind=AccountKind.REFUND_IN_TRANSIT, owner=channel_code or INTERNAL, currency=currency
    )


def platform_account(*, kind: AccountKind, currency: str) -> str:
    """Build the code of an account that the platform has once per currency."""
    return build_account_code(kind=kind, owner=PLATFORM, currency=currency)
