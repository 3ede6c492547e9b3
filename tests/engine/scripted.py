"""Two channels that say what a test tells them to: the engine is tested against every answer there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import connection

from engine.channels.base import (
    STANDARD_TIME_LIMITS,
    AttemptReference,
    Capability,
    Channel,
    ChannelAnswer,
    Notification,
    NotificationRefused,
    Outcome,
    PaymentOption,
    PayRequest,
    RefundRequest,
    TimeLimits,
)

UNKNOWN = ChannelAnswer(outcome=Outcome.UNKNOWN)


def charged(amount: int, *, trade_no: str, currency: str = "CNY") -> ChannelAnswer:
    """The institution says it has the payer's money."""
    return ChannelAnswer(
        outcome=Outcome.SUCCEEDED, channel_trade_no=trade_no, amount=amount, currency=currency
    )


@dataclass
class ScriptedChannel:
    """Answers from lists, in order; an empty list answers UNKNOWN. ``calls`` remembers what was asked."""

    code: str
    merchant_account: str = "acct-1"
    payment_options: Mapping[Capability, tuple[PaymentOption, ...]] = field(default_factory=dict)
    time_limits: TimeLimits = STANDARD_TIME_LIMITS
    capabilities: frozenset[Capability] = frozenset(
        {Capability.QR_CODE, Capability.CLOSE, Capability.REFUND}
    )
    pay_answers: list[ChannelAnswer] = field(default_factory=list)
    query_answers: list[ChannelAnswer] = field(default_factory=list)
    close_answers: list[ChannelAnswer] = field(default_factory=list)
    refund_answers: list[ChannelAnswer] = field(default_factory=list)
    query_refund_answers: list[ChannelAnswer] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    only_order_no: str | None = None
    """When set, the scripts are for this order; sweeps that meet other orders get UNKNOWN."""

    def pay(self, request: PayRequest) -> ChannelAnswer:
        return self._answer("pay", request, self.pay_answers)

    def query(self, attempt: AttemptReference) -> ChannelAnswer:
        return self._answer("query", attempt, self.query_answers)

    def close(self, attempt: AttemptReference) -> ChannelAnswer:
        return self._answer("close", attempt, self.close_answers)

    def refund(self, request: RefundRequest) -> ChannelAnswer:
        return self._answer_refund("refund", request, self.refund_answers)

    def query_refund(self, request: RefundRequest) -> ChannelAnswer:
        return self._answer_refund("query_refund", request, self.query_refund_answers)

    def parse_notification(self, *, headers: Mapping[str, str], body: bytes) -> Notification:
        raise NotificationRefused("scripted channels send none")

    def fetch_statement(self, *, statement_date: date) -> bytes:
        return b""

    def acknowledge(self) -> tuple[bytes, str]:
        return b"success", "text/plain"

    def forget(self) -> None:
        """Start a new test."""
        for script in (
            self.pay_answers,
            self.query_answers,
            self.close_answers,
            self.refund_answers,
            self.query_refund_answers,
            self.calls,
        ):
            script.clear()
        self.only_order_no = None

    def _answer(
        self, call: str, about: PayRequest | AttemptReference, script: list[ChannelAnswer]
    ) -> ChannelAnswer:
        assert not connection.in_atomic_block, "a channel was called inside a transaction"
        if self.only_order_no not in {None, about.order_no}:
            return UNKNOWN
        self.calls.append((call, about.request_no))
        return script.pop(0) if script else UNKNOWN

    def _answer_refund(
        self, call: str, request: RefundRequest, script: list[ChannelAnswer]
    ) -> ChannelAnswer:
        assert not connection.in_atomic_block, "a channel was called inside a transaction"
        if self.only_order_no not in {None, request.attempt.order_no}:
            return UNKNOWN
        self.calls.append((call, request.refund_no))
        return script.pop(0) if script else UNKNOWN


class _Factory:
    """What CHANNELS names: always the same instance, so that a test can write its script."""

    setting_names: tuple[str, ...] = ()

    def __init__(self, channel: ScriptedChannel) -> None:
        self._channel = channel
        self.code = channel.code

    def build(self, values: Mapping[str, Any]) -> Channel:
        return self._channel


FIRST_CHANNEL = ScriptedChannel("scripted")
SECOND_CHANNEL = ScriptedChannel("scripted2")
FIRST = _Factory(FIRST_CHANNEL)
SECOND = _Factory(SECOND_CHANNEL)
