"""Acquiring 收单 as a Django app."""

from django.apps import AppConfig


class AcquiringConfig(AppConfig):
    """Merchants, orders and notifications; the owner of the engine's payments."""

    name = "acquiring"
    verbose_name = "Acquiring"

    def ready(self) -> None:
        """Plug acquiring into the engine's one port, and tell the dossier what it knows."""
        from acquiring.dossier import tell_order
        from acquiring.services.payment_owner import OrderPaymentOwner
        from engine.ports import register_payment_owner
        from paymentplatform.kernel.dossier import register_dossier_source

        register_payment_owner(OrderPaymentOwner())
        register_dossier_source("acquiring", tell_order)
