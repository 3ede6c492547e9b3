"""The ledger app."""

from django.apps import AppConfig


class LedgerConfig(AppConfig):
    """Accounts, journals and balances 账务."""

    name = "ledger"
    verbose_name = "Ledger"
