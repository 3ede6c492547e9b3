"""A signed request, read off Django's: what its sender signed, not what servers on the way have made of it."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any, Final
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.http import HttpRequest

from acquiring.request_signing import SignedRequest
from paymentplatform.kernel.strictjson import read_body

_PATH_SAFE: Final = "/-._~!$&'()*+,;=:@"
_META_NAMES: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def is_signed(request: HttpRequest) -> bool:
    """Tell whether the request claims a signature, whole or in part; then nothing else can prove its sender."""
    return "HTTP_SIGNATURE" in request.META or "HTTP_SIGNATURE_INPUT" in request.META


def read_signed_request(request: HttpRequest) -> SignedRequest:
    """Return what a signature of this request must be about.

    The origin is BASE_URL's, whatever Host the request names: a request signed for another place proves nothing here.
    Servers hand over the path decoded, so it is encoded again, in the one form that our own addresses have.
    """
    origin, prefix = _find_origin(settings.BASE_URL)
    meta = request.META
    path = prefix + meta.get("SCRIPT_NAME", "") + meta.get("PATH_INFO", "")

    def read_field(name: str) -> str | None:
        value: Any = meta.get(_META_NAMES.get(name) or f"HTTP_{name.upper().replace('-', '_')}")
        return value if isinstance(value, str) else None

    return SignedRequest(
        method=meta["REQUEST_METHOD"],
        origin=origin,
        path=quote(path.encode("utf-8", "replace"), safe=_PATH_SAFE),
        query=meta.get("QUERY_STRING", ""),
        has_body=meta.get("CONTENT_LENGTH") not in {None, "", "0"},
        read_body=partial(read_body, request),
        read_field=read_field,
    )


@lru_cache(maxsize=4)
def _find_origin(base_url: str) -> tuple[str, str]:
    """Split BASE_URL into its origin and the path under which a proxy may publish us."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}".lower(), parts.path.rstrip("/")
