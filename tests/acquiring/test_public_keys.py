"""Public keys as merchants hand them in: what is taken, in which forms, and what is refused with which words."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from acquiring.public_keys import _SMALL_ORDER, KeyRefused, parse_public_key
from acquiring.request_signing import SigningAlgorithm

ED25519, RSA = SigningAlgorithm.ED25519, SigningAlgorithm.RSA_V1_5_SHA256
CURVE = ed25519.Ed25519PrivateKey.generate()
LONG = rsa.generate_private_key(65537, 2048)
SPKI = PublicFormat.SubjectPublicKeyInfo


def pem(key: Any, form: PublicFormat = SPKI) -> str:
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def text(raw: bytes) -> str:
    return b64encode(raw).decode()


def der(key: Any) -> str:
    return text(key.public_key().public_bytes(Encoding.DER, SPKI))


def private(key: Any, encoding: Encoding, password: bytes | None = None) -> bytes:
    shut = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(encoding, PrivateFormat.PKCS8, shut)


@pytest.mark.parametrize(
    ("given", "algorithm", "key"),
    [
        (pem(CURVE), ED25519, CURVE),
        ("\n  " + pem(CURVE).replace("\n", "\r\n"), ED25519, CURVE),
        (der(CURVE), ED25519, CURVE),
        (text(CURVE.public_key().public_bytes_raw()) + "\n", ED25519, CURVE),
        (pem(LONG), RSA, LONG),
        (pem(LONG, PublicFormat.PKCS1), RSA, LONG),
        (der(LONG), RSA, LONG),
        ("\n".join(der(LONG)[n : n + 64] for n in range(0, 400, 64)), RSA, LONG),
    ],
    ids=range(8),
)
def test_every_form_is_kept_in_one(given: str, algorithm: SigningAlgorithm, key: Any):
    assert parse_public_key(given, algorithm=algorithm).pem == pem(key)


@pytest.mark.parametrize(
    ("given", "algorithm", "words"),
    [
        ("", ED25519, "holds no public key"),
        ("not a key!", ED25519, "neither a PEM block nor base64"),
        ("密钥", ED25519, "neither a PEM block nor base64"),
        (text(b"x" * 31), ED25519, "holds no public key"),
        (text(b"x" * 64), ED25519, "holds no public key"),
        ("x" * 9_000, ED25519, "too long"),
        (pem(CURVE).replace("MCow", "MCox"), ED25519, "holds no public key"),
        (pem(CURVE).replace("PUBLIC KEY", "CERTIFICATE"), ED25519, "not CERTIFICATE"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 me@here", ED25519, "OpenSSH"),
        (pem(LONG), ED25519, "this is one for RSA"),
        (pem(CURVE), RSA, "this is one for Ed25519"),
        (pem(ec.generate_private_key(ec.SECP256R1())), ED25519, r"curve key \(secp256r1\)"),
        (pem(ec.generate_private_key(ec.SECP256K1())), RSA, r"curve key \(secp256k1\)"),
        (pem(x25519.X25519PrivateKey.generate()), ED25519, "this is one for X25519"),
        (der(ed448.Ed448PrivateKey.generate()), ED25519, "this is one for Ed448"),
        (pem(dsa.generate_private_key(1024)), RSA, "this is one for DSA"),
        (pem(rsa.generate_private_key(65537, 1024)), RSA, "2048 to 8192 bits; this one has 1024"),
        (pem(rsa.generate_private_key(65537, 2040)), RSA, "this one has 2040"),
        (private(CURVE, Encoding.PEM).decode(), ED25519, "private key"),
        (private(LONG, Encoding.PEM, b"shut").decode(), RSA, "private key"),
        (text(private(CURVE, Encoding.DER)), ED25519, "private key"),
        (text(private(LONG, Encoding.DER)), RSA, "private key"),
        (text(private(LONG, Encoding.DER, b"shut")), RSA, "private key"),
    ],
    ids=range(23),
)
def test_what_is_no_good_key_is_refused(given: str, algorithm: SigningAlgorithm, words: str):
    with pytest.raises(KeyRefused, match=words) as refusal:
        parse_public_key(given, algorithm=algorithm)
    assert given[:40] not in str(refusal.value) or not given


@pytest.mark.parametrize("point", sorted(_SMALL_ORDER), ids=bytes.hex)
def test_keys_under_which_anybody_could_sign_are_refused(point: bytes):
    for sign_bit in (0, 0x80):
        raw = point[:31] + bytes([point[31] | sign_bit])
        with pytest.raises(KeyRefused, match="small order"):
            parse_public_key(text(raw), algorithm=ED25519)
    assert is_small(int.from_bytes(point, "little"))
    assert not is_small(4 * pow(5, -1, 2**255 - 19))


def is_small(y: int) -> bool:
    """Tell whether the point with this y has an order of 8 or less, by doubling it three times (y alone is enough)."""
    p = 2**255 - 19
    d = -121665 * pow(121666, -1, p) % p
    y %= p
    for _ in range(3):
        if y == 1:
            return True
        x_squared = (y * y - 1) * pow(d * y * y + 1, -1, p) % p
        y = (y * y + x_squared) * pow(2 - (y * y - x_squared), -1, p) % p
    return y == 1
