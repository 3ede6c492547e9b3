"""Every scenario of the institution with every method, end to end over HTTP: each ends as its row says.

All orders are created and paid first and then awaited together, so the whole table takes little longer than its
slowest row. Then the institution's book is compared with ours, charge by charge.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.live import LiveMerchant, LivePlatform, live_platform
from tests.proofs.books import find_book_differences
from tests.proofs.machine import LONG, PATIENCE
from tests.waiting import NotInTime, wait_until

AMOUNT, REFUND, IN_PART = 30_00, 12_00, 11_00
WITHIN_S = 60.0 * PATIENCE
"""Within so long of its payment every order has to have come to its end."""
LOOK_EVERY_S = 0.5
AT_ONCE = 16

pytestmark = [pytest.mark.timeout(600)]


@dataclass(frozen=True)
class End:
    """How a row ends. ``charges``: the institution's states, oldest first; ``failure``: the payment's, if it failed."""

    order: str = "SUCCESS"
    charges: tuple[str, ...] = ("SUCCEEDED",)
    failure: str | None = None
    channel: str = "sandbox"
    short_by: int = 0
    returned: int = 0
    events: tuple[str, ...] = ("order.success",)
    cases: tuple[str, ...] = ()


PAID = End()
ON_THE_OTHER = End(channel="sandbox2")

ENDS: dict[str, End] = {
    "success": PAID,
    "slow": PAID,
    "duplicate_notifications": PAID,
    "out_of_order": PAID,
    "unknown_then_success": PAID,
    "garbled_response": PAID,
    "unsigned_response": PAID,
    "forged_notification": PAID,
    "decline": End("INIT", ("FAILED",), "declined", events=()),
    "decline_retriable": End(charges=("FAILED", "SUCCEEDED"), channel="sandbox2"),
    "not_sent": ON_THE_OTHER,
    "unknown_then_not_charged": End("INIT", (), "payment_closed", events=()),
    "success_after_close": End(
        "CLOSED",
        failure="payment_closed",
        returned=AMOUNT,
        events=("late_money.resolved", "order.closed"),
    ),
    "amount_mismatch": End(
        "INIT",
        failure="amount_mismatch",
        short_by=1,
        returned=AMOUNT - 1,
        events=("late_money.resolved",),
        cases=("amount_mismatch",),
    ),
    "refund_unknown": End(returned=REFUND, events=("order.success", "refund.success")),
    "refund_decline": End(events=("order.success", "refund.failed")),
    "statement_missing": PAID,
    "statement_extra": PAID,
    "statement_amount_differs": PAID,
}
REFUNDED = {"refund_unknown", "refund_decline"}


def _by_card_token(scenario: str) -> dict[str, Any]:
    return {"method": "BANK_CARD", "options": {"card_token": f"tok_{scenario}"}}


METHODS: dict[str, Mapping[str, Any]] = {
    "QR_CODE": {"method": "QR_CODE"},
    "WALLET": {"method": "WALLET", "options": {"wallet_code": "BLUE_WALLET"}},
    "NET_BANKING": {"method": "NET_BANKING", "options": {"bank_code": "CMB"}},
    "BANK_CARD page": {"method": "BANK_CARD"},
    "BANK_CARD token": {"method": "BANK_CARD"},
    "QR_CODE and balance": {"method": "QR_CODE", "balance_amount": IN_PART},
}
ROWS = [(method, scenario) for method in METHODS for scenario in ENDS]


@dataclass
class Row:
    """One order of the table on its way."""

    merchant: LiveMerchant
    method: str
    scenario: str
    body: dict[str, Any]
    order_no: str = ""
    paid_at: float = 0.0
    presses: int = 0
    ended_after_s: float | None = None
    refund_no: str | None = None
    order: dict[str, Any] = field(default_factory=dict)

    @property
    def end(self) -> End:
        """Its end by the table."""
        return ENDS[self.scenario]

    @property
    def from_balance(self) -> int:
        """What the payer's own balance pays."""
        return int(self.body.get("balance_amount", 0))

    @property
    def returned(self) -> int:
        """What the institution gives back: of late money only what it had taken."""
        is_late = self.end.returned > REFUND
        return self.end.returned - (self.from_balance if is_late else 0)

    def pay(self) -> None:
        """Create the order and press pay; whatever the answer is, the order says how it stands."""
        self.order_no = self.merchant.create(
            amount=AMOUNT, metadata={"sandbox_scenario": self.scenario}
        )["order_no"]
        self.paid_at = time.monotonic()
        self.press_pay()

    def press_pay(self) -> None:
        """Start a payment."""
        self.presses += 1
        answer = self.merchant.api.post(f"orders/{self.order_no}/pay", json=self.body)
        assert answer.status_code == 200, answer.text

    def was_given_up_too_soon(self) -> bool:
        """Whether the shortened schedules have closed a request that a busy machine was still sending."""
        payment, failure = self.order["payment"], "payment_closed"
        return (
            not LONG
            and self.order["status"] == "INIT"
            and payment is not None
            and payment["failure_code"] == failure != self.end.failure
        )

    def agrees_with(self, charges: list[str]) -> bool:
        """Whether the institution's states are the row's; a payment given up too soon may have left refused ones."""
        if self.presses == 1:
            return charges == list(self.end.charges)
        last = self.end.charges[-1:]
        earlier = charges[: len(charges) - len(last)]
        return charges[len(earlier) :] == list(last) and set(earlier) <= {"FAILED", "CLOSED"}

    def act(self, charges: list[dict[str, Any]]) -> None:
        """Do what payer and merchant do next."""
        if self.was_given_up_too_soon():
            self.press_pay()
        waiting = any(charge["status"] == "PENDING" for charge in charges)
        if self.order["status"] == "PAYING" and waiting:
            if self.scenario == "success_after_close":
                self.merchant.api.post(f"orders/{self.order_no}/close")
            else:
                confirm(self.merchant.platform, self.order["payment"]["payment_no"])
        if (
            self.order["status"] == "SUCCESS"
            and self.scenario in REFUNDED
            and self.refund_no is None
        ):
            body = {
                "order_no": self.order_no,
                "merchant_refund_no": f"R-{self.order_no}",
                "amount": REFUND,
            }
            self.refund_no = self.merchant.api.post("refunds", json=body).json()["refund_no"]

    def has_ended(self, charges: list[dict[str, Any]], refunds: list[dict[str, Any]]) -> bool:
        """Whether nothing more is to come, as far as order and book tell."""
        payment, end = self.order["payment"], self.end
        if payment is None or self.order["status"] != end.order:
            return False
        if end.failure is not None and payment["status"] != "FAILED":
            return False
        if not self.agrees_with([charge["status"] for charge in charges]):
            return False
        if self.scenario in REFUNDED and (self.refund_no is None or self.order["refunding_amount"]):
            return False
        return sum(r["amount"] for r in refunds if r["status"] == "SUCCEEDED") == self.returned


def confirm(platform: LivePlatform, payment_no: str) -> None:
    """Pay on the institution's page; somebody may have been quicker."""
    with httpx.Client(trust_env=False, timeout=60.0) as client:
        client.post(f"{platform.sandbox_url}/control/confirm", json={"payment_no": payment_no})


@pytest.fixture(scope="module")
def table(running_platform: LivePlatform) -> Iterator[dict[tuple[str, str], Row]]:
    """Play all rows at once; with --long on a platform of its own with the schedules of production."""
    with ExitStack() as stack:
        platform = running_platform
        if LONG:
            platform = stack.enter_context(live_platform(schedules={}))
        platform.mend()
        merchant = platform.merchant(fee_rate_ppm=0)
        token = merchant.payer_token(platform.payer())
        rows = {}
        for method, scenario in ROWS:
            body = dict(METHODS[method])
            if method == "BANK_CARD token":
                body = _by_card_token(scenario)
            if "balance_amount" in body:
                body["options"] = {"payer_token": token}
            rows[method, scenario] = Row(merchant, method, scenario, body)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            pressing = [pool.submit(row.pay) for row in rows.values()]
            follow(platform, merchant, list(rows.values()))
            for pressed in pressing:
                pressed.result()
        slowest = max(rows.values(), key=lambda row: row.ended_after_s or 0)
        print(f"\nslowest: {slowest.ended_after_s} s for {slowest.method}, {slowest.scenario}")  # noqa: T201
        yield rows
        if LONG:
            proof = platform.prove()
            assert proof["code"] == 0, proof


def follow(platform: LivePlatform, merchant: LiveMerchant, rows: list[Row]) -> None:
    """Look at all orders together and act for payers and merchant, until all have ended or time is up."""
    while any(row.ended_after_s is None for row in rows):
        last = max(row.paid_at or time.monotonic() for row in rows)
        if time.monotonic() > last + WITHIN_S + LOOK_EVERY_S:
            return
        orders = {order["order_no"]: order for order in list_orders(merchant)}
        book = platform.whole_book()
        for row in rows:
            if row.order_no not in orders or row.ended_after_s is not None:
                continue
            row.order = orders[row.order_no]
            charges, refunds = (
                [entry for entry in book[kind] if entry["order_no"] == row.order_no]
                for kind in ("charges", "refunds")
            )
            if row.has_ended(charges, refunds):
                row.ended_after_s = time.monotonic() - row.paid_at
            else:
                row.act(charges)
        time.sleep(LOOK_EVERY_S)


def list_orders(merchant: LiveMerchant) -> Iterator[dict[str, Any]]:
    """All of the merchant's orders, page by page."""
    cursor: dict[str, str] = {}
    while True:
        page = merchant.api.get("orders", params={"limit": "100"} | cursor).json()
        yield from page["data"]
        if not page["has_more"]:
            return
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize(("method", "scenario"), ROWS, ids=lambda value: value)
def test_a_scenario_ends_as_its_row_says(
    table: dict[tuple[str, str], Row], method: str, scenario: str
):
    row = table[method, scenario]
    platform, end = row.merchant.platform, row.end
    book = platform.book(row.order_no)
    charged = sum(c["amount"] for c in book["charges"] if c["status"] == "SUCCEEDED")
    returned = sum(r["amount"] for r in book["refunds"] if r["status"] == "SUCCEEDED")
    assert 0 <= charged - returned <= AMOUNT, book  # however late it is
    if row.ended_after_s is None or row.ended_after_s > WITHIN_S:
        message = f"ended after {row.ended_after_s} s: {row.order}, {book}"
        raise NotInTime(message)

    order = row.merchant.order(row.order_no)
    assert order["status"] == end.order
    payment = order["payment"]
    assert payment["status"] == ("PAID" if end.failure is None else "FAILED")
    assert payment["failure_code"] == end.failure
    external = next(detail for detail in payment["details"] if detail["channel"] is not None)
    if row.presses == 1:
        assert external["channel"] == end.channel
    assert row.agrees_with([charge["status"] for charge in book["charges"]])
    expected = AMOUNT - row.from_balance - end.short_by if "SUCCEEDED" in end.charges else 0
    assert charged == expected
    assert returned == row.returned
    assert order["refunded_amount"] == (REFUND if scenario == "refund_unknown" else 0)
    assert order["refunding_amount"] == 0


@pytest.mark.parametrize(("method", "scenario"), ROWS, ids=lambda value: value)
def test_the_merchant_is_told_once(table: dict[tuple[str, str], Row], method: str, scenario: str):
    row = table[method, scenario]

    def told() -> dict[str, set[str]]:
        """The event ids that have arrived about this order, by type."""
        by_type: dict[str, set[str]] = {}
        for body in bodies_about(row):
            by_type.setdefault(body["type"], set()).add(body["id"])
        return by_type

    wait_until(lambda: sorted(told()) == sorted(row.end.events), what=str(row.end.events))
    assert all(len(ids) == 1 for ids in told().values())


def bodies_about(row: Row) -> list[dict[str, Any]]:
    """What the merchant's server has heard about the row's order."""
    return [body for body in row.merchant.events() if body["data"]["order_no"] == row.order_no]


def test_another_amount_than_ours_is_shown_to_people(table: dict[tuple[str, str], Row]):
    for (_, scenario), row in table.items():
        cases = row.merchant.platform.sql(
            """SELECT c.kind FROM engine_case c JOIN engine_channel_attempt a ON a.attempt_no = c.object_no
               WHERE a.order_no = %s AND NOT (c.kind = 'inquiry_schedule_spent' AND c.resolved_at IS NOT NULL)""",
            row.order_no,
        )
        assert {case["kind"] for case in cases} == set(ENDS[scenario].cases)


def test_forged_notifications_were_refused_and_kept(table: dict[tuple[str, str], Row]):
    (row, *_) = table.values()
    assert row.merchant.platform.sql(
        "SELECT 1 FROM engine_channel_callback WHERE result = 'REFUSED' AND attempt_no IS NULL"
    )


def test_both_books_agree_charge_by_charge(table: dict[tuple[str, str], Row]):
    rows = list(table.values())
    assert find_book_differences(rows[0].merchant.platform, [row.order_no for row in rows]) == []
