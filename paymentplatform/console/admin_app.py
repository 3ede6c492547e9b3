"""Django's admin with the platform's own site."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class ConsoleAdminConfig(AdminConfig):
    """Finds every app's ``admin`` and registers it at the operators' site."""

    default_site = "paymentplatform.console.site.ConsoleSite"
