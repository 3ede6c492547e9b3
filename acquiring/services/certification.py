"""Try a merchant's webhook receiver with twelve cases, by the same guarded door as every webhook."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from acquiring.models import Merchant, WebhookEndpoint
from acquiring.webhooks.certification_cases import (
    BURST,
    Case,
    Expected,
    SignedRequest,
    build_cases,
    judge_answer,
)
from acquiring.webhooks.endpoint_secrets import read_signing_secrets
from acquiring.webhooks.signing import make_webhook_secret
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.destinations import check_url
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.http import Failure, SendFailed, SendPolicy, send_request

CONNECT_TIMEOUT_S: Final = 5.0
MOST_TIMEOUT_S: Final = 15.0
READ_LIMIT: Final = 64 * 1024

_NOBODY_THERE: Final = frozenset(
    {
        Failure.ADDRESS_REFUSED,
        Failure.NAME_NOT_RESOLVED,
        Failure.CONNECT_FAILED,
        Failure.TLS_FAILED,
    }
)
_UNREACHABLE: Final = "Nobody could be reached at this address, so the other cases were not sent."
_TOO_SLOW: Final = "Store the event, answer 2xx at once, and do the slow work afterwards."
_REDIRECTED: Final = (
    "Redirects are not followed: register the address where the receiver really is."
)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case ended. ``came`` is what was answered, ``duration_ms`` the slowest one; ``mend`` is for failures."""

    name: str
    passed: bool
    expected: str
    came: str
    status_code: int | None
    duration_ms: int
    mend: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """How all cases ended for one receiver."""

    merchant_no: str
    url: str
    endpoint_id: str | None
    cases: tuple[CaseResult, ...]

    @property
    def passed(self) -> bool:
        """Tell whether every case passed."""
        return all(case.passed for case in self.cases)


@dataclass(frozen=True, slots=True)
class _Answer:
    status_code: int | None
    failure: Failure | None
    duration_ms: int


@transactions.forbid
def certify_receiver(
    *,
    merchant_no: str,
    url: str | None = None,
    endpoint_id: str | None = None,
    timeout_s: float = MOST_TIMEOUT_S,
) -> Certificate:
    """Send the twelve cases, one after the other, and judge the answers (forbids a transaction).

    To ``url``, signed with the merchant's own secrets, or to the endpoint, with the endpoint's; with neither named, to
    the merchant's only enabled endpoint. Reads configuration and writes nothing: no order, no event, no delivery.
    ``timeout_s`` is what each answer may take, 15 seconds at most. Raises InvalidRequest for wrong use.
    """
    _check_timeout(timeout_s)
    address, chosen, sealed = _find_receiver(merchant_no, url, endpoint_id)
    known = read_signing_secrets(sealed, now=database_now())
    results: list[CaseResult] = []
    for case in build_cases(signing_secrets=known, now=int(time.time())):
        if results and results[0].came in _NOBODY_THERE:
            results.append(_skip(case))
        else:
            results.append(_try_case(case, address, timeout_s))
    return Certificate(merchant_no, address, chosen, tuple(results))


def check_receiver(
    *,
    merchant_no: str,
    url: str | None = None,
    endpoint_id: str | None = None,
    timeout_s: float = MOST_TIMEOUT_S,
) -> tuple[str, str | None]:
    """Return the address, and the endpoint if it is one, that ``certify_receiver`` would send to; sends nothing.

    Raises InvalidRequest as it does.
    """
    _check_timeout(timeout_s)
    return _find_receiver(merchant_no, url, endpoint_id)[:2]


def list_cases() -> list[tuple[str, str]]:
    """Return the name of each case, and what is expected of a receiver."""
    cases = build_cases(signing_secrets=[make_webhook_secret()], now=int(time.time()))
    return [(case.name, case.expected.value) for case in cases]


def _check_timeout(timeout_s: float) -> None:
    if not 0 < timeout_s <= MOST_TIMEOUT_S:
        raise InvalidRequest(
            f"The timeout is more than 0 and at most {MOST_TIMEOUT_S:.0f} seconds."
        )


def _find_receiver(
    merchant_no: str, url: str | None, endpoint_id: str | None
) -> tuple[str, str | None, str]:
    """Return (address, endpoint or None, sealed secrets). Raises InvalidRequest."""
    found = _look_up_receiver(merchant_no, url, endpoint_id)
    check_url(found[0], allow_loopback_http=settings.WEBHOOK_ALLOW_LOOPBACK)
    return found


def _look_up_receiver(
    merchant_no: str, url: str | None, endpoint_id: str | None
) -> tuple[str, str | None, str]:
    merchant = Merchant.objects.filter(merchant_no=merchant_no).first()
    if merchant is None:
        raise InvalidRequest(f"There is no merchant {merchant_no}.")
    if url is not None and endpoint_id is not None:
        raise InvalidRequest("Name an address or an endpoint, not both.")
    if url is not None:
        return url, None, merchant.webhook_secrets
    endpoints = WebhookEndpoint.objects.filter(merchant=merchant, deleted_at__isnull=True)
    if endpoint_id is not None:
        found = list(endpoints.filter(endpoint_id=endpoint_id))
    else:
        found = list(endpoints.filter(enabled=True)[:2])
    if len(found) != 1:
        raise InvalidRequest(
            f"{merchant_no} has no endpoint {endpoint_id}."
            if endpoint_id is not None
            else f"{merchant_no} has not exactly one enabled endpoint: name an address or an endpoint."
        )
    return found[0].url, found[0].endpoint_id, found[0].secrets


def _try_case(case: Case, url: str, timeout_s: float) -> CaseResult:
    if len(case.requests) == 1:
        answers = [_send(case.requests[0], url, timeout_s)]
    else:
        with ThreadPoolExecutor(BURST, thread_name_prefix="certify") as senders:
            answers = list(senders.map(lambda sent: _send(sent, url, timeout_s), case.requests))
    wrong = [a for a in answers if not judge_answer(case.expected, a.status_code)]
    shown = wrong[0] if wrong else answers[0]
    return CaseResult(
        name=case.name,
        passed=not wrong,
        expected=f"{case.expected.value} within {timeout_s:g} s",
        came=str(shown.failure or shown.status_code),
        status_code=shown.status_code,
        duration_ms=max(answer.duration_ms for answer in answers),
        mend=_advise(case, shown) if wrong else "",
    )


def _send(sent: SignedRequest, url: str, timeout_s: float) -> _Answer:
    started = time.monotonic()
    status_code, failure = None, None
    try:
        status_code = send_request(
            method="POST",
            url=url,
            headers={
                "content-type": "application/json",
                "user-agent": "paymentplatform-webhooks/1",
                **sent.headers,
            },
            content=sent.body,
            connect_timeout_s=min(CONNECT_TIMEOUT_S, timeout_s),
            total_timeout_s=timeout_s,
            max_response_bytes=READ_LIMIT,
            policy=SendPolicy(allow_loopback_http=settings.WEBHOOK_ALLOW_LOOPBACK),
        ).status_code
    except SendFailed as failed:
        failure = failed.failure
    return _Answer(status_code, failure, round((time.monotonic() - started) * 1000))


def _skip(case: Case) -> CaseResult:
    return CaseResult(case.name, False, case.expected.value, "not_sent", None, 0, _UNREACHABLE)


def _advise(case: Case, answer: _Answer) -> str:
    """Say how to mend it: first what is wrong with any receiver, then what this case is about."""
    if answer.failure is Failure.TIMEOUT:
        return _TOO_SLOW
    if answer.failure is not None:
        return f"No HTTP answer came ({answer.failure}). {case.mend}"
    status = answer.status_code or 0
    if 300 <= status <= 399:
        return _REDIRECTED
    if status >= 500 and case.expected is Expected.REFUSED:
        return f"It was refused by a crash ({status}): {case.mend}"
    return case.mend
