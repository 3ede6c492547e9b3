"""The console app."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """The operators' floor: may look into every app."""

    name = "paymentplatform.console"
    label = "console"
    verbose_name = "Console"
