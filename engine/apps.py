"""The engine app."""

from django.apps import AppConfig


class EngineConfig(AppConfig):
    """Payments and channels 支付引擎."""

    name = "engine"
    verbose_name = "Engine"
