"""Signed requests: HTTP Message Signatures (RFC 9421) with a Content-Digest (RFC 9530), each with its own nonce."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

import httpx

from paymentplatform_client.parsing import read_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that the platform knows as ``key_id``, and how it signs."""

    key_id: str
    sign: Callable[[bytes], bytes] = field(repr=False)

    @classmethod
    def from_secret(cls, *, key_id: str, secret: str) -> Self:
        """Take an ``hmac-sha256`` key: the whole ``hk_…`` that was shown once."""
        return cls(key_id=key_id, sign=lambda base: hmac.digest(secret.encode(), base, "sha256"))

    @classmethod
    def from_pem(
        cls, *, key_id: str, pem: bytes | str, password: bytes | str | None = None
    ) -> Self:
        """Take an ``ed25519`` or ``rsa-v1_5-sha256`` private key: what is in the PEM file, not the file's name.

        Needs the package ``cryptography``. Raises ValueError for what is no PEM, for a key of another kind, and for one
        that cannot be read with this password.
        """
        from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if b"-----BEGIN" not in read_bytes(pem):
            raise ValueError("pem is no PEM text: give what is in the key file, not its name")
        try:
            private = load_pem_private_key(
                read_bytes(pem), read_bytes(password) if password else None
            )
        except TypeError as error:  # a password too many, or one too few
            raise ValueError(str(error)) from error
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return cls(key_id=key_id, sign=private.sign)
        if isinstance(private, rsa.RSAPrivateKey):
            return cls(
                key_id=key_id, sign=lambda base: private.sign(base, padding.PKCS1v15(), SHA256())
            )
        raise ValueError("the platform takes Ed25519 and RSA keys")


class Bearer(httpx.Auth):
    """Shows the secret key with every request."""

    def __init__(self, secret_key: str) -> None:
        self._value = f"Bearer {secret_key}"

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Add the header."""
        request.headers["Authorization"] = self._value
        yield request


class Signature(httpx.Auth):
    """Signs every request; one that is repeated is signed anew, because a signature counts once."""

    requires_request_body = True

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        """Add Content-Digest, Signature-Input and Signature."""
        values = {"@method": request.method, "@target-uri": str(request.url)}
        if request.content:
            digest = base64.b64encode(hashlib.sha256(request.content).digest()).decode()
            request.headers["Content-Digest"] = f"sha-256=:{digest}:"
        for name in ("content-type", "content-digest", "idempotency-key"):
            if name in request.headers:
                values[name] = request.headers[name]
        names = " ".join(f'"{name}"' for name in values)
        parameters = (
            f"({names});created={int(time.time())}"
            f';nonce="{secrets.token_urlsafe(16)}";keyid="{self._key.key_id}"'
        )
        lines = [f'"{name}": {value}' for name, value in values.items()]
        base = "\n".join([*lines, f'"@signature-params": {parameters}'])
        signature = base64.b64encode(self._key.sign(base.encode())).decode()
        request.headers["Signature-Input"] = f"sig={parameters}"
        request.headers["Signature"] = f"sig=:{signature}:"
        yield request
