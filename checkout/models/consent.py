"""A merchant's request for a payer agreement 代扣签约, from the asking to its end, and the record of its moves."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q
from django_fsm import FSMModelMixin

from checkout.states import AGREEMENT_REQUEST
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.fsm import move_to, state_field
from paymentplatform.kernel.guards import guard_append_only, guard_machine, set_once


class AgreementRequest(FSMModelMixin, models.Model):
    """What a merchant asked a payer to allow, and what became of it; limits in minor units.

    Once ACTIVE there is a PayerAgreement of the same number: payments read that one alone. ``page_secret`` completes
    the address of the consent page (null for agreements that operators made). ``sealed_token`` is the payer_token,
    encrypted, until ``token_readable_until``; then only the SHA-256 stays, in the PayerAgreement.
    """

    database_access = grants.MUTABLE

    agreement_no = NumberField(primary_key=True)
    merchant_no = models.TextField()
    status = state_field(AGREEMENT_REQUEST)
    currency = models.CharField(max_length=3)
    max_per_payment = models.BigIntegerField()
    max_per_day = models.BigIntegerField()
    subject = models.TextField(null=True)
    payer_ref = models.TextField(null=True)
    return_url = models.TextField(null=True)
    page_secret = models.TextField(null=True, editable=False)
    payer_no = models.TextField(null=True)
    sealed_token = models.TextField(null=True, editable=False)
    token_readable_until = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    consented_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "checkout_agreement_request"
        constraints = [
            models.CheckConstraint(
                condition=Q(consented_at__isnull=True, payer_no__isnull=True) & ~Q(status="ACTIVE")
                | Q(consented_at__isnull=False, payer_no__isnull=False)
                & Q(status__in=["ACTIVE", "REVOKED"]),
                name="checkout_agreement_request_consent",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=False, status__in=sorted(AGREEMENT_REQUEST.terminal))
                | Q(ended_at__isnull=True) & ~Q(status__in=sorted(AGREEMENT_REQUEST.terminal)),
                name="checkout_agreement_request_ended",
            ),
            models.CheckConstraint(
                condition=Q(sealed_token__isnull=True) | Q(token_readable_until__isnull=False),
                name="checkout_agreement_request_sealed",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merchant_no", "-agreement_no"], name="checkout_agr_request_newest"
            ),
            models.Index(
                fields=["expires_at"],
                name="checkout_agr_request_expires",
                condition=Q(status="PENDING"),
            ),
            models.Index(
                fields=["token_readable_until"],
                name="checkout_agr_request_sealed",
                condition=Q(sealed_token__isnull=False),
            ),
        ]
        triggers = [
            *guard_machine(AGREEMENT_REQUEST),
            set_once("payer_no", "consented_at", "token_readable_until", "ended_at"),
        ]

    def __str__(self) -> str:
        return f"{self.agreement_no}: {self.merchant_no} asks ({self.status})"

    @move_to(AGREEMENT_REQUEST, "ACTIVE", field=status)
    def activate(
        self,
        *,
        payer_no: str,
        consented_at: datetime,
        sealed_token: str | None = None,
        token_readable_until: datetime | None = None,
    ) -> None:
        """This payer consented."""
        self.payer_no, self.consented_at = payer_no, consented_at
        self.sealed_token, self.token_readable_until = sealed_token, token_readable_until

    @move_to(AGREEMENT_REQUEST, "DECLINED", field=status)
    def decline(self, *, ended_at: datetime) -> None:
        """The payer said no."""
        self.ended_at = ended_at

    @move_to(AGREEMENT_REQUEST, "EXPIRED", field=status)
    def expire(self, *, ended_at: datetime) -> None:
        """Nobody answered in time."""
        self.ended_at = ended_at

    @move_to(AGREEMENT_REQUEST, "REVOKED", field=status)
    def revoke(self, *, ended_at: datetime) -> None:
        """Merchant, payer or operator ended it; the token is no longer readable either."""
        self.ended_at, self.sealed_token = ended_at, None


class Transition(models.Model):
    """One move of a state machine of checkout: append-only history."""

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
        db_table = "checkout_transition"
        indexes = [models.Index(fields=["object_no", "id"], name="checkout_transition_history")]
        triggers = guard_append_only()

    def __str__(self) -> str:
        return f"{self.object_no}: {self.from_status or '–'} → {self.to_status} ({self.cause})"
