"""What makes the operators' pages quick: roll-ups for the dashboard, and everybody's own views of lists."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from paymentplatform.kernel import grants


class Volume(models.Model):
    """Payments of one method (``dimension`` METHOD) or attempts at one channel (CHANNEL) that began in a bucket.

    Made again while any of them is open, so it follows late results. ``paid_ms`` is the time from begin to result of
    the paid ones, all together; ``slow`` counts those that took longer than ten seconds. Amounts in minor units.
    """

    class Dimension(models.TextChoices):
        METHOD = "METHOD"
        CHANNEL = "CHANNEL"

    database_access: ClassVar = grants.MUTABLE

    id = models.BigAutoField(primary_key=True)
    bucket_at = models.DateTimeField()
    dimension = models.CharField(max_length=8, choices=Dimension.choices)
    name = models.TextField()
    currency = models.CharField(max_length=3)
    begun = models.PositiveIntegerField()
    paid = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    open = models.PositiveIntegerField()
    paid_amount = models.BigIntegerField()
    paid_ms = models.BigIntegerField()
    slow = models.PositiveIntegerField()

    class Meta:
        db_table = "console_volume"
        constraints = [
            models.UniqueConstraint(
                fields=["bucket_at", "dimension", "name", "currency"], name="console_volume_bucket"
            )
        ]
        indexes = [
            models.Index(
                fields=["bucket_at"], name="console_volume_open", condition=models.Q(open__gt=0)
            )
        ]

    def __str__(self) -> str:
        return f"{self.bucket_at} {self.name}: {self.begun}"


class SavedView(models.Model):
    """One operator's own view of one list (``page`` is ``app.model``): a name and the query behind it."""

    database_access: ClassVar = grants.FULL

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    page = models.TextField()
    name = models.TextField()
    query = models.TextField()

    class Meta:
        db_table = "console_saved_view"
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = [
            models.UniqueConstraint(fields=["user", "page", "name"], name="console_saved_view_name")
        ]

    def __str__(self) -> str:
        return f"{self.page}: {self.name}"
