"""Public keys as merchants hand them in: what they are, whether they are good enough, one form to keep. Pure."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_public_key,
)

from acquiring.request_signing import SigningAlgorithm

MAX_CHARACTERS: Final = 8192
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
"""A longer one only makes every verification slow."""

_ED25519_BYTES: Final = 32
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)
"""Points of order 8 or less, sign bit aside: under such a key anybody can sign anything."""


class KeyRefused(Exception):
    """This is not a public key that we take; the text says why and may be shown."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A good key: ``pem`` is its one form (SubjectPublicKeyInfo), ``fingerprint`` the SHA-256 of its DER, in hex."""

    pem: str
    fingerprint: str


def parse_public_key(text: str, *, algorithm: SigningAlgorithm) -> PublicKey:
    """Read PEM or base64 (of DER, or of an Ed25519 key's 32 bytes). Raises KeyRefused."""
    if len(text) > MAX_CHARACTERS:
        raise KeyRefused("This is too long for a public key.")
    text = text.strip()
    if "PRIVATE KEY" in text:
        raise KeyRefused(_PRIVATE)
    key = _load_pem(text) if text.startswith("-----BEGIN") else _load_base64(text)
    if algorithm is SigningAlgorithm.ED25519:
        _check_ed25519(key)
    else:
        _check_rsa(key)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return PublicKey(pem=pem, fingerprint=sha256(der).hexdigest())


_PRIVATE: Final = (
    "This is a private key. Give its public half, of a new pair: this one has now left its owner."
)


def _load_pem(text: str) -> Any:
    kind = re.match(r"-----BEGIN ([A-Z0-9 ]+)-----", text)
    if kind is None or not kind[1].endswith("PUBLIC KEY"):
        raise KeyRefused(
            f"A PEM block BEGIN PUBLIC KEY is wanted, not {kind[1] if kind else 'this'}."
        )
    try:
        return load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyRefused("The PEM block holds no public key that can be read.") from error


def _load_base64(text: str) -> Any:
    if text.startswith(("ssh-", "ecdsa-")):
        raise KeyRefused("This is in OpenSSH's form; PEM or base64 is wanted.")
    try:
        raw = b64decode("".join(text.split()), validate=True)
    except (NotBase64, ValueError):
        raise KeyRefused("This is neither a PEM block nor base64.") from None
    if len(raw) == _ED25519_BYTES:
        return Ed25519PublicKey.from_public_bytes(raw)
    try:
        return load_der_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        if _is_private(raw):
            raise KeyRefused(_PRIVATE) from error
        raise KeyRefused("The base64 text holds no public key that can be read.") from error


def _is_private(raw: bytes) -> bool:
    try:
        load_der_private_key(raw, password=None)
    except TypeError:  # an encrypted one
        return True
    except (ValueError, UnsupportedAlgorithm):
        return False
    return True


def _check_ed25519(key: Any) -> None:
    if not isinstance(key, Ed25519PublicKey):
        raise KeyRefused(f"ed25519 takes an Ed25519 key; this is {_name(key)}.")
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    if raw[:31] + bytes([raw[31] & 0x7F]) in _SMALL_ORDER:
        raise KeyRefused("This Ed25519 key proves nothing: its point is of small order.")


def _check_rsa(key: Any) -> None:
    if not isinstance(key, RSAPublicKey):
        raise KeyRefused(f"rsa-v1_5-sha256 takes an RSA key; this is {_name(key)}.")
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise KeyRefused(
            f"An RSA key needs {MIN_RSA_BITS} to {MAX_RSA_BITS} bits; this one has {key.key_size}."
        )


def _name(key: Any) -> str:
    curve = getattr(key, "curve", None)
    named = type(key).__name__.removesuffix("PublicKey").lstrip("_")
    return f"an elliptic curve key ({curve.name})" if curve is not None else f"one for {named}"
