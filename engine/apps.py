"""The payment engine 支付引擎 as a Django app."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    """Registers the system check that exactly one payment owner is plugged in."""

    name = "engine"
    verbose_name = "Payment engine"

    def ready(self) -> None:
        """Load the checks."""
        from engine import checks  # noqa: F401
