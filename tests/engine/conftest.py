"""Scripted channels in place of the sandbox's, for the tests of the engine's own services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from engine.channels.registry import forget_channels
from tests.engine.scripted import FIRST_CHANNEL, SECOND_CHANNEL, ScriptedChannel


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
