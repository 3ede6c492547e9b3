"""Orders under fire: a merchant and a payer who never give up drive one order to its end, whoever dies meanwhile.

They know only what real ones know: an answer, or none. Without one they look at the order and press again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.live import LiveMerchant, LivePlatform
from tests.makers import order_body
from tests.waiting import NotInTime

PATIENCE_S = 220.0
"""So many web processes die that a notification often finds none five times in half a minute (seen in the institution's
outbox). On a busy machine that lasts longer, and after the seventh try the next one comes a minute later."""
_LOOK_EVERY_S = 0.25
_LONGEST_ANSWER_S = 15.0
_REPEATED_WITHIN_S = 16.0
LASTING_S = 86_400
Order = Mapping[str, Any]


@dataclass
class Life:
    """One order's life. ``plan`` says at which stage which failpoints are armed for it."""

    merchant: LiveMerchant
    name: str
    scenario: str = "success"
    method: str = "QR_CODE"
    options: Mapping[str, str] = field(default_factory=dict)
    amount: int = 30_00
    expires_in: int = LASTING_S
    pay_extra: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    anybody: frozenset[str] = frozenset()
    """Failpoints that are armed for whoever comes, not for this order."""
    patience_s: float = PATIENCE_S
    order_no: str = ""
    armed: defaultdict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    died_at: float | None = None
    """When the last point of the plan was seen to have been hit."""

    @property
    def platform(self) -> LivePlatform:
        """Where it lives."""
        return self.merchant.platform

    def create(self) -> None:
        """Create the order; a repeat finds the same one."""
        body = order_body(
            merchant_order_no=f"L-{secrets.token_hex(8)}",
            amount=self.amount,
            expires_in=self.expires_in,
            notify_url=self.merchant.notify_url,
            metadata={"sandbox_scenario": self.scenario},
        )
        answer = self.insist("POST", "orders", body)
        assert answer.status_code in {200, 201}, answer.text
        self.order_no = answer.json()["order_no"]
        self.reach("created")

    def reach(self, stage: str) -> None:
        """Arm what the plan has for this stage."""
        for point in self.plan.get(stage, ()):
            about = None if point in self.anybody else self.order_no
            self.armed[point].append(self.platform.arm(point, about))

    def comes_true(self) -> bool:
        """Whether the whole plan was hit, if need be by a notification that is only now repeated."""
        deadline = time.monotonic() + _REPEATED_WITHIN_S
        while self.unhit() and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        return not self.unhit()

    def see_deaths(self) -> None:
        """Note when the last one had died."""
        if self.died_at is None and not self.unhit():
            self.died_at = time.monotonic()

    def disarm(self) -> None:
        """Spare whoever comes from now on."""
        for armed in (path for paths in self.armed.values() for path in paths):
            armed.unlink(missing_ok=True)

    def unhit(self) -> list[str]:
        """The points of the plan at which nobody has died."""
        planned = [point for points in self.plan.values() for point in points]
        return [
            point
            for point in planned
            if not self.armed[point] or any(armed.exists() for armed in self.armed[point])
        ]

    def insist(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
    ) -> httpx.Response:
        """Repeat one request until somebody answers it: no answer and 5xx say nothing, nor does a key in use."""
        headers = {"Idempotency-Key": key} if key else None
        deadline = time.monotonic() + self.patience_s
        while True:
            try:
                answer = self.merchant.api.request(
                    method, path, json=body, headers=headers, timeout=_LONGEST_ANSWER_S
                )
            except httpx.TransportError as error:
                said = repr(error)
            else:
                if answer.status_code < 500 and "idempotency_key_in_use" not in answer.text:
                    return answer
                said = answer.text
            if time.monotonic() > deadline:
                message = f"{self.name}: {method} {path}: {said}"
                raise NotInTime(message)
            time.sleep(_LOOK_EVERY_S)

    def order(self) -> Order:
        """The order as the API shows it."""
        answer = self.insist("GET", f"orders/{self.order_no}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def come_to(
        self, is_there: Callable[[Order], bool], act: Callable[[Order], object], *, what: str
    ) -> Order:
        """Look at the order and act on what is seen, until it is as wished; returns it."""
        deadline = time.monotonic() + self.patience_s
        while True:
            order = self.order()
            self.see_deaths()
            if is_there(order):
                return order
            if time.monotonic() > deadline:
                message = f"{self.name} never came to {what}: {order}"
                raise NotInTime(message)
            act(order)
            time.sleep(_LOOK_EVERY_S)

    # -- what merchant and payer do --------------------------------------------------------------------------

    def press_pay(self, order: Order) -> None:
        """Start a payment when none is under way; whatever comes back, the order says how it stands."""
        if order["status"] == "INIT":
            options = {"options": dict(self.options)} if self.options else {}
            body = {"method": self.method} | options | dict(self.pay_extra)
            answer = self._once("POST", f"orders/{self.order_no}/pay", body)
            assert answer is None or answer.status_code in {200, 409, 500, 503}, answer.text

    def scan_and_pay(self, order: Order) -> None:
        """Press pay, and confirm at the institution when it waits for the payer."""
        if order["status"] == "PAYING" and self.is_waiting(order):
            self._confirm(order["payment"]["payment_no"])
        else:
            self.press_pay(order)

    def is_waiting(self, order: Order) -> bool:
        """Whether the institution waits for the payer now."""
        return order["status"] == "PAYING" and "PENDING" in self.platform.charges(self.order_no)

    def press_close(self, order: Order) -> None:
        """Ask to close it."""
        self._once("POST", f"orders/{self.order_no}/close", {})

    def refund(self, amount: int, *, key: str | None = None) -> httpx.Response:
        """Ask for a refund; a repeat of the same number is the same refund."""
        return self.insist(
            "POST",
            "refunds",
            {
                "order_no": self.order_no,
                "merchant_refund_no": f"R-{self.order_no}",
                "amount": amount,
            },
            key=key,
        )

    # -- what there is to see afterwards ---------------------------------------------------------------------

    def book(self) -> dict[str, list[dict[str, Any]]]:
        """What the institution has about it."""
        return self.platform.book(self.order_no)

    def late_money(self) -> list[dict[str, Any]]:
        """What came too late for it."""
        self.see_deaths()
        return self.platform.sql(
            "SELECT * FROM engine_late_money WHERE order_no = %s", self.order_no
        )

    def paid_from_balance(self) -> int:
        """What the payer's own balance has paid."""
        return self._sum(
            """SELECT coalesce(sum(d.amount), 0) AS amount FROM engine_payment_detail d
               JOIN engine_payment_order p ON p.payment_no = d.payment_id
               WHERE p.order_no = %s AND d.method = 'BALANCE' AND d.status = 'DONE'"""
        )

    def refunded_to_balance(self) -> int:
        """What has gone back into the payer's balance."""
        return self._sum(
            """SELECT coalesce(sum(balance_amount), 0) AS amount FROM engine_refund
               WHERE order_no = %s AND status = 'SUCCESS'"""
        )

    def event_types(self) -> list[str]:
        """The merchant's events about it, sorted."""
        found = self.platform.sql(
            """SELECT e.type FROM acquiring_merchant_event e
               WHERE e.object_no = %s
                  OR e.object_no IN (SELECT refund_no FROM engine_refund WHERE order_no = %s)
                  OR e.object_no IN (SELECT late_money_no FROM engine_late_money WHERE order_no = %s)""",
            self.order_no,
            self.order_no,
            self.order_no,
        )
        return sorted(row["type"] for row in found)

    def heard(self) -> set[str]:
        """The types of the webhooks about it that have reached the merchant's server."""
        bodies = [json.loads(received.body) for received in self.merchant.webhooks()]
        return {body["type"] for body in bodies if body["data"].get("order_no") == self.order_no}

    def _sum(self, query: str) -> int:
        (row,) = self.platform.sql(query, self.order_no)
        return int(row["amount"])

    def _once(self, method: str, path: str, body: Mapping[str, Any]) -> httpx.Response | None:
        """Try once: the answer may never come, and the next look at the order tells."""
        try:
            return self.merchant.api.request(method, path, json=body, timeout=_LONGEST_ANSWER_S)
        except httpx.TransportError:
            return None

    def _confirm(self, payment_no: str) -> None:
        with httpx.Client(trust_env=False, timeout=60.0) as client:
            client.post(
                f"{self.platform.sandbox_url}/control/confirm", json={"payment_no": payment_no}
            )


def nothing(_: Order) -> None:
    """Only look."""


def has(status: str) -> Callable[[Order], bool]:
    """Whether the order has this status."""
    return lambda order: order["status"] == status


def has_failed(code: str | None = None) -> Callable[[Order], bool]:
    """Whether the order is open again after a payment that failed (for this reason)."""

    def look(order: Order) -> bool:
        payment = order["payment"]
        return (
            order["status"] == "INIT"
            and payment is not None
            and payment["status"] == "FAILED"
            and code in {None, payment["failure_code"]}
        )

    return look
