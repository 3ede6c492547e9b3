"""Acquiring for operators. One module for each kind of thing."""

from acquiring.admin import endpoints, merchants, notifications, orders, settlement

__all__ = ["endpoints", "merchants", "notifications", "orders", "settlement"]
