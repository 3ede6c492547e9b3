"""Tables of the console."""

from paymentplatform.console.models.audit import AuditLog

__all__ = ["AuditLog"]
