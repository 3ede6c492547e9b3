"""Merchants' keys 商户密钥, and the nonces that signed requests have used up."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from acquiring.models.merchant import Merchant
from paymentplatform.kernel import grants
from paymentplatform.kernel.database import NumberField, PlatformNow
from paymentplatform.kernel.guards import forbid_delete, freeze_columns, keep_until, set_once


class Credential(models.Model):
    """A merchant's key 商户密钥: a Bearer secret, or a key that signs requests (RFC 9421).

    Of a Bearer secret only the SHA-256 is kept, of a key pair the public half (PEM), of an HMAC secret, which we verify
    with, the encrypted text. Secrets are shown once. ``hint`` is the end of the secret, or the first characters of
    the public key's SHA-256.

    A key with a ``collector`` was granted by two people of ours: it waits, without a secret and of no use, until this
    one of them collects the secret, before ``collect_until``; in that moment ``replaces`` is revoked.

    ``reference`` is the operator's own number for the wish that made a key, used once for each merchant.
    """

    class Algorithm(models.TextChoices):
        BEARER = "BEARER", "bearer"
        ED25519 = "ED25519", "ed25519"
        RSA_V1_5_SHA256 = "RSA_V1_5_SHA256", "rsa-v1_5-sha256"
        HMAC_SHA256 = "HMAC_SHA256", "hmac-sha256"

    database_access = grants.MUTABLE

    key_id = NumberField(primary_key=True)
    merchant = models.ForeignKey(Merchant, on_delete=models.PROTECT, related_name="credentials")
    algorithm = models.CharField(
        max_length=16,
        choices=Algorithm.choices,
        default=Algorithm.BEARER,
        db_default=Algorithm.BEARER,
    )
    secret_hash = models.CharField(max_length=64, unique=True, null=True, editable=False)
    public_key = models.TextField(null=True, editable=False)
    hmac_secret = models.TextField(null=True, editable=False)
    hint = models.CharField(max_length=8, editable=False)
    created_at = models.DateTimeField(db_default=PlatformNow(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    collector = models.TextField(null=True, editable=False)
    collect_until = models.DateTimeField(null=True, editable=False)
    replaces = NumberField(null=True, editable=False)
    reference = models.CharField(max_length=64, null=True, editable=False)

    class Meta:
        db_table = "acquiring_credential"
        constraints = [
            models.UniqueConstraint(
                fields=["merchant", "reference"], name="acquiring_credential_reference"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    algorithm="BEARER",
                    secret_hash__isnull=False,
                    public_key__isnull=True,
                    hmac_secret__isnull=True,
                )
                | models.Q(
                    algorithm__in=["ED25519", "RSA_V1_5_SHA256"],
                    secret_hash__isnull=True,
                    public_key__isnull=False,
                    hmac_secret__isnull=True,
                )
                | models.Q(
                    algorithm="HMAC_SHA256",
                    secret_hash__isnull=True,
                    public_key__isnull=True,
                    hmac_secret__isnull=False,
                )
                | models.Q(
                    algorithm__in=["BEARER", "HMAC_SHA256"],
                    secret_hash__isnull=True,
                    public_key__isnull=True,
                    hmac_secret__isnull=True,
                    collector__isnull=False,
                ),
                name="acquiring_credential_material",
            ),
            models.CheckConstraint(
                condition=models.Q(collector__isnull=True, collect_until__isnull=True)
                | models.Q(collector__isnull=False, collect_until__isnull=False),
                name="acquiring_credential_collector",
            ),
        ]
        triggers = [
            forbid_delete(),
            freeze_columns(
                "key_id",
                "merchant_id",
                "algorithm",
                "public_key",
                "created_at",
                "collector",
                "collect_until",
                "replaces",
                "reference",
            ),
            set_once("secret_hash", "revoked_at"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} (…{self.hint})"

    @property
    def is_waiting(self) -> bool:
        """Whether its secret is still to be collected; until then nobody gets in with it."""
        return not (self.secret_hash or self.public_key or self.hmac_secret)

    def can_be_collected(self, *, now: datetime) -> bool:
        """Whether there is still a secret to collect."""
        in_time = self.collect_until is not None and self.collect_until > now
        return self.is_waiting and self.revoked_at is None and in_time


class UsedNonce(models.Model):
    """The nonce of one signed request: its primary key is what lets a signature work once.

    ``expires_at`` is when the signature is too old to be accepted anyway; a sweep deletes the row some time later.
    Kept here and not in Redis: losing it would let requests run again.
    """

    database_access = grants.FULL

    pk = models.CompositePrimaryKey("key_id", "nonce")
    key_id = NumberField()
    nonce = NumberField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "acquiring_used_nonce"
        indexes = [models.Index(fields=["expires_at"], name="acquiring_used_nonce_expiry")]
        triggers = [freeze_columns("key_id", "nonce", "expires_at"), keep_until("expires_at")]

    def __str__(self) -> str:
        return f"{self.nonce} of {self.key_id}"
