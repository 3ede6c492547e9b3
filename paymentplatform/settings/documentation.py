"""How the API's description looks."""

from __future__ import annotations

from typing import Any

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Payment platform: merchant API",
    "DESCRIPTION": (
        "Amounts are integers in minor units, times RFC 3339 in UTC. A 4xx answer means that nothing has"
        " happened; after a 5xx one ask, or repeat with the same number. All error codes: /api/errors"
    ),
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
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
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
