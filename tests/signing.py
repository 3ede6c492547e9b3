"""Keys and signed requests as a merchant makes them: the http-message-signatures package is the independent client."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

from acquiring.models import Credential
from acquiring.services.credentials import issue_credential
from tests.paymentplatform.calling import Answer, call

TARGET = ("@method", "@target-uri")
Algorithm = Credential.Algorithm

_BY_NAME: dict[str, Any] = {
    Algorithm.ED25519: algorithms.ED25519,
    Algorithm.RSA_V1_5_SHA256: algorithms.RSA_V1_5_SHA256,
    Algorithm.HMAC_SHA256: algorithms.HMAC_SHA256,
}
SIGNING = tuple(_BY_NAME)


@dataclass(frozen=True)
class Signer(HTTPSignatureKeyResolver):
    """A merchant's key: the half that it keeps."""

    key_id: str
    algorithm: str
    private_key: Any

    def resolve_private_key(self, key_id: str) -> Any:
        """For the package."""
        return self.private_key

    def resolve_public_key(self, key_id: str) -> Any:
        """For the package, which asks for it of HMAC only."""
        return self.private_key

    def sign(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        covered: Sequence[str] = TARGET,
        headers: dict[str, str] | None = None,
        key_id: str | None = None,
        nonce: str | None = None,
        created: int | None = None,
        expires: int | None = None,
        **options: Any,
    ) -> httpx.Request:
        """Make a request and sign it now, under a fresh nonce, unless told otherwise."""
        with_body = {"content-type": "application/json"} if body else {}
        request = httpx.Request(method, url, content=body, headers=with_body | (headers or {}))
        if body:
            covered = (*covered, "content-digest", "content-type")
        HTTPMessageSigner(signature_algorithm=_BY_NAME[self.algorithm], key_resolver=self).sign(
            request,
            key_id=key_id or self.key_id,
            nonce=nonce or secrets.token_urlsafe(16),
            created=_time(created) or datetime.now(UTC),
            expires=_time(expires),
            body=body or None,
            covered_component_ids=covered,
            **options,
        )
        return request


def _time(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds is not None else None


def make_signer(merchant_no: str, algorithm: str = Algorithm.ED25519) -> Signer:
    """Give a merchant one more key, made the way it would make it."""
    private, public = _make_pair(algorithm)
    issued = issue_credential(merchant_no=merchant_no, algorithm=algorithm, public_key=public)
    return Signer(issued.key_id, algorithm, private or issued.secret.encode())


def _make_pair(algorithm: str) -> tuple[Any, str | None]:
    if algorithm == Algorithm.HMAC_SHA256:
        return None, None
    private: Any = (
        Ed25519PrivateKey.generate()
        if algorithm == Algorithm.ED25519
        else generate_private_key(65537, 2048)
    )
    public = private.public_key()
    return private, public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def at_home(path: str) -> str:
    """The address of a call of the merchant API, as this process publishes it."""
    return f"{settings.BASE_URL}/api/v1/{path}"


def send(application: Any, request: httpx.Request, **environ: Any) -> Answer:
    """Hand a request to a WSGI application as a server would; ``environ`` replaces variables."""
    fields = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()
    }
    fields |= {"CONTENT_TYPE": fields.pop("HTTP_CONTENT_TYPE", "")}
    fields.pop("HTTP_CONTENT_LENGTH", None)
    target = request.url.raw_path.decode()
    return call(application, request.method, target, request.content, **fields | environ)
