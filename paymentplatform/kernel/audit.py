"""The port to the audit log 操作日志: pages of every app act through it, the console on the top floor writes it."""

from __future__ import annotations

from typing import Any, Protocol


class AuditTrail(Protocol):
    """Writes one line in the transaction of the act. Raises PermissionRefused, or InvalidRequest without reason."""

    def __call__(
        self,
        *,
        operator: Any,
        action: str,
        object_no: str,
        reason: str,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> object:
        """Write it (require)."""


_trails: list[AuditTrail] = []


def register_audit_trail(trail: AuditTrail) -> None:
    """Plug in the log, once, at start-up."""
    _trails[:] = [trail]


def audit_trail() -> AuditTrail:
    """Return the registered log; without one nothing can be done."""
    (trail,) = _trails
    return trail
