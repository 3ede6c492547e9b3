"""Acquiring for operators. One module for each kind of thing."""

from acquiring.admin import endpoints, keys, merchants, notifications, orders, settlement

__all__ = ["endpoints", "keys", "merchants", "notifications", "orders", "settlement"]
