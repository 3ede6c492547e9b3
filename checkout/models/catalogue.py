"""The catalogue of methods 支付方式目录 as rows, what merchants chose of it, and what consult decided for orders."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import localtime

from paymentplatform.kernel import grants
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, guard_records


class PaymentMethod(models.Model):
    """One method. Null in a column that limits means: no such limit.

    ``currencies``, ``terminals``, ``locales`` (beginnings of language tags, lower case) and ``options`` (banks or
    wallets, in the order shown) are lists of texts; ``amount_limits`` is {currency: {min, max}} in minor units;
    ``hours`` is a list of {start, end} as HH:MM of the business time zone.
    """

    database_access = grants.MUTABLE

    code = models.CharField(primary_key=True, max_length=16)
    position = models.PositiveSmallIntegerField()
    is_on = models.BooleanField(default=True, db_default=True)
    flow = models.CharField(max_length=16)
    name_en = models.CharField(max_length=64)
    name_zh = models.CharField(max_length=64)
    currencies = models.JSONField(null=True, blank=True)
    amount_limits = models.JSONField(default=dict, blank=True)
    terminals = models.JSONField(null=True, blank=True)
    locales = models.JSONField(null=True, blank=True)
    hours = models.JSONField(null=True, blank=True)
    options = models.JSONField(null=True, blank=True)

    class Meta:
        db_table = "checkout_payment_method"
        triggers = [forbid_delete(), freeze_columns("code", "flow")]

    def __str__(self) -> str:
        return self.code


class MerchantMethod(models.Model):
    """What is different for one merchant; ``preference`` 1 is shown first, null has none."""

    database_access = grants.MUTABLE

    id = models.BigAutoField(primary_key=True)
    merchant_no = models.TextField()
    method = models.ForeignKey(PaymentMethod, on_delete=models.PROTECT, related_name="choices")
    is_on = models.BooleanField(default=True, db_default=True)
    preference = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        db_table = "checkout_merchant_method"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "method"], name="checkout_merchant_method_once"
            )
        ]
        triggers = [forbid_delete(), freeze_columns("merchant_no", "method_id")]

    def __str__(self) -> str:
        return f"{self.merchant_no}: {self.method_id}"


class CatalogueStamp(models.Model):
    """The one row that says which revision of the catalogue stands; every change moves it on."""

    database_access = grants.MUTABLE

    id = models.PositiveSmallIntegerField(primary_key=True)
    revision = models.PositiveIntegerField()
    changed_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "checkout_catalogue_stamp"
        triggers = [forbid_delete()]

    def __str__(self) -> str:
        return f"r{self.revision}"


class ConsultDecision(models.Model):
    """What consult answered for one order: each different answer once, some at most (``consult_records``).

    ``methods`` is a list of ``catalogue.Verdict``; ``digest`` names what was offered and why not. Forgotten after
    CONSULT_RECORD_DAYS.
    """

    database_access = grants.RECORDS

    id = models.BigAutoField(primary_key=True)
    order_no = models.TextField()
    digest = models.CharField(max_length=64)
    asked_by = models.TextField()
    terminal = models.TextField()
    locale = models.TextField()
    catalogue_revision = models.PositiveIntegerField()
    book_version = models.PositiveIntegerField()
    methods = models.JSONField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)

    class Meta:
        db_table = "checkout_consult_decision"
        constraints = [
            models.UniqueConstraint(
                fields=["order_no", "digest"], name="checkout_consult_answer_once"
            )
        ]
        triggers = guard_records("created_at")

    def __str__(self) -> str:
        return f"{self.order_no} {localtime(self.created_at):%Y-%m-%d %H:%M:%S}"
