"""What a merchant learns from the ledger: balances, and why a statement is not there. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec

from paymentplatform.kernel import fields
from paymentplatform.kernel.errors import Action, Conflict


class BalanceOfCurrency(msgspec.Struct, frozen=True):
    """What we owe you in one currency, in minor units."""

    currency: fields.Currency
    pending: Annotated[int, fields.shown("Paid, less fees and refunds; not released yet.")]
    available: Annotated[
        int, fields.shown("Released: it can be paid out. Below zero after a chargeback.")
    ]
    in_transit: Annotated[int, fields.shown("On its way to your bank account.")]


class StatementNotReady(Conflict):
    """The business day is not over yet; its statement is ready ten minutes after midnight of the business time zone."""

    code = "statement_not_ready"
    title = "The statement of this day is not ready yet"
    action = Action.RETRY_LATER
