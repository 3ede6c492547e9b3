"""The engine's pages for operators. One module for each kind of thing."""

from engine.admin import cases, channels, late_money, payments, refunds, statements

__all__ = ["cases", "channels", "late_money", "payments", "refunds", "statements"]
