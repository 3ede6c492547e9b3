"""Write down what operators do, in the same transaction as what they do."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import context
from paymentplatform.kernel.errors import InvalidRequest, PermissionRefused
from paymentplatform.kernel.redaction import redact_value
from paymentplatform.kernel.transactions import require


@require
def record_operator_action(
    *,
    operator: AbstractBaseUser | AnonymousUser,
    action: str,
    object_no: str,
    reason: str,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditLog:
    """Add one line to the audit log; secrets in ``before`` and ``after`` are blotted out.

    Requires the transaction of the act itself: no act without its line, no line without its act. Raises
    PermissionRefused for somebody who is not logged in, InvalidRequest without a reason.
    """
    if not operator.is_authenticated:
        raise PermissionRefused
    if not reason.strip():
        raise InvalidRequest("A reason is required.")
    return AuditLog.objects.create(
        operator=operator.get_username(),
        action=action,
        object_no=object_no,
        reason=reason.strip(),
        before=redact_value(before or {}),
        after=redact_value(after or {}),
        request_id=context.request_id.get(),
    )
