"""What becomes of an order, as its merchant and payer live it; each story names the stages at which somebody may die.

``LIVES`` is the sweep: which story is cut where. Every failpoint stands here at least once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.proofs.lives import Life, has, has_failed, nothing
from tests.waiting import wait_until

WHOLE = 30_00
REFUNDED = 12_00
EXPIRES_IN_S = 240


def scanned(life: Life) -> None:
    """The payer scans a code and pays."""
    life.come_to(life.is_waiting, life.press_pay, what="waiting for the payer")
    life.reach("waiting")
    life.come_to(has("SUCCESS"), life.scan_and_pay, what="SUCCESS")


def charged_at_once(life: Life) -> None:
    """The institution charges during the pay call."""
    life.come_to(has("SUCCESS"), life.press_pay, what="SUCCESS")


def declined(life: Life) -> None:
    """The institution refuses for good."""
    life.come_to(has_failed("declined"), life.press_pay, what="declined")


def not_charged(life: Life) -> None:
    """The institution never had it."""
    life.come_to(has_failed(), life.press_pay, what="a failed payment")


def closed(life: Life) -> None:
    """The merchant closes it while the payer looks at the code."""
    life.come_to(life.is_waiting, life.press_pay, what="waiting for the payer")
    life.reach("waiting")
    life.come_to(has("CLOSED"), life.press_close, what="CLOSED")


def expired(life: Life) -> None:
    """The payer looks at the code until the order's time is over."""
    life.come_to(
        lambda order: order["status"] == "CLOSED" or life.is_waiting(order),
        life.press_pay,
        what="waiting for the payer",
    )
    life.reach("waiting")
    life.come_to(has("CLOSED"), nothing, what="CLOSED")


def charged_late(life: Life) -> None:
    """Closed everywhere, and charged all the same; the money goes back."""
    closed(life)
    life.reach("closed")
    wait_until(
        lambda: [row["status"] for row in life.late_money()] == ["REFUNDED"],
        life.patience_s,
        what=f"{life.name}: late money REFUNDED",
    )


def refunded(life: Life) -> None:
    """Paid, and given back in part."""
    scanned(life)
    life.reach("paid")
    answer = life.refund(REFUNDED)
    assert answer.status_code in {200, 201}, answer.text
    life.come_to(
        lambda order: order["refunded_amount"] == REFUNDED and order["refunding_amount"] == 0,
        nothing,
        what="refunded",
    )


def refunded_under_key(life: Life) -> None:
    """Paid, and given back in part under an Idempotency-Key, which then says so for ever."""
    scanned(life)
    life.reach("paid")
    answer = life.refund(REFUNDED, key=life.order_no)
    assert answer.status_code in {200, 201}, answer.text
    again = life.refund(REFUNDED, key=life.order_no)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.content) == (answer.status_code, answer.content)
    life.come_to(lambda order: order["refunded_amount"] == REFUNDED, nothing, what="refunded")


def refund_declined(life: Life) -> None:
    """Paid; the institution refuses the refund, and the merchant has its money back."""
    scanned(life)
    life.reach("paid")
    answer = life.refund(REFUNDED)
    assert answer.status_code in {200, 201}, answer.text
    life.come_to(
        lambda order: order["refunded_amount"] == order["refunding_amount"] == 0,
        nothing,
        what="refund refused",
    )


@dataclass(frozen=True)
class End:
    """How an order ends whoever died: its state, what the payer was charged, what came back, the merchant's events."""

    status: str
    charged: int
    returned: int = 0
    events: tuple[str, ...] = ()


PAID = End("SUCCESS", WHOLE, events=("order.success",))
UNPAID = End("INIT", 0)
CLOSED = End("CLOSED", 0, events=("order.closed",))
LATE = End("CLOSED", WHOLE, WHOLE, ("late_money.resolved", "order.closed"))
PAID_BACK = End("SUCCESS", WHOLE, REFUNDED, ("order.success", "refund.success"))
NOT_PAID_BACK = End("SUCCESS", WHOLE, 0, ("order.success", "refund.failed"))

Story = Callable[[Life], None]


@dataclass(frozen=True)
class Cut:
    """One life of the sweep: a story, and what is armed at which of its stages."""

    story: Story
    end: End
    plan: Mapping[str, tuple[str, ...]]
    life: Mapping[str, Any] = field(default_factory=dict)
    from_balance: int = 0
    """This much of the amount comes out of the payer's balance."""
    long: bool = False
    """Only with --long: what it would show another cut shows as well."""

    @property
    def name(self) -> str:
        """Scenario, story and what it dies of."""
        points = "+".join(point for points in self.plan.values() for point in points)
        scenario = self.life.get("scenario", "success")
        mixed = " in part from the balance" if 0 < self.from_balance < WHOLE else ""
        return f"{self.story.__name__}[{scenario}{mixed}]: {points}"


def _cuts(story: Story, end: End, stage: str, *points: str, **options: Any) -> list[Cut]:
    from_balance, long = options.pop("from_balance", 0), options.pop("long", False)
    return [
        Cut(story, end, {stage: (point,)}, options, from_balance=from_balance, long=long)
        for point in points
    ]


_BALANCE = {"method": "BALANCE", "from_balance": WHOLE}
_UNKNOWN = {"scenario": "unknown_then_success"}
_RETRIABLE = {"scenario": "decline_retriable"}
_IN_PART = {"from_balance": 11_00}

LIVES = [
    # Paying by QR code, in part from the balance.
    *_cuts(scanned, PAID, "created", "payment_accepted", "attempt_claimed", **_IN_PART),
    *_cuts(scanned, PAID, "waiting", "callback_stored", "outcome_before_commit", **_IN_PART),
    *_cuts(scanned, PAID, "waiting", "callback_applied", "outcome_committed"),
    *_cuts(scanned, PAID, "created", "payment_answered", long=True),
    *_cuts(scanned, PAID, "created", "payment_accepted", "attempt_claimed", long=True),
    # Dying again and again over one payment.
    Cut(
        scanned,
        PAID,
        {
            "created": ("payment_accepted", "attempt_claimed", "inquiry_answered"),
            "waiting": ("callback_stored", "outcome_before_commit", "callback_applied"),
        },
        from_balance=11_00,
    ),
    # Answers that never come.
    *_cuts(charged_at_once, PAID, "created", "inquiries_claimed", "inquiry_answered", **_UNKNOWN),
    *_cuts(charged_at_once, PAID, "created", "outcome_committed", long=True, **_UNKNOWN),
    *_cuts(not_charged, UNPAID, "created", "close_answered", scenario="unknown_then_not_charged"),
    *_cuts(
        not_charged,
        UNPAID,
        "created",
        "outcome_before_commit",
        scenario="unknown_then_not_charged",
        long=True,
    ),
    # Refusals, and the next channel.
    *_cuts(declined, UNPAID, "created", "payment_answered", scenario="decline"),
    *_cuts(declined, UNPAID, "created", "outcome_before_commit", scenario="decline", long=True),
    *_cuts(scanned, PAID, "created", "payment_answered", "failover_committed", **_RETRIABLE),
    *_cuts(scanned, PAID, "created", "outcome_before_commit", long=True, **_RETRIABLE),
    *_cuts(scanned, PAID, "created", "outcome_committed", long=True, **_RETRIABLE),
    *_cuts(scanned, PAID, "created", "payment_answered", scenario="not_sent"),
    *_cuts(scanned, PAID, "created", "failover_committed", scenario="not_sent", long=True),
    # Closing, expiry.
    *_cuts(closed, CLOSED, "waiting", "order_marked_closing", "close_answered", **_IN_PART),
    *_cuts(closed, CLOSED, "waiting", "outcome_before_commit", long=True, **_IN_PART),
    *_cuts(closed, CLOSED, "waiting", "inquiry_answered", "outcome_committed", long=True),
    *_cuts(
        expired,
        CLOSED,
        "waiting",
        "expiry_claimed",
        "payment_marked_closing",
        expires_in=EXPIRES_IN_S,
    ),
    # From the balance, and telling the merchant.
    *_cuts(charged_at_once, PAID, "created", "balance_payment_committed", **_BALANCE),
    *_cuts(charged_at_once, PAID, "created", "deliveries_claimed", "delivery_sent", **_BALANCE),
    # Giving back.
    *_cuts(refunded, PAID_BACK, "paid", "refund_accepted", "refund_claimed"),
    Cut(refunded_under_key, PAID_BACK, {"paid": ("key_claimed", "key_unanswered", "key_answered")}),
    *_cuts(refunded, PAID_BACK, "paid", "refund_outcome_before_commit", from_balance=25_00),
    *_cuts(refunded, PAID_BACK, "paid", "refund_outcome_committed", "refund_answered", long=True),
    *_cuts(refunded, PAID_BACK, "paid", "refunds_claimed", scenario="refund_unknown"),
    *_cuts(refunded, PAID_BACK, "paid", "refund_answered", scenario="refund_unknown", long=True),
    *_cuts(refunded, PAID_BACK, "paid", "refund_answered", from_balance=25_00),
    *_cuts(refund_declined, NOT_PAID_BACK, "paid", "refund_answered", scenario="refund_decline"),
    *_cuts(
        refund_declined,
        NOT_PAID_BACK,
        "paid",
        "refund_outcome_before_commit",
        scenario="refund_decline",
        long=True,
    ),
    # Late money.
    *_cuts(
        charged_late,
        LATE,
        "closed",
        "outcome_before_commit",
        "late_money_claimed",
        "late_money_settled",
        "refund_outcome_committed",
        scenario="success_after_close",
    ),
    *_cuts(
        charged_late,
        LATE,
        "closed",
        "callback_stored",
        "refund_answered",
        "refund_outcome_before_commit",
        scenario="success_after_close",
        long=True,
    ),
]
