"""A disabled channel: nothing new goes there at once, what runs goes on, and only a second person's word opens it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction

from acquiring.contracts import Method
from checkout.contracts import MethodUnavailable
from checkout.services.routing import plan_route
from engine import api as engine
from engine import health
from engine.contracts import Cause
from engine.health_contracts import ChannelDisabled, ChannelNotDisabled
from engine.models import ChannelAttempt, ChannelSwitch
from engine.services.channel_switches import (
    check_disabled_channel,
    disable_channel,
    enable_channel,
    is_disabled,
)
from engine.services.inquiries import query_payment_or_order
from engine.services.outcomes import apply_attempt_outcome
from paymentplatform.kernel.errors import DomainError, NotFound
from tests.barrier import run_together
from tests.engine.scripted import ScriptedChannel, charged
from tests.engine.test_funnel import PENDING, RETRIABLE, new_trade_no
from tests.trading import make_trade

Channels = tuple[ScriptedChannel, ScriptedChannel]
WHO = {"reason": "their books are wrong", "made_by": "ann"}


def enable(code: str) -> None:
    with transaction.atomic():
        enable_channel(channel_code=code, reason="mended", made_by="ann, bob")


@pytest.fixture
def switched(channels: Channels) -> Iterator[Channels]:
    """Two channels that are enabled again behind the test."""
    yield channels
    for code in ("scripted", "scripted2"):
        if is_disabled(channel_code=code):
            enable(code)
    health.forget_health()


def reasons() -> dict[str, str]:
    choice = plan_route(
        merchant_no="mch_1", method=Method.QR_CODE, currency="CNY", amount=10_00
    ).choice
    return {row.channel: row.reason for row in choice.candidates}


def test_nothing_new_goes_there_from_the_next_payment_on(switched: Channels):
    assert reasons() == {"scripted": "first", "scripted2": "fallback"}
    disable_channel(channel_code="scripted", **WHO)
    assert reasons() == {"scripted2": "first", "scripted": "disabled"}
    assert engine.list_disabled_channels() == ["scripted"]
    switched[1].pay_answers.append(PENDING)
    trade = make_trade()
    trade.pay()
    assert ChannelAttempt.objects.get(order_no=trade.order_no).channel_code == "scripted2"
    disable_channel(channel_code="scripted2", **WHO)
    other = make_trade()
    with pytest.raises(MethodUnavailable):
        other.pay()
    assert not ChannelAttempt.objects.filter(order_no=other.order_no).exists()
    enable("scripted")
    assert reasons() == {"scripted": "first", "scripted2": "disabled"}


def test_what_runs_goes_on_and_fails_over_to_no_disabled_channel(switched: Channels):
    trade, second = make_trade(), make_trade()
    for one in (trade, second):
        switched[0].pay_answers.append(PENDING)
        one.pay()
    for code in ("scripted", "scripted2"):
        disable_channel(channel_code=code, **WHO)
    switched[0].query_answers.append(charged(10_00, trade_no=new_trade_no()))
    assert query_payment_or_order(number=trade.order_no).status == "PAID"
    attempt = ChannelAttempt.objects.get(order_no=second.order_no)
    apply_attempt_outcome(attempt_no=attempt.attempt_no, answer=RETRIABLE, cause=Cause.INQUIRY)
    tried = ChannelAttempt.objects.filter(order_no=second.order_no)
    assert [row.channel_code for row in tried] == ["scripted"]


def test_two_at_once_disable_it_once(switched: Channels):
    before = ChannelSwitch.objects.count()
    done = run_together([lambda: disable_channel(channel_code="scripted", **WHO)] * 4)
    assert sum(isinstance(one, ChannelDisabled) for one in done) == 3
    assert ChannelSwitch.objects.count() == before + 1


def test_what_makes_no_sense_is_refused_and_changes_nothing(switched: Channels):
    before = ChannelSwitch.objects.count()
    with pytest.raises(NotFound):
        disable_channel(channel_code="nobody", **WHO)
    for refused, act in (
        (ChannelNotDisabled, lambda: enable("scripted")),
        (NotFound, lambda: enable("nobody")),
    ):
        with pytest.raises(refused):
            act()
    with pytest.raises(ChannelNotDisabled), transaction.atomic():
        check_disabled_channel(channel_code="scripted")
    assert ChannelSwitch.objects.count() == before
    disable_channel(channel_code="scripted", **WHO)
    with pytest.raises(DomainError):
        disable_channel(channel_code="scripted", **WHO)
    assert ChannelSwitch.objects.count() == before + 1
