"""The checkout app."""

from django.apps import AppConfig


class CheckoutConfig(AppConfig):
    """The cashier and payers' wallets 收银台."""

    name = "checkout"
    verbose_name = "Checkout"
