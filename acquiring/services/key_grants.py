"""Merchants' keys that two people of ours agree to 密钥复核: one asks, another grants, and only then there is a secret.

Whoever holds a merchant's secret can move the merchant's money, so nobody makes one alone. What is granted is a key
without a secret: the one who asked collects it, once, and in that moment it is drawn. Nobody else ever can, and what
is not collected in time never exists. A key of which the merchant keeps the private half works when it is granted:
there the second person compares the fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from acquiring.models import Credential
from acquiring.public_keys import parse_public_key
from acquiring.request_signing import SigningAlgorithm
from acquiring.services.credentials import (
    SECRET_ALGORITHMS,
    IssuedCredential,
    find_merchant,
    make_secret,
    revoke_among,
    rotate_credential,
)
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import Conflict, InvalidRequest, NotFound, PermissionRefused

COLLECT_WITHIN: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key that somebody asks for. ``algorithm`` is a value of ``Credential.Algorithm``; ``replaces`` a key to end."""

    merchant_no: str
    algorithm: str
    public_key: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class KeyGrantView:
    """What granting would do: for the second person to compare with what the merchant says."""

    merchant_name: str
    algorithm: str
    fingerprint: str | None
    """SHA-256 of the public key (DER), in hex; None for a secret of ours."""


@transactions.require
def preview_key_grant(*, wish: KeyWish) -> KeyGrantView:
    """Check a wish and say what granting it would do; writes nothing (require).

    Raises NotFound, and InvalidRequest for a public key that is no good or was this merchant's before, and for a key
    to replace that is revoked already.
    """
    _check_algorithm(wish.algorithm)
    merchant = find_merchant(wish.merchant_no)
    transactions.join(rotate_credential)(
        merchant_no=wish.merchant_no,
        algorithm=wish.algorithm,
        public_key=wish.public_key,
        revoke_key_id=wish.replaces,
        dry_run=True,
    )
    return KeyGrantView(
        merchant_name=merchant.name,
        algorithm=Credential.Algorithm(wish.algorithm).label,
        fingerprint=_name_public_key(wish),
    )


@transactions.require
def grant_key(*, wish: KeyWish, collector: str) -> str:
    """Grant what was asked for and return the key's number (require).

    A public key works at once, and the key that it replaces ends at once. Otherwise a key without a secret waits for
    ``collector`` to collect it. Raises what ``preview_key_grant`` raises.
    """
    _check_algorithm(wish.algorithm)
    if wish.algorithm not in SECRET_ALGORITHMS:
        issued = transactions.join(rotate_credential)(
            merchant_no=wish.merchant_no,
            algorithm=wish.algorithm,
            public_key=wish.public_key,
            revoke_key_id=wish.replaces,
        )
        assert issued is not None  # it is None in a dry run only
        return issued.key_id
    preview_key_grant(wish=wish)
    waiting = Credential.objects.create(
        key_id=numbers.new_number(numbers.KEY),
        merchant=find_merchant(wish.merchant_no),
        algorithm=wish.algorithm,
        hint="",
        collector=collector,
        collect_until=database_now() + COLLECT_WITHIN,
        replaces=wish.replaces,
    )
    return str(waiting.key_id)


@transactions.start
def collect_secret(*, key_id: str, collector: str) -> IssuedCredential:
    """Draw the secret of a granted key, end the key that it replaces, and return it, once (start).

    If the process dies before the secret was read, nobody ever has it: revoke that key and ask for another. Raises
    NotFound, Conflict when there is nothing to collect, PermissionRefused for all but the one who asked for the key.
    """
    key = Credential.objects.select_for_update().filter(key_id=key_id).first()
    if key is None:
        raise NotFound(f"There is no such key {key_id}.")
    if key.collector != collector:
        raise PermissionRefused("Only the one who proposed this key collects its secret.")
    if not key.can_be_collected(now=database_now()):
        raise Conflict(
            "It was collected, its time is over, or the key is revoked: propose another."
        )
    if key.replaces is not None:
        revoke_among(Credential.objects.filter(merchant=key.merchant_id), key.replaces)
    material = make_secret(key.algorithm)
    for column, value in material.columns.items():
        setattr(key, column, value)
    key.save(update_fields=[name for name in material.columns if name != "algorithm"])
    return IssuedCredential(key.key_id, material.secret, key.algorithm)


def _check_algorithm(algorithm: str) -> None:
    if algorithm not in Credential.Algorithm.values:
        raise InvalidRequest("There is no such algorithm.")


def _name_public_key(wish: KeyWish) -> str | None:
    if wish.algorithm in SECRET_ALGORITHMS or wish.public_key is None:
        return None
    label = Credential.Algorithm(wish.algorithm).label
    return parse_public_key(wish.public_key, algorithm=SigningAlgorithm(label)).fingerprint
