"""How the API's description looks."""

from __future__ import annotations

from typing import Any

_DESCRIPTION = """\
Amounts are integers in minor units, times RFC 3339 in UTC. Unknown fields, floats and texts for numbers are refused.

* A 4xx answer means that **nothing has happened**; after a 5xx one, or none, ask or repeat with the same number.
* Every creation is safe to repeat: by your own number, or by an `Idempotency-Key`.
* Only `SUCCESS` means paid, only `FAILED` and `CLOSED` mean that it never will be.
* Every answer carries `X-Request-Id`; every refusal is a problem document (RFC 9457) with a `code` to branch on and an
  `action` that says what to do. All codes: [/api/errors](/api/errors).
"""

_TAGS = {
    "orders": "Create, ask, list, close. An order is paid once, on our page or by your server.",
    "payments": "Which methods an order can be paid with, and paying server-to-server.",
    "refunds": "Money back to the payer, wholly or in parts.",
    "payer agreements": "A payer lets you take money from the balance, within limits, until it is revoked.",
    "late money": "What institutions took for orders that could not use it any more.",
    "events": "What happened, where we sent it, what came back; send it again.",
    "webhook endpoints": "Where events go beside an order's `notify_url`, each with a secret of its own.",
    "balance and statements": "What we owe you, and every fact of a day that changed it.",
    "webhooks": "What we send to you.",
}

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Payment platform: merchant API",
    "DESCRIPTION": _DESCRIPTION,
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    # The library's own hook for enums expects schemas made from serializers.
    "POSTPROCESSING_HOOKS": [
        "paymentplatform.openapi_hooks.add_shared_parts",
        "paymentplatform.openapi_hooks.share_kinds",
        "paymentplatform.openapi_hooks.name_objects",
        "paymentplatform.openapi_hooks.shape_cursors",
        "paymentplatform.openapi_hooks.add_links",
        "paymentplatform.openapi_hooks.share_refusals",
        "paymentplatform.openapi_webhooks.add_webhooks",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVERS": [{"url": "/", "description": "The platform that serves this document"}],
    "TAGS": [{"name": name, "description": text} for name, text in _TAGS.items()],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "The merchant's secret key: `Authorization: Bearer sk_…`",
            },
            "httpSignature": {
                "type": "http",
                "scheme": "signature",
                "description": (
                    "HTTP Message Signatures (RFC 9421), in the headers `Signature-Input` and `Signature`, instead of"
                    " `Authorization`: ed25519, rsa-v1_5-sha256 or hmac-sha256, as the key was registered. Covers"
                    " `@method`, `@target-uri` (or `@path` and `@query`) and, where there is a body, `content-digest`"
                    " (RFC 9530, sha-256 or sha-512); parameters `created` (± 300 s), `nonce` (counts once) and"
                    " `keyid`. A 401 tells the server's time."
                ),
            },
        },
    },
}
