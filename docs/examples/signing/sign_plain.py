"""Sign a request to the merchant API with nothing but `cryptography` (and not even that for hmac-sha256).

BASE_URL=… KEY_ID=key_… ALGORITHM=ed25519 PRIVATE_KEY_FILE=key.pem python3 sign_plain.py GET /api/v1/orders
BASE_URL=… KEY_ID=key_… ALGORITHM=hmac-sha256 SECRET_KEY=hk_… python3 sign_plain.py POST /api/v1/orders '{…}'
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path


def sign(method: str, url: str, body: bytes, *, created: int | None = None) -> dict[str, str]:
    """Return the headers that prove this request. ``url`` is the published address, with its query."""
    values = {"@method": method, "@target-uri": url}
    headers = {}
    if body:
        digest = b64encode(hashlib.sha256(body).digest()).decode()
        headers = {"Content-Type": "application/json", "Content-Digest": f"sha-256=:{digest}:"}
        values |= {name.lower(): value for name, value in headers.items()}
    names = " ".join(f'"{name}"' for name in values)
    parameters = (
        f"({names});created={created or int(time.time())}"
        f';nonce="{secrets.token_urlsafe(16)}";keyid="{os.environ["KEY_ID"]}"'
    )
    lines = [f'"{name}": {value}' for name, value in values.items()]
    base = "\n".join([*lines, f'"@signature-params": {parameters}']).encode()
    signature = b64encode(_sign_bytes(base)).decode()
    return headers | {"Signature-Input": f"sig={parameters}", "Signature": f"sig=:{signature}:"}


def _sign_bytes(base: bytes) -> bytes:
    algorithm = os.environ["ALGORITHM"]
    if algorithm == "hmac-sha256":
        return hmac.digest(os.environ["SECRET_KEY"].encode(), base, "sha256")
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = load_pem_private_key(Path(os.environ["PRIVATE_KEY_FILE"]).read_bytes(), password=None)
    if algorithm == "ed25519":
        return key.sign(base)
    return key.sign(base, PKCS1v15(), hashes.SHA256())


def call(method: str, path: str, body: str = "") -> tuple[int, str]:
    """Sign and send one request; returns status and body."""
    url = os.environ["BASE_URL"] + path
    data = body.encode()
    request = urllib.request.Request(  # noqa: S310 - the platform's own address
        url, data=data or None, headers=sign(method, url, data), method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


if __name__ == "__main__":
    status, answer = call(*sys.argv[1:4])
    print(json.dumps({"status": status, "body": json.loads(answer)}))
