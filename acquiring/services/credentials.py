"""Merchants' keys: made, rotated with overlap, revoked at once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db.models import QuerySet

from acquiring.models import Credential, Merchant
from acquiring.public_keys import KeyRefused, parse_public_key
from acquiring.request_signing import SigningAlgorithm
from acquiring.services.callers import SECRET_PREFIX, hash_secret
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.encryption import encrypt_text
from paymentplatform.kernel.errors import Action, Conflict, FieldError, InvalidRequest, NotFound

HMAC_PREFIX: Final = "hk_"
"""Never taken for a Bearer secret; the whole text, as ASCII, is the HMAC key."""

_HINT_CHARACTERS: Final = 8

MAX_REFERENCE: Final = 64

Algorithm = Credential.Algorithm
SECRET_ALGORITHMS: Final = frozenset({Algorithm.BEARER, Algorithm.HMAC_SHA256})
"""Those whose secret we make; of the others the merchant keeps a private key, and we see the public one."""


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A new key. ``secret`` is shown once and cannot be read again; empty where the merchant keeps a private key.

    ``repeated``: the key was made before, under the same reference; its secret is not shown again.
    """

    key_id: str
    secret: str
    algorithm: str = Algorithm.BEARER
    repeated: bool = False


class KeyReferenceUsed(Conflict):
    """A key of another algorithm was made for this merchant under this reference."""

    code = "key_reference_used"
    title = "The reference belongs to another key"
    action = Action.FIX_REQUEST


def parse_algorithm(name: str) -> str:
    """Return the algorithm of a public name such as ``ed25519``. Raises InvalidRequest."""
    for algorithm in Algorithm:
        if name == algorithm.label:
            return algorithm.value
    raise InvalidRequest(f"There is no algorithm {name}; there are {', '.join(Algorithm.labels)}.")


@transactions.start
def issue_credential(
    *,
    merchant_no: str,
    algorithm: str = Algorithm.BEARER,
    public_key: str | None = None,
    lifetime_s: int | None = None,
) -> IssuedCredential:
    """Add a key beside the existing ones, so that both work while the merchant changes over (start).

    ``public_key`` is PEM or base64, for the algorithms that have one and for no other, and never one that was a key of
    this merchant before. Raises NotFound, InvalidRequest.
    """
    material = make_material(algorithm, public_key)
    merchant = find_merchant(merchant_no)
    expires_at = database_now() + timedelta(seconds=lifetime_s) if lifetime_s else None
    return _add_credential(merchant, material, expires_at=expires_at)


@transactions.start
def revoke_credential(*, key_id: str) -> None:
    """Make a key useless at once; repeating changes nothing (start). Raises NotFound."""
    revoke_among(Credential.objects.all(), key_id)


@transactions.start
def rotate_credential(
    *,
    merchant_no: str,
    algorithm: str = Algorithm.BEARER,
    public_key: str | None = None,
    revoke_key_id: str | None = None,
    reference: str | None = None,
    dry_run: bool = False,
) -> IssuedCredential | None:
    """Add a key and, when told to, revoke one of this merchant's in the same moment (start).

    Without ``revoke_key_id`` the old keys go on working while the merchant changes over. ``reference`` is the caller's
    own number for this wish: with the same one again nothing is made or revoked, and the key is named.

    Raises InvalidRequest for a public key that is no good or was a key of this merchant before, and when the key to
    revoke is revoked already; KeyReferenceUsed;
    NotFound for an unknown merchant, and for a key that is not this merchant's; then nothing was added.
    ``dry_run`` raises the same, writes nothing and returns None.
    """
    if reference is not None:
        known = _find_made(find_merchant(merchant_no), reference, algorithm)
        if known is not None:
            return known
    material = make_material(algorithm, public_key)
    merchant = find_merchant(merchant_no)
    own = Credential.objects.filter(merchant=merchant)
    if revoke_key_id is not None:
        check_replaceable(
            own.select_for_update().filter(key_id=revoke_key_id).first(), revoke_key_id
        )
    if dry_run:
        refuse_known_key(merchant, material)
        return None
    if revoke_key_id is not None:
        revoke_among(own, revoke_key_id)
    return _add_credential(merchant, material, reference=reference)


def _find_made(merchant: Merchant, reference: str, algorithm: str) -> IssuedCredential | None:
    """Return the key that was made under this reference; whoever wants the same at once waits."""
    check_reference(reference)
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
    key = Credential.objects.filter(merchant=merchant, reference=reference).first()
    if key is None:
        return None
    if key.algorithm != algorithm:
        raise KeyReferenceUsed(f"{reference} has made {key.key_id}, a key of another algorithm.")
    return IssuedCredential(key.key_id, "", key.algorithm, repeated=True)


def check_reference(reference: str) -> None:
    """Raise InvalidRequest for a reference that is blank or longer than 64."""
    if not reference.strip() or len(reference) > MAX_REFERENCE:
        raise InvalidRequest(f"A reference has 1 to {MAX_REFERENCE} characters.")


def add_first_credential(merchant: Merchant) -> IssuedCredential:
    """Give a merchant just made its first key, a Bearer one (the caller's transaction)."""
    return _add_credential(merchant, make_material(Algorithm.BEARER, None))


@dataclass(frozen=True, slots=True)
class KeyMaterial:
    """What makes a key: its columns, and the secret to show."""

    columns: dict[str, Any]
    secret: str


def make_material(algorithm: str, public_key: str | None) -> KeyMaterial:
    """Draw a secret, or read the merchant's public key. Raises InvalidRequest."""
    if algorithm in SECRET_ALGORITHMS:
        if public_key:
            raise _refuse_key(
                f"{Algorithm(algorithm).label} has no public key; we make its secret."
            )
        return make_secret(algorithm)
    if algorithm not in Algorithm.values:
        raise InvalidRequest("There is no such algorithm.")
    name = SigningAlgorithm(Algorithm(algorithm).label)
    if not public_key or not public_key.strip():
        raise _refuse_key(f"{name} needs the merchant's public key.")
    try:
        parsed = parse_public_key(public_key, algorithm=name)
    except KeyRefused as refusal:
        raise _refuse_key(str(refusal)) from refusal
    columns = {"public_key": parsed.pem, "hint": parsed.fingerprint[:_HINT_CHARACTERS]}
    return KeyMaterial({"algorithm": algorithm} | columns, "")


def _refuse_key(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=(FieldError("public_key", "refused", detail),))


def check_replaceable(credential: Credential | None, key_id: str) -> Credential:
    """Return the key unless it is no key or ended already. Raises NotFound, InvalidRequest."""
    if credential is None:
        raise NotFound(f"There is no such key {key_id}.")
    if credential.revoked_at is not None:
        raise InvalidRequest(
            f"{key_id} is revoked already; add a key beside it instead of in its place."
        )
    return credential


def refuse_known_key(merchant: Merchant, material: KeyMaterial) -> None:
    """Refuse a public key that ever was one of this merchant, which may have leaked; one addition at a time.

    The kept PEM is the one form of a key, so equal texts are equal fingerprints.
    """
    pem = material.columns.get("public_key")
    if pem is None:
        return
    Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
    known = Credential.objects.filter(merchant=merchant, public_key=pem).order_by("-key_id").first()
    if known is None:
        return
    state = "in use" if known.revoked_at is None else f"revoked {known.revoked_at:%Y-%m-%d}"
    raise _refuse_key(
        f"This is a key of this merchant already: {known.key_id}, {state}."
        " A public key is taken once; let the merchant make a new pair."
    )


def make_secret(algorithm: str) -> KeyMaterial:
    """Draw a secret for one of ``SECRET_ALGORITHMS``."""
    if algorithm == Algorithm.BEARER:
        secret = SECRET_PREFIX + secrets.token_urlsafe(32)
        kept = {"secret_hash": hash_secret(secret)}
    else:
        secret = HMAC_PREFIX + secrets.token_urlsafe(32)
        kept = {"hmac_secret": encrypt_text(secret)}
    return KeyMaterial({"algorithm": algorithm, "hint": secret[-4:]} | kept, secret)


def find_merchant(merchant_no: str) -> Merchant:
    """Return the merchant. Raises NotFound."""
    merchant = Merchant.objects.filter(merchant_no=merchant_no).first()
    if merchant is None:
        raise NotFound(f"There is no merchant {merchant_no}.")
    return merchant


def _add_credential(
    merchant: Merchant,
    material: KeyMaterial,
    *,
    expires_at: Any = None,
    reference: str | None = None,
) -> IssuedCredential:
    refuse_known_key(merchant, material)
    credential = Credential.objects.create(
        key_id=numbers.new_number(numbers.KEY),
        merchant=merchant,
        expires_at=expires_at,
        reference=reference,
        **material.columns,
    )
    return IssuedCredential(credential.key_id, material.secret, credential.algorithm)


def revoke_among(among: QuerySet[Credential], key_id: str) -> None:
    """End one of these keys; repeating changes nothing (the caller's transaction). Raises NotFound."""
    credential = among.select_for_update().filter(key_id=key_id).first()
    if credential is None:
        raise NotFound(f"There is no such key {key_id}.")
    if credential.revoked_at is None:
        credential.revoked_at = database_now()
        credential.save(update_fields=["revoked_at"])
