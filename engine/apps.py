"""The payment engine 支付引擎 as a Django app."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    """Registers the system check that exactly one payment owner is plugged in."""

    name = "engine"
    verbose_name = "Payment engine"

    def ready(self) -> None:
        """Load the checks, and tell the dossier what the engine knows."""
        from engine import checks  # noqa: F401
        from engine.dossier_source import tell_money
        from paymentplatform.kernel.dossier import register_dossier_source

        register_dossier_source("engine", tell_money)
