"""What the application's database role may do with each table.

Every model of ours carries ``database_access``; ``paymentplatform.console`` applies it after each migration
(the application role owns nothing and never gets DELETE or TRUNCATE on a money table).
"""

from __future__ import annotations

from typing import Final

READ_ONLY: Final = ("SELECT",)
"""Written only through SECURITY DEFINER functions of the owner (the ledger)."""

APPEND_ONLY: Final = ("SELECT", "INSERT")
"""Rows are added and never changed: events, raw callbacks, decisions."""

RECORDS: Final = ("SELECT", "INSERT", "DELETE")
"""Rows never change and are forgotten after their time (``guards.guard_records``): what explains and is no money."""

MUTABLE: Final = ("SELECT", "INSERT", "UPDATE")
"""The default of our models: rows live and change but never vanish."""

FULL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
"""Bookkeeping that is no money: sessions, log-in attempts, the tables of libraries."""
