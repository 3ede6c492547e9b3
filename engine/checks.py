"""System checks of the engine."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, register

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
