"""Sign a request to the merchant API with the library `http-message-signatures` (and `httpx`, `cryptography`).

BASE_URL=… KEY_ID=key_… ALGORITHM=ed25519 PRIVATE_KEY_FILE=key.pem python3 sign_package.py GET /api/v1/orders
BASE_URL=… KEY_ID=key_… ALGORITHM=hmac-sha256 SECRET_KEY=hk_… python3 sign_package.py POST /api/v1/orders '{…}'
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

ALGORITHMS = {
    "ed25519": algorithms.ED25519,
    "rsa-v1_5-sha256": algorithms.RSA_V1_5_SHA256,
    "hmac-sha256": algorithms.HMAC_SHA256,
}


class OurKey(HTTPSignatureKeyResolver):
    """Where the library finds the key."""

    def resolve_private_key(self, key_id: str) -> bytes:
        """Return the PEM text of the private key, or the bytes of the HMAC secret."""
        if os.environ["ALGORITHM"] == "hmac-sha256":
            return os.environ["SECRET_KEY"].encode()
        return Path(os.environ["PRIVATE_KEY_FILE"]).read_bytes()

    def resolve_public_key(self, key_id: str) -> bytes | None:
        """Return what the library wants for HMAC, which knows no public half."""
        return self.resolve_private_key(key_id) if "SECRET_KEY" in os.environ else None


class Signature(httpx.Auth):
    """Signs every request of a client: ``httpx.Client(auth=Signature())``."""

    requires_request_body = True

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:
        """Sign, also again when the client repeats: each request has a nonce of its own."""
        covered = ["@method", "@target-uri"]
        if request.content:
            covered += ["content-type", "content-digest"]
        signer = HTTPMessageSigner(
            signature_algorithm=ALGORITHMS[os.environ["ALGORITHM"]], key_resolver=OurKey()
        )
        signer.sign(
            request,
            key_id=os.environ["KEY_ID"],
            created=datetime.now(UTC),
            nonce=secrets.token_urlsafe(16),
            covered_component_ids=covered,
            body=request.content or None,
        )
        yield request


if __name__ == "__main__":
    method, path, *body = sys.argv[1:4]
    headers = {"Content-Type": "application/json"} if body else {}
    with httpx.Client(base_url=os.environ["BASE_URL"], auth=Signature(), timeout=30) as client:
        answer = client.request(method, path, content="".join(body) or None, headers=headers)
    print(json.dumps({"status": answer.status_code, "body": answer.json()}))
