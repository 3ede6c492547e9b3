"""Tables of the ledger. The application reads them; only the functions in ``ledger/sql`` write."""

from ledger.models.account import Account, PayerBalance, RollUp
from ledger.models.day import AccountingDay, DailyBalance, Seal
from ledger.models.hold import Hold, Transition
from ledger.models.journal import Journal, Posting

__all__ = [
    "Account",
    "AccountingDay",
    "DailyBalance",
    "Hold",
    "Journal",
    "PayerBalance",
    "Posting",
    "RollUp",
    "Seal",
    "Transition",
]
