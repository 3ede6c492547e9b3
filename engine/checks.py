"""System checks of the engine."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

from engine.channels.registry import find_bad_channels
from engine.ports import registered_owners


@register()
def check_payment_owner(**_: Any) -> list[CheckMessage]:
    """Exactly one owner must be registered, or results have nowhere to go."""
    count = len(registered_owners())
    if count == 1:
        return []
    return [
        Error(f"{count} payment owners are registered; there must be exactly one", id="engine.E001")
    ]


@register()
def check_channels(**_: Any) -> list[CheckMessage]:
    """Every entry of CHANNELS must make a usable channel, or the platform learns of it at the first payment."""
    return [
        Error(
            f"The channel {path} cannot be used: {problem}",
            hint="See engine/channels/README.md and the setting CHANNELS.",
            id="engine.E002",
        )
        for path, problem in find_bad_channels()
    ]
