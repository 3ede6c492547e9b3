"""Who stands behind an operator's account 操作员身份."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow


class OperatorIdentity(models.Model):
    """Whether an account is one person's alone. An account without a row was made on the server and is trusted.

    ``password_from`` is the administrator who gave it its password, at ``password_at``; empty when none of us did. Its
    owner has chosen another one at ``chosen_at``. ``confirmed_by``, another administrator, heard its word from the
    owner at ``confirmed_at``; until then nobody works with the account.
    """

    database_access: ClassVar = grants.MUTABLE

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="identity",
        verbose_name=_("operator"),
    )
    password_from = models.TextField(blank=True)
    password_at = models.DateTimeField(db_default=PlatformNow())
    chosen_at = models.DateTimeField(null=True)
    confirmed_by = models.TextField(null=True)
    confirmed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "console_operator_identity"
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [
            models.CheckConstraint(
                condition=Q(confirmed_by__isnull=True, confirmed_at__isnull=True)
                | (Q(confirmed_by__isnull=False, confirmed_at__isnull=False) & ~Q(confirmed_by="")),
                name="console_identity_confirmed_by_somebody",
            )
        ]

    def __str__(self) -> str:
        return f"identity of {self.user_id}"
