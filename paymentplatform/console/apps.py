"""The console app."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ConsoleConfig(AppConfig):
    """The operators' floor: may look into every app."""

    name = "paymentplatform.console"
    label = "console"
    verbose_name = "Console"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Apply grants and seed roles after every migration of the owner's role; plug in the ports; name things."""
        from django.apps import apps

        from paymentplatform.console.services.audit import record_operator_action
        from paymentplatform.console.services.proposals import list_waiting, propose
        from paymentplatform.console.services.saved_views import KeptViews
        from paymentplatform.kernel.admin_words import name_everything
        from paymentplatform.kernel.audit import register_audit_trail
        from paymentplatform.kernel.proposing import register_proposer, register_waiting_lister
        from paymentplatform.kernel.saved_views import register_saved_views

        register_audit_trail(record_operator_action)
        register_proposer(propose)
        register_waiting_lister(list_waiting)
        register_saved_views(KeptViews())
        name_everything(apps.get_app_configs())
        post_migrate.connect(_grant_after_migration, dispatch_uid="console.grants")


def _grant_after_migration(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    """Django sends this once for each app; the last one finds every table made."""
    from django.apps import apps

    from paymentplatform.console.services.grants import apply_grants
    from paymentplatform.console.services.roles import seed_roles

    *_others, last = [app for app in apps.get_app_configs() if app.models_module is not None]
    if using == "owner" and sender.label == last.label:
        apply_grants(using=using)
        seed_roles(using=using)
