"""What operators did, kept for ever."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.guards import guard_append_only


class AuditLog(models.Model):
    """One act of an operator 操作日志: who, when, what, on which object, why; the object before and after."""

    database_access: ClassVar = grants.APPEND_ONLY

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(_("at"), db_default=PlatformNow())
    operator = models.TextField(_("operator"))
    action = models.TextField(_("action"))
    object_no = models.TextField(_("object"))
    reason = models.TextField(_("reason"))
    before = models.JSONField(_("before"), default=dict)
    after = models.JSONField(_("after"), default=dict)
    request_id = models.TextField(default="")

    class Meta:
        db_table = "console_audit_log"
        permissions = [("export_lists", "Can export lists")]
        verbose_name = _("audit log entry")
        verbose_name_plural = _("audit log")
        indexes = [
            models.Index(fields=["object_no", "id"], name="console_audit_object"),
            models.Index(fields=["operator", "id"], name="console_audit_operator"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(operator="") & ~models.Q(action=""), name="console_audit_named"
            ),
        ]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.operator}: {self.action} {self.object_no}"
