"""The checkout app."""

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    """The cashier and payers' wallets 收银台."""

    name = "checkout"
    verbose_name = "Checkout"

    def ready(self) -> None:
        """Tell the dossier what checkout knows."""
        from checkout.dossier_source import tell_decisions
        from paymentplatform.kernel.dossier import register_dossier_source

        register_dossier_source("checkout", tell_decisions)
