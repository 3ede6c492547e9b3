"""Operators' pages of the console itself. One module for each kind of thing."""

from paymentplatform.console.admin import proofs, proposals, records

__all__ = ["proofs", "proposals", "records"]
