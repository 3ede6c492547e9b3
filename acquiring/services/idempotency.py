"""Idempotency keys 幂等键, layer 2: the same key with the same request gets the first answer again.

A request under a key runs at most once at a time and is answered at most once. It may have to be run again, after
whoever ran it has died; so whatever it makes has a number that is the same every time (the merchant's own, or
``new_or_claimed_number``). docs/architecture.md has the table of every moment in which a process may die.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import connection

from acquiring.models import IdempotencyKey
from paymentplatform.kernel import context, metrics, numbers, transactions
from paymentplatform.kernel.encryption import decrypt_text, encrypt_text
from paymentplatform.kernel.errors import IdempotencyKeyInUse, IdempotencyKeyReused, Unavailable
from paymentplatform.kernel.hotsql import HotStatement

LEASE_S: Final = 60
"""How long whoever runs a request has it alone: longer than any request of ours lasts."""
AGAIN_S: Final = 1
"""When to ask again for an answer that is being made: most requests end within seconds, few need the lease."""
KEPT_DAYS: Final = 7
SWEEP_TASK: Final = "acquiring.sweep_idempotency_keys"

_CLAIM: Final = HotStatement(
    name="claim_idempotency_key",
    retry_safe=True,
    sql="""
    SELECT told_outcome, told_claim_no, told_fence, told_seconds, told_status, told_type, told_answer
    FROM acquiring_claim_key(
        $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::int, $8::text)
    """,
)

_ANSWER: Final = HotStatement(
    name="answer_idempotency_key",
    sql="""
    UPDATE acquiring_idempotency_key
    SET answer_status = $3::smallint, answer_type = $4::text, answer = $5::text,
        answered_at = platform_now()
    WHERE claim_no = $1::text AND fence = $2::int AND answered_at IS NULL
    RETURNING 1
    """,
)

_FORGET: Final = """
    DELETE FROM acquiring_idempotency_key
    WHERE claim_no = %s AND fence = %s AND fence = 1 AND answered_at IS NULL
"""

_FREE: Final = """
    UPDATE acquiring_idempotency_key SET leased_until = platform_now()
    WHERE claim_no = %s AND fence = %s AND answered_at IS NULL
"""

_SWEEP: Final = """
    DELETE FROM acquiring_idempotency_key WHERE claim_no IN (
        SELECT claim_no FROM acquiring_idempotency_key
        WHERE created_at < platform_now() - make_interval(days => %s) AND leased_until <= platform_now()
        ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)
"""

_claim_no: Final[ContextVar[str | None]] = ContextVar("idempotency_claim", default=None)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is asked under a key: where (method, address and key, as a digest), and what (as a digest)."""

    key: str
    route: str
    scope_digest: str
    request_digest: str


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run a request. ``fence`` counts those that have had it; only the newest may answer."""

    claim_no: str
    fence: int


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a request was answered."""

    status: int
    media_type: str
    body: str


def claim_key(*, key_id: str, scope: Scope) -> Claim | KeptAnswer:
    """Claim a key for the merchant of a credential, or return what was answered under it (its own transaction).

    Raises IdempotencyKeyReused for another request, IdempotencyKeyInUse while somebody runs it, Unauthenticated
    when the credential was revoked meanwhile.
    """
    ((outcome, claim_no, fence, _seconds, status, media_type, answer),) = _CLAIM.execute(
        [
            key_id,
            numbers.new_number(numbers.CLAIM),
            scope.scope_digest,
            scope.key,
            scope.route,
            scope.request_digest,
            LEASE_S,
            context.request_id.get(),
        ]
    )
    if outcome == b"CLAIMED":
        return Claim((claim_no or b"").decode(), int(fence or 0))
    if outcome == b"RUNNING":
        raise IdempotencyKeyInUse(retry_after_s=AGAIN_S)
    if outcome == b"OTHER":
        raise IdempotencyKeyReused
    return KeptAnswer(
        int(status or 0), (media_type or b"").decode(), decrypt_text((answer or b"").decode())
    )


def answer_claim(claim: Claim, *, answer: KeptAnswer) -> KeptAnswer:
    """Keep the answer, encrypted, and return the one that counts: a newer claim may have answered first.

    One statement. Raises IdempotencyKeyInUse when a newer claim is still running.
    """
    kept = _ANSWER.execute(
        [
            claim.claim_no,
            claim.fence,
            answer.status,
            answer.media_type,
            encrypt_text(answer.body),
        ]
    )
    return answer if kept else _find_newer_answer(claim)


def _find_newer_answer(claim: Claim) -> KeptAnswer:
    row = IdempotencyKey.objects.filter(claim_no=claim.claim_no).first()
    if row is None:
        raise Unavailable
    if row.answer is None or row.answer_status is None or row.answer_type is None:
        raise IdempotencyKeyInUse(retry_after_s=AGAIN_S)
    return KeptAnswer(row.answer_status, row.answer_type, decrypt_text(row.answer))


def release_claim(claim: Claim, *, nothing_happened: bool) -> None:
    """Let the next request under the key run at once (one statement, its own transaction).

    The key is as if never used when ``nothing_happened``, unless an earlier run of the request may have left
    something behind: then it stays bound to the request and to the numbers of what was made.
    """
    with connection.cursor() as cursor:
        if nothing_happened:
            cursor.execute(_FORGET, [claim.claim_no, claim.fence])
        if not nothing_happened or not cursor.rowcount:
            cursor.execute(_FREE, [claim.claim_no, claim.fence])


@contextmanager
def running_under(claim: Claim) -> Iterator[None]:
    """Let the block see the claim as ``current_claim``."""
    token = _claim_no.set(claim.claim_no)
    try:
        yield
    finally:
        _claim_no.reset(token)


def current_claim() -> str | None:
    """Return the number (``idk_…``) of the claim under which the present request runs, or None without a key."""
    return _claim_no.get()


def new_or_claimed_number(prefix: str) -> str:
    """Return the number for what the present request makes: the same again when the request is run again.

    For things without a number of the merchant's. Whoever inserts under it uses ON CONFLICT DO NOTHING and answers
    with the row that is there. A request makes at most one thing of each prefix.
    """
    claim = _claim_no.get()
    if claim is None:
        return numbers.new_number(prefix)
    return numbers.derive_number(prefix, parent=claim, count=1)


@transactions.start
def sweep_idempotency_keys() -> int:
    """Forget one batch of keys that are older than KEPT_DAYS; returns how many (start)."""
    with connection.cursor() as cursor:
        cursor.execute(_SWEEP, [KEPT_DAYS, settings.SWEEP_BATCH])
        count = int(cursor.rowcount)
    metrics.SWEPT_ROWS.labels(SWEEP_TASK).inc(count)
    return count
