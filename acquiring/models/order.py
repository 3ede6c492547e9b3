"""Trade orders 交易订单 and the append-only record of every move."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from acquiring.states import TRADE_ORDER
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

_TERMINAL = ", ".join(f"'{state}'" for state in sorted(TRADE_ORDER.terminal))

ORDER_RULES = {
    "acquiring_order_amount_range": "NEW.amount BETWEEN 1 AND 999999999999",
    "acquiring_order_refund_within_paid": (
        "NEW.refunded_amount >= 0 AND NEW.refunding_amount >= 0"
        " AND NEW.refunded_amount <= NEW.amount - NEW.refunding_amount"
    ),
    "acquiring_order_due_until_terminal": f"(NEW.due_at IS NULL) = (NEW.status IN ({_TERMINAL}))",
    "acquiring_order_tries": "NEW.max_tries >= 0 AND NEW.failed_tries >= 0",
}


class TradeOrder(FSMModelMixin, models.Model):
    """What a merchant asked to be paid. The row is the mutex of the whole trade.

    ``due_at`` is when the expiry sweep looks at it next, null in a terminal state. ``closing`` says that a close
    was asked for while a payment lives. ``payment_no`` names the live or latest payment in the engine.
    """

    database_access = grants.MUTABLE

    order_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    merchant_order_no = models.TextField()
    request_digest = models.TextField()
    status = state_field(TRADE_ORDER)
    closing = models.BooleanField(default=False, db_default=False)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    refunded_amount = models.BigIntegerField(default=0, db_default=0)
    refunding_amount = models.BigIntegerField(default=0, db_default=0)
    subject = models.TextField()
    description = models.TextField(null=True)
    notify_url = models.TextField(null=True)
    return_url = models.TextField(null=True)
    allowed_methods = models.JSONField(null=True)
    payer_ref = models.TextField(null=True)
    metadata = models.JSONField(default=dict)
    cashier_secret = models.TextField()
    fee_contract_no = models.TextField(null=True)
    max_tries = models.SmallIntegerField()
    failed_tries = models.SmallIntegerField(default=0, db_default=0)
    payment_no = models.TextField(null=True)
    failure_code = models.TextField(null=True)
    close_reason = models.TextField(null=True)
    expires_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=PlatformNow())
    paid_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "acquiring_trade_order"
        permissions = [("export_dossier", "Can export dossiers")]
        constraints = [
            models.UniqueConstraint(
                fields=["merchant_no", "merchant_order_no"], name="acquiring_order_merchant_number"
            ),
        ]
        indexes = [
            models.Index(fields=["merchant_no", "-order_no"], name="acquiring_order_newest"),
            models.Index(
                fields=["due_at"], name="acquiring_order_due", condition=Q(due_at__isnull=False)
            ),
        ]
        triggers = [
            *guard_machine(TRADE_ORDER),
            set_once("paid_at", "closed_at"),
            never_decrease("refunded_amount"),
            hold_rules(**ORDER_RULES),
        ]

    def __str__(self) -> str:
        return self.order_no

    @move_to(TRADE_ORDER, "PAYING", field=status)
    def start_paying(self, *, payment_no: str) -> None:
        """A payment of this order has begun."""
        self.payment_no = payment_no

    @move_to(TRADE_ORDER, "INIT", field=status)
    def roll_back(self, *, counts_as_try: bool) -> None:
        """The payment failed and a try is left; the payer may choose again."""
        self.failed_tries += int(counts_as_try)

    @move_to(TRADE_ORDER, "SUCCESS", field=status)
    def mark_success(self, *, paid_at: datetime) -> None:
        """The payment is PAID."""
        self.paid_at, self.due_at, self.closing = paid_at, None, False

    @move_to(TRADE_ORDER, "FAILED", field=status)
    def mark_failed(self, *, failure_code: str) -> None:
        """The payment failed and no try is left."""
        self.failed_tries += 1
        self.failure_code, self.due_at = failure_code, None

    @move_to(TRADE_ORDER, "CLOSED", field=status)
    def close(self, *, reason: str, closed_at: datetime) -> None:
        """No more money will be taken for this order."""
        self.close_reason, self.closed_at, self.due_at, self.closing = (
            reason,
            closed_at,
            None,
            False,
        )


class Transition(models.Model):
    """One move of a state machine of acquiring: append-only history."""

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
        db_table = "acquiring_transition"
        indexes = [models.Index(fields=["object_no", "id"], name="acquiring_transition_history")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.object_no}: {self.from_status or '–'} → {self.to_status} ({self.cause})"
