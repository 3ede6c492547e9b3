"""The header ``Idempotency-Key``: run a view's method once, and answer its repetitions from what was kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Final

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse

from acquiring.services.idempotency import (
    Claim,
    KeptAnswer,
    Scope,
    answer_claim,
    claim_key,
    release_claim,
    running_under,
)
from paymentplatform.kernel.errors import (
    FieldError,
    IdempotencyKeyInUse,
    InvalidRequest,
    Unavailable,
)
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.problems import name_error, problem_response
from paymentplatform.kernel.strictjson import parse_json, read_body

HEADER: Final = "HTTP_IDEMPOTENCY_KEY"
REPLAYED: Final = "Idempotent-Replayed"
_KEY: Final = re.compile(r"[!-+\--~]{1,255}\Z")
"""Visible ASCII but the comma: a server joins two headers of one name with it, and they are no key."""


_log = structlog.get_logger(__name__)


def has_key(request: HttpRequest) -> bool:
    """Tell whether this is a POST with an Idempotency-Key; other methods are idempotent without one."""
    return request.method == "POST" and HEADER in request.META


def answer_once(
    run: Callable[[], HttpResponse], *, request: HttpRequest, key_id: str
) -> HttpResponse:
    """Run the request if nobody has, and answer it; else answer what was kept, or why there is none yet.

    2xx answers and final 409s are kept; after any other the key is as good as unused, and after a 5xx the same
    request may run again at once. Raises what reading the request raises, and what ``claim_key`` raises.
    """
    held = claim_key(key_id=key_id, scope=_read_scope(request))
    if isinstance(held, KeptAnswer):
        return _replay(held)
    failpoint("key_claimed")
    try:
        with running_under(held):
            response = run()
        final = 200 <= response.status_code < 300
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        named = name_error(error)
        response, final = problem_response(named), named.final
    return _conclude(held, response) if final else _release(held, response)


def _conclude(claim: Claim, response: HttpResponse) -> HttpResponse:
    """Keep the answer; without a database it is given all the same, and a repetition runs the request again."""
    failpoint("key_unanswered")
    own = KeptAnswer(
        response.status_code, response.get("Content-Type", ""), response.content.decode()
    )
    try:
        kept = answer_claim(claim, answer=own)
    except IdempotencyKeyInUse as error:
        return problem_response(error)
    except (Unavailable, DatabaseError) as error:
        _log.warning(
            "idempotency_answer_not_kept", claim=claim.claim_no, error=type(error).__name__
        )
        return response
    failpoint("key_answered")
    return response if kept is own else _replay(kept)


def _release(claim: Claim, response: HttpResponse) -> HttpResponse:
    try:
        release_claim(claim, nothing_happened=response.status_code < 500)
    except DatabaseError as error:
        # Then the lease has to run out.
        _log.warning(
            "idempotency_key_not_released", claim=claim.claim_no, error=type(error).__name__
        )
    return response


def _replay(kept: KeptAnswer) -> HttpResponse:
    return HttpResponse(
        kept.body, status=kept.status, content_type=kept.media_type, headers={REPLAYED: "true"}
    )


def _read_scope(request: HttpRequest) -> Scope:
    key = request.META[HEADER]
    if not _KEY.match(key):
        detail = "1 to 255 visible ASCII characters without a comma, given once"
        raise InvalidRequest(
            f"Idempotency-Key must be {detail}.",
            errors=(FieldError("Idempotency-Key", "format", detail),),
        )
    match = request.resolver_match
    return Scope(
        key=key,
        route=(match.route if match else "")[:255],
        scope_digest=_digest(request.method or "", request.path_info, key),
        request_digest=_digest(
            request.META.get("QUERY_STRING", ""),
            _canonical(read_body(request)),
        ),
    )


def _canonical(body: bytes) -> str:
    """Write a JSON body in the one form that spaces, order of keys and escapes do not change.

    What is no JSON is taken as it is: the method will refuse it.
    """
    try:
        value: Any = parse_json(body) if body else {}
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (InvalidRequest, RecursionError):
        return body.decode("latin-1")


def _digest(*parts: str) -> str:
    text = "\0".join(parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
