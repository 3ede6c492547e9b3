"""The second factor of operators 二次验证, and their open sessions."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow


class SecondFactor(models.Model):
    """One operator's TOTP secret (RFC 6238), encrypted. Until ``confirmed_at`` it lets nobody in.

    ``last_step`` is the newest time step whose code was used: a code is good once. ``wrong_tries`` in a row make the
    next try wait until ``locked_until``.
    """

    database_access: ClassVar = grants.MUTABLE

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="second_factor",
        verbose_name=_("operator"),
    )
    secret = models.TextField()
    confirmed_at = models.DateTimeField(_("confirmed at"), null=True)
    last_step = models.BigIntegerField(default=0)
    wrong_tries = models.SmallIntegerField(_("wrong tries"), default=0)
    locked_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "console_second_factor"
        verbose_name = _("second factor")
        verbose_name_plural = _("second factors")

    def __str__(self) -> str:
        return f"second factor of {self.user_id}"


class OperatorSession(models.Model):
    """One session in which an operator works; a new one beyond the limit ends the oldest."""

    database_access: ClassVar = grants.FULL

    session_key = models.TextField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    opened_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "console_operator_session"
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return f"session of {self.user_id}"
