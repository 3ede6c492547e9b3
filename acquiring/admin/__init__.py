"""Acquiring for operators. One module for each kind of thing."""

from acquiring.admin import merchants, notifications, orders

__all__ = ["merchants", "notifications", "orders"]
