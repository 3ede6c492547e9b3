"""Scripted channels in place of the sandbox's, and days whose statements nobody else reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings

from engine.channels.registry import forget_channels
from engine.models import CutoffEntry
from paymentplatform.kernel.database import PlatformNow
from tests.clock import VirtualClock
from tests.engine.scripted import FIRST_CHANNEL, SECOND_CHANNEL, ScriptedChannel
from tests.engine.statement_days import A10, A90, DAYS, L90, Day, unexplained
from tests.trading import balance_of


@pytest.fixture
def channels() -> Iterator[tuple[ScriptedChannel, ScriptedChannel]]:
    """Register two scripted channels, in this order, with empty scripts."""
    FIRST_CHANNEL.forget()
    SECOND_CHANNEL.forget()
    with override_settings(
        CHANNELS=["tests.engine.scripted.FIRST", "tests.engine.scripted.SECOND"]
    ):
        forget_channels()
        yield FIRST_CHANNEL, SECOND_CHANNEL
    forget_channels()


@pytest.fixture
def today(clock: VirtualClock, tmp_path: Path) -> Day:
    """Noon of a day that no other test uses; what others have left in the pool waits no more."""
    CutoffEntry.objects.filter(overdue_at__isnull=True).update(overdue_at=PlatformNow())
    now = clock.advance(86_400 * next(DAYS)).astimezone(ZoneInfo("Asia/Shanghai"))
    clock.advance((12 - now.hour) * 3_600)
    return Day(clock, tmp_path, now.date())


@pytest.fixture
def nothing_is_left_unexplained() -> Iterator[None]:
    """Afterwards A10, A90 and L90 are as explained as before, whatever the test did."""
    before = unexplained()
    yield
    assert unexplained() == before


@pytest.fixture
def books() -> dict[str, int]:
    """What A10, A90 and L90 were before."""
    return {code: balance_of(code) for code in (A10, A90, L90)}
