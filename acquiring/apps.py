"""The acquiring app."""

from django.apps import AppConfig


class AcquiringConfig(AppConfig):
    """Merchants, orders and notifications 收单."""

    name = "acquiring"
    verbose_name = "Acquiring"
