"""The words of late money 迟到资金: its states, why it came, what can be decided, what is refused. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from paymentplatform.kernel.errors import Action, Conflict


class LateMoneyStatus(StrEnum):
    """States of late money 迟到资金; REFUNDED and HONOURED are terminal."""

    OPEN = "OPEN"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"
    HONOURED = "HONOURED"


class LateMoneyReason(StrEnum):
    """Why a trade could not use the money."""

    SUCCESS_AFTER_CLOSE = "success_after_close"
    SUCCESS_AFTER_FAILURE = "success_after_failure"
    CHARGED_TWICE = "charged_twice"
    PAYMENT_ENDED = "payment_ended"
    AMOUNT_MISMATCH = "amount_mismatch"


class LateMoneyDecision(StrEnum):
    """What can be done about it: give it back, or let the merchant have it."""

    REFUND = "REFUND"
    HONOUR = "HONOUR"


class HeldDecision(StrEnum):
    """What two operators can do about it. PULLED_BACK: its payer has it by a chargeback that the platform bore."""

    REFUND = "REFUND"
    HONOUR = "HONOUR"
    PULLED_BACK = "PULLED_BACK"


def name_pulled_back(late_money_no: str, *, before: int) -> str:
    """Name the journal of a part that was pulled back: the number itself; of further parts, with what was before."""
    return f"{late_money_no}/{before}" if before else late_money_no


@dataclass(frozen=True, slots=True)
class LateMoneyState:
    """Late money as it stands; amounts in minor units. ``respond_by`` is until when its merchant is asked.

    Of ``amount`` ``pulled_back_amount`` goes to nobody any more: its payer has it by a chargeback.
    """

    late_money_no: str
    order_no: str
    payment_no: str
    merchant_no: str
    status: str
    policy: str
    amount: int
    pulled_back_amount: int
    currency: str
    channel_code: str
    reason: str
    respond_by: datetime | None
    created_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class LateMoneyTotal:
    """Late money of one channel and currency that has not ended; ``overdue`` ones are past the SLA."""

    channel_code: str
    currency: str
    count: int
    amount: int
    overdue: int


class LateMoneyNotOpen(Conflict):
    """It is being refunded, or has ended; the deadline may have come first."""

    code = "late_money_not_open"
    title = "The late money is not open any more"
    final = True


class LateMoneyNotAsked(Conflict):
    """The policy that applies to it is not ASK: there is nothing for the merchant to decide."""

    code = "late_money_not_asked"
    title = "The merchant was not asked about this late money"
    action = Action.CONTACT


class LateMoneyOrderPaying(Conflict):
    """Whoever kept late money of an order that is being paid would be paid twice: wait, or close the order."""

    code = "late_money_order_paying"
    title = "Its order is being paid"
    action = Action.RETRY_LATER


class LateMoneyNotHeld(Conflict):
    """It does not wait for an operator: its policy settles it."""

    code = "late_money_not_held"
    title = "The late money does not wait for an operator"


class LateMoneyNotRefundable(Conflict):
    """The channel that took it cannot give money back by itself."""

    code = "late_money_not_refundable"
    title = "The channel of this late money cannot refund"
    action = Action.CONTACT


class LateMoneyNotPulledBack(Conflict):
    """No chargeback of it has been written off by two people: there is no loss that it could make good."""

    code = "late_money_not_pulled_back"
    title = "The late money has not been pulled back"


class LateMoneyPulledBack(Conflict):
    """A chargeback of its charge is known: its payer has the money, or will, and it must not go a second time."""

    code = "late_money_pulled_back"
    title = "The channel has pulled the late money back"
    action = Action.CONTACT
