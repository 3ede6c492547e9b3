"""Who calls the merchant API: by a Bearer secret, or by a signature that counts once."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from typing import Final

import structlog
from django.conf import settings
from django.db import connection
from django.db.models import Q

from acquiring.contracts import MerchantIdentity
from acquiring.models import Credential, Merchant
from acquiring.request_signing import (
    WINDOW_S,
    MessageSignature,
    SignatureRefused,
    SignedRequest,
    SigningAlgorithm,
    VerificationKey,
    load_verification_key,
    parse_signature,
    verify_request,
)
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.cache import ConfigCache
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.encryption import decrypt_text
from paymentplatform.kernel.errors import Unauthenticated
from paymentplatform.kernel.hotsql import HotStatement

SECRET_PREFIX: Final = "sk_"  # noqa: S105 - the form of a secret, not one
NONCE_REST_S: Final = 600
"""How long a nonce is remembered beyond its signature's time: more than the clocks of two servers can differ."""

_log = structlog.get_logger(__name__)

_USE_NONCE: Final = HotStatement(
    name="use_nonce",
    sql="""
    INSERT INTO acquiring_used_nonce (key_id, nonce, expires_at)
    SELECT $1::text, $2::text, to_timestamp($3::bigint) FROM acquiring_caller($1::text)
    ON CONFLICT (key_id, nonce) DO NOTHING
    RETURNING 1
    """,
)


def hash_secret(secret: str) -> str:
    """SHA-256 is enough for a random 256-bit secret: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate_bearer(*, secret: str) -> MerchantIdentity:
    """Return the merchant whose usable key this is, asking the database. Raises Unauthenticated."""
    if not secret.startswith(SECRET_PREFIX):
        raise Unauthenticated
    return _load_identity(hash_secret(secret))


def recognise_bearer(*, secret: str) -> MerchantIdentity:
    """Like authenticate_bearer, but up to five seconds old.

    Only for statements that check the key again themselves (``acquiring_caller``). Raises Unauthenticated.
    """
    if not secret.startswith(SECRET_PREFIX):
        raise Unauthenticated
    return _identities.get(hash_secret(secret))


def knows_bearer(*, secret: str) -> bool:
    """Tell whether this process has lately seen this key to be good. Asks nobody."""
    return _identities.holds(hash_secret(secret))


class UnknownSigner(Unauthenticated):
    """No usable key has the number that the signature names. Who calls hears what every refusal says."""


@dataclass(frozen=True, slots=True)
class ProvedSignature:
    """A signature that holds; whether it was used before, or its key ended meanwhile, only use_signature tells."""

    merchant: MerchantIdentity
    nonce: str
    created: int


def recognise_signature(
    request: SignedRequest, *, signature_input: str, signature: str, only_known: bool = False
) -> ProvedSignature:
    """Return whose signature this is, by keys up to five seconds old. Raises Unauthenticated, for every cause alike.

    UnknownSigner among them; with ``only_known`` also for a key that this process has not lately seen, asking nobody.
    """
    try:
        signed = parse_signature(signature_input, signature)
        if only_known and not _signing_keys.holds(signed.key_id):
            raise UnknownSigner
        key, merchant = _find_signing_key(signed)
        verify_request(request, signed, key, now_s=int(time.time()))
    except SignatureRefused as refusal:
        _log.info("signature_refused", reason=str(refusal))
        raise Unauthenticated from refusal
    return ProvedSignature(merchant=merchant, nonce=signed.nonce, created=signed.created)


@transactions.forbid
def use_signature(proved: ProvedSignature) -> None:
    """Let the signature count, this once: one statement, its own transaction, before anything is done for the request.

    It takes the nonce and asks whether the key still counts. Raises Unauthenticated.
    """
    key_id = proved.merchant.key_id
    if not _USE_NONCE.execute([key_id, proved.nonce, proved.created + WINDOW_S]):
        _log.info("signature_refused", reason="the nonce is used or the key ended", key_id=key_id)
        raise Unauthenticated


def _find_signing_key(signed: MessageSignature) -> tuple[VerificationKey, MerchantIdentity]:
    if not numbers.is_number(signed.key_id, numbers.KEY):
        raise SignatureRefused("keyid is no key's number")
    return _signing_keys.get(signed.key_id)


@transactions.forbid
def sweep_used_nonces() -> int:
    """Delete one batch of nonces whose signatures are too old anyway (its own transaction); returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM acquiring_used_nonce AS n USING (SELECT key_id, nonce FROM acquiring_used_nonce"
            " WHERE expires_at < to_timestamp(%s) ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED) AS old"
            " WHERE n.key_id = old.key_id AND n.nonce = old.nonce",
            [int(time.time()) - NONCE_REST_S, settings.SWEEP_BATCH],
        )
        return int(cursor.rowcount)


def _find_credential(**named: str) -> Credential | None:
    """Return a key that is neither revoked nor expired, of a merchant that is not disabled."""
    return (
        Credential.objects.select_related("merchant")
        .filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=PlatformNow()),
            revoked_at__isnull=True,
            merchant__status=Merchant.Status.ACTIVE,
            **named,
        )
        .first()
    )


def _load_identity(secret_hash: str) -> MerchantIdentity:
    credential = _find_credential(secret_hash=secret_hash)
    if credential is None or credential.merchant.signed_only:
        raise Unauthenticated
    return _identify(credential)


def _load_signing_key(key_id: str) -> tuple[VerificationKey, MerchantIdentity]:
    credential = _find_credential(key_id=key_id)
    if (
        credential is None
        or credential.is_waiting
        or credential.algorithm == Credential.Algorithm.BEARER
    ):
        raise UnknownSigner
    algorithm = SigningAlgorithm(Credential.Algorithm(credential.algorithm).label)
    stored = credential.hmac_secret
    key = load_verification_key(
        algorithm,
        public_key=credential.public_key,
        secret=decrypt_text(stored).encode() if stored is not None else None,
    )
    return key, _identify(credential)


def _identify(credential: Credential) -> MerchantIdentity:
    merchant = credential.merchant
    return MerchantIdentity(
        merchant_no=merchant.merchant_no,
        key_id=credential.key_id,
        name=merchant.name,
        return_origins=tuple(merchant.return_origins),
        rate_limit_per_s=merchant.rate_limit_per_s,
    )


_identities: ConfigCache[str, MerchantIdentity] = ConfigCache(
    _load_identity, name="credentials", seconds=5
)
_signing_keys: ConfigCache[str, tuple[VerificationKey, MerchantIdentity]] = ConfigCache(
    _load_signing_key, name="signing_keys", seconds=5
)
