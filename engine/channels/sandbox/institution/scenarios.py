"""What the institution does for each scenario, as one table (README.md tells it in words). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class AtPay(StrEnum):
    """What the pay call does to the book."""

    NATURAL = "natural"  # wait for the payer where there is one to wait for, else charge
    CHARGE = "charge"  # charge at once, whatever the method
    WAIT = "wait"  # stay pending, whatever the method
    DECLINE = "decline"
    IGNORE = "ignore"  # nothing is written at all


class Reply(StrEnum):
    """How the pay call is answered once the book is written."""

    PLAIN = "plain"
    PENDING = "pending"  # signed, but says PENDING although the charge is made
    MISSING = "missing"
    SLOW = "slow"
    GARBLED = "garbled"
    UNSIGNED = "unsigned"


class Notify(StrEnum):
    """Which notifications follow a charge."""

    ONCE = "once"
    FIVE_TIMES = "five_times"
    OLDER_AFTER_NEWER = "older_after_newer"
    LATE = "late"
    FORGED_FIRST = "forged_first"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row of the table; the defaults are ``success``."""

    at_pay: AtPay = AtPay.NATURAL
    reply: Reply = Reply.PLAIN
    notify: Notify = Notify.ONCE
    failure_code: str = "CARD_DECLINED"
    only_channel: str | None = None
    """The other acquirer behaves as in ``success``."""
    charge_after_close: bool = False
    charged_difference: int = 0
    refund_reply: Reply = Reply.PLAIN
    refund_declined: bool = False
    three_d_secure: bool = False


SUCCESS: Final = Scenario()

SCENARIOS: Final[dict[str, Scenario]] = {
    "success": SUCCESS,
    "slow": Scenario(at_pay=AtPay.CHARGE, reply=Reply.SLOW),
    "duplicate_notifications": Scenario(notify=Notify.FIVE_TIMES),
    "out_of_order": Scenario(reply=Reply.PENDING, notify=Notify.OLDER_AFTER_NEWER),
    "unknown_then_success": Scenario(at_pay=AtPay.CHARGE, reply=Reply.MISSING, notify=Notify.LATE),
    "garbled_response": Scenario(at_pay=AtPay.CHARGE, reply=Reply.GARBLED, notify=Notify.LATE),
    "unsigned_response": Scenario(at_pay=AtPay.CHARGE, reply=Reply.UNSIGNED, notify=Notify.LATE),
    "forged_notification": Scenario(reply=Reply.PENDING, notify=Notify.FORGED_FIRST),
    "decline": Scenario(at_pay=AtPay.DECLINE),
    "insufficient_funds": Scenario(at_pay=AtPay.DECLINE, failure_code="INSUFFICIENT_FUNDS"),
    "decline_retriable": Scenario(
        at_pay=AtPay.DECLINE, failure_code="ACQUIRER_BUSY", only_channel="sandbox"
    ),
    "not_sent": SUCCESS,  # the adapter of `sandbox` dials a closed port; whoever gets through is charged
    "unknown_then_not_charged": Scenario(at_pay=AtPay.IGNORE, reply=Reply.MISSING),
    "success_after_close": Scenario(at_pay=AtPay.WAIT, charge_after_close=True),
    "amount_mismatch": Scenario(charged_difference=-1),
    "refund_unknown": Scenario(refund_reply=Reply.MISSING),
    "refund_decline": Scenario(refund_declined=True),
    "statement_missing": SUCCESS,  # these three: see statement.py
    "statement_extra": SUCCESS,
    "statement_amount_differs": SUCCESS,
    "3ds": Scenario(three_d_secure=True),
}

TEST_CARDS: Final[dict[str, str]] = {
    "4242424242424242": "success",
    "4000000000000002": "decline",
    "4000000000009995": "insufficient_funds",
    "4000000000003220": "3ds",
    "4000000000000119": "unknown_then_success",
}


HAND_SCENARIOS: Final = (
    "decline",
    "insufficient_funds",
    "amount_mismatch",
    "duplicate_notifications",
    "out_of_order",
    "forged_notification",
    "unknown_then_success",
    "success_after_close",
    "refund_unknown",
    "refund_decline",
    "statement_missing",
    "statement_extra",
    "statement_amount_differs",
)
"""What a payer may still choose on a page; the others are about the answer to the pay call, which is over by then."""


def find_scenario(name: str, *, channel: str) -> Scenario:
    """Return what this acquirer does for a scenario; the name must be known."""
    scenario = SCENARIOS[name]
    return SUCCESS if scenario.only_channel not in (None, channel) else scenario
