"""Operators' pages of the console itself. One module for each kind of thing."""

from paymentplatform.console.admin import operators, proofs, proposals, records

__all__ = ["operators", "proofs", "proposals", "records"]
