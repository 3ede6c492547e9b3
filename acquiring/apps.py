"""Acquiring 收单 as a Django app."""

from django.apps import AppConfig


class AcquiringConfig(AppConfig):
    """Merchants, orders and notifications; the owner of the engine's payments."""

    name = "acquiring"
    verbose_name = "Acquiring"

    def ready(self) -> None:
        """Plug acquiring into the engine's one port."""
        from acquiring.services.payment_owner import OrderPaymentOwner
        from engine.ports import register_payment_owner

        register_payment_owner(OrderPaymentOwner())
