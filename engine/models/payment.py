"""Payment orders 支付总单, their details 支付明细 and the record of every move."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django_fsm import FSMModelMixin

from engine.states import PAYMENT_DETAIL, PAYMENT_ORDER
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import (
    guard_append_only,
    guard_machine,
    hold_rules,
    never_decrease,
    set_once,
)

_TERMINAL = ", ".join(f"'{state}'" for state in sorted(PAYMENT_ORDER.terminal))

PAYMENT_RULES = {
    "engine_payment_positive": "NEW.amount >= 1",
    "engine_payment_fee_within_amount": "NEW.fee_amount BETWEEN 0 AND NEW.amount",
    "engine_payment_live_until_terminal": (
        f"CASE WHEN NEW.status IN ({_TERMINAL}) THEN NEW.live_order_no IS NULL"
        " ELSE NEW.live_order_no IS NOT DISTINCT FROM NEW.order_no END"
    ),
}


class PaymentOrder(FSMModelMixin, models.Model):
    """One try to pay one order.

    ``live_order_no`` repeats the order's number while the payment lives and is null afterwards: its unique index
    is what makes a second live payment impossible. ``candidates`` are the channels not tried yet, in order.
    ``closing`` says that the payment is to be closed at the channel (cancel, expiry or change of method).
    """

    database_access = grants.MUTABLE

    payment_no = NumberField(primary_key=True)
    order_no = models.TextField()
    live_order_no = NumberField(null=True, unique=True)
    merchant_no = models.TextField()
    payer_no = models.TextField(null=True)
    status = state_field(PAYMENT_ORDER)
    closing = models.BooleanField(default=False, db_default=False)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    method = models.TextField()
    fee_amount = models.BigIntegerField(default=0)
    options_digest = models.TextField()
    candidates = models.JSONField(default=list, db_default=[])
    context = models.JSONField(default=dict, db_default={})
    failure_code = models.TextField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())
    paid_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "engine_payment_order"
        indexes = [models.Index(fields=["order_no", "payment_no"], name="engine_payment_of_order")]
        triggers = [
            *guard_machine(PAYMENT_ORDER),
            set_once("paid_at"),
            hold_rules(**PAYMENT_RULES),
        ]

    def __str__(self) -> str:
        return self.payment_no

    @move_to(PAYMENT_ORDER, "PAYING", field=status)
    def start_paying(self) -> None:
        """The payer's assets are being taken."""

    @move_to(PAYMENT_ORDER, "PAID", field=status)
    def mark_paid(self, *, paid_at: datetime) -> None:
        """Every detail is DONE and the journal is posted."""
        self.paid_at, self.live_order_no, self.closing = paid_at, None, False

    @move_to(PAYMENT_ORDER, "FAILED", field=status)
    def mark_failed(self, *, failure_code: str) -> None:
        """It is certain that the payer is not charged by this payment."""
        self.failure_code, self.live_order_no, self.closing = failure_code, None, False


class PaymentDetail(FSMModelMixin, models.Model):
    """One asset of a payment: the payer's balance, or what one channel collects."""

    database_access = grants.MUTABLE

    detail_no = NumberField(primary_key=True)
    payment = models.ForeignKey(PaymentOrder, on_delete=models.PROTECT, related_name="details")
    status = state_field(PAYMENT_DETAIL)
    method = models.TextField()
    channel_code = models.TextField(null=True)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    hold_no = models.TextField(null=True)
    refunded_amount = models.BigIntegerField(default=0, db_default=0)
    refunding_amount = models.BigIntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "engine_payment_detail"
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gte=1, refunded_amount__gte=0, refunding_amount__gte=0)
                & Q(refunded_amount__lte=F("amount") - F("refunding_amount")),
                name="engine_detail_amounts",
            )
        ]
        triggers = [*guard_machine(PAYMENT_DETAIL), never_decrease("refunded_amount")]

    def __str__(self) -> str:
        return self.detail_no

    @move_to(PAYMENT_DETAIL, "HELD", field=status)
    def mark_held(self) -> None:
        """The asset is held (balance) or collected (channel)."""

    @move_to(PAYMENT_DETAIL, "DONE", field=status)
    def mark_done(self) -> None:
        """The asset has become the merchant's claim."""

    @move_to(PAYMENT_DETAIL, "RELEASED", field=status)
    def mark_released(self) -> None:
        """The asset was given back to the payer."""

    @move_to(PAYMENT_DETAIL, "FAILED", field=status)
    def mark_failed(self) -> None:
        """The asset was never taken."""


class Transition(models.Model):
    """One move of a state machine of the engine: append-only history."""

    database_access = grants.APPEND_ONLY

    id = models.BigAutoField(primary_key=True)
    machine = models.TextField()
    object_no = models.TextField()
    from_status = models.TextField()
    to_status = models.TextField()
    cause = models.TextField()
    actor = models.TextField()
    request_id = models.TextField()
    at = models.DateTimeField(db_default=PlatformNow())

    class Meta:
        db_table = "engine_transition"
        indexes = [models.Index(fields=["object_no", "id"], name="engine_transition_history")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.object_no}: {self.from_status or '–'} → {self.to_status} ({self.cause})"
