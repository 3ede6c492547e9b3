"""Deliver merchant events 商户通知: claim due rows, call the merchants, write down what they said.

The table is the truth. When a worker dies between a call and its record, the call is repeated with the
same event id once the lease is over; a worker that wakes up too late writes nothing.
"""

from __future__ import annotations

import queue
import random
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from django.conf import settings
from django.db import connection

from acquiring.webhooks import delivery_lanes
from acquiring.webhooks.delivery_lanes import Lanes
from acquiring.webhooks.endpoint_secrets import read_signing_secrets
from acquiring.webhooks.schedule import Reason, Verdict, judge_try, parse_retry_after
from acquiring.webhooks.signing import sign_webhook
from paymentplatform.kernel import context, metrics, transactions
from paymentplatform.kernel.encryption import decrypt_text
from paymentplatform.kernel.failpoints import failpoint
from paymentplatform.kernel.http import Failure, SendFailed, SendPolicy, send_request

LEASE_S: Final = 30
CONNECT_TIMEOUT_S = 5.0
TOTAL_TIMEOUT_S = 15.0
READ_LIMIT: Final = 64 * 1024
RUN_S = 10.0
"""How long one run goes on claiming; what it has begun by then, it finishes."""

LAST_CLAIM_S = 45.0
"""While slow receivers that were begun are waited for, quick ones go on being served, at most so long."""

WINDOW: Final = 256
"""How many due rows a claim looks at before it asks every queue for its own."""

_EMPTIED_AT_ONCE: Final = 500
_BUSY_WAIT_S: Final = 0.02
_IDLE_WAIT_S: Final = 0.25

_Row = tuple[
    str, str, str, str | None, str | None, bool, int, bool, str, str | None, str | None, datetime
]

_log = structlog.get_logger(__name__)
_receivers = delivery_lanes.Memory()


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """One leased row, with what it takes to send it.

    ``takes`` is false when its endpoint is off. ``sealed_payload`` is the encrypted body to send instead of the kept
    one, ``sealed_secrets`` what signs it. ``token`` is the fencing token: only its holder's result is written.
    """

    delivery_no: str
    event_id: str
    merchant_no: str
    endpoint_id: str | None
    url: str | None
    takes: bool
    tries: int
    timed_out_before: bool
    payload: str
    sealed_payload: str | None
    sealed_secrets: str | None
    claimed_at: datetime
    token: uuid.UUID

    @property
    def queue(self) -> str:
        """What waits together: deliveries to one endpoint, or to all notify_urls of one merchant."""
        return self.endpoint_id or self.merchant_no

    @property
    def receiver(self) -> str:
        """Who may be slow: the endpoint, or the host of a notify_url."""
        return self.endpoint_id or (self.url or "").partition("://")[2].partition("/")[0]


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """How it ended. ``counts`` is false when no try was made: no target, or no sender was free."""

    delivery: ClaimedDelivery
    verdict: Verdict
    counts: bool = True
    status_code: int | None = None
    error: str = ""
    duration_ms: int = 0


@transactions.forbid
def deliver_due_notifications(*, batch: int | None = None) -> dict[str, int]:
    """Deliver what is due until nothing is, or for about ten seconds (forbids a transaction).

    Each claim, of at most ``batch`` rows, and each record commits by itself; several may run at once.
    Returns how many rows ended in each state (``DUE``: to be tried again; ``FENCED``: somebody else had
    taken the row over).
    """
    run = _Run(batch or settings.SWEEP_BATCH)
    try:
        run.work()
    finally:
        run.close()
    return dict(run.counts)


@transactions.forbid
def claim_due_deliveries(
    *,
    limit: int,
    per_queue: int,
    busy_queues: list[str] | None = None,
    with_slow: bool = True,
) -> list[ClaimedDelivery]:
    """Lease at most ``limit`` due rows for 30 seconds, the longest due first (commits by itself)."""
    token = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT delivery_no, event_id, merchant_no, endpoint_id, url, takes, tries, timed_out, payload,"
            " sealed_payload, secrets, claimed_at"
            " FROM acquiring_claim_deliveries(%s, %s, %s, %s, %s::text[], %s, %s)",
            [
                limit,
                per_queue,
                max(limit, WINDOW),
                LEASE_S,
                busy_queues or [],
                with_slow,
                token,
            ],
        )
        claimed: list[_Row] = cursor.fetchall()
        return [ClaimedDelivery(*row, token) for row in claimed]


@transactions.forbid
def record_results(*, results: list[DeliveryResult]) -> set[str]:
    """Write results down where the lease is still ours and give the rows back (commits by itself).

    Returns the numbers of the deliveries that were written; the others had been taken over by somebody else.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT acquiring_record_tries(%s::text[], %s::uuid[], %s::text[], %s::text[], %s::float8[],"
            " %s::boolean[], %s::integer[], %s::text[], %s::integer[], %s)",
            [
                [r.delivery.delivery_no for r in results],
                [r.delivery.token for r in results],
                [r.verdict.status for r in results],
                [str(r.verdict.reason) for r in results],
                [float(r.verdict.wait_s) for r in results],
                [r.counts for r in results],
                [r.status_code for r in results],
                [str(r.error) for r in results],
                [r.duration_ms for r in results],
                context.actor.get(),
            ],
        )
        return {delivery_no for (delivery_no,) in cursor.fetchall()}


@transactions.forbid
def empty_endpoints() -> int:
    """Go on ending what waits for endpoints that were switched off (commits by itself); return how many ended."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT acquiring_empty_endpoints(%s, %s)", [_EMPTIED_AT_ONCE, context.actor.get()]
        )
        (ended,) = cursor.fetchone() or (0,)
    return int(ended)


@transactions.forbid
def send_delivery(*, delivery: ClaimedDelivery) -> DeliveryResult:
    """Make one try and judge it; never raises for what the merchant's side does. Touches no database."""
    started = time.monotonic()
    status_code, error, retry_after_s = None, "", None
    try:
        payload = _open_payload(delivery).encode()
        answer = send_request(
            method="POST",
            url=delivery.url or "",
            headers={
                "content-type": "application/json",
                "user-agent": "paymentplatform-webhooks/1",
                **sign_webhook(
                    secrets=_open_secrets(delivery),
                    event_id=delivery.event_id,
                    timestamp=int(time.time()),
                    payload=payload,
                ),
            },
            content=payload,
            connect_timeout_s=CONNECT_TIMEOUT_S,
            total_timeout_s=TOTAL_TIMEOUT_S,
            max_response_bytes=READ_LIMIT,
            policy=SendPolicy(allow_loopback_http=settings.WEBHOOK_ALLOW_LOOPBACK),
        )
        status_code = answer.status_code
        error = "" if 200 <= status_code <= 299 else "unexpected_status"
        retry_after_s = parse_retry_after(answer.header("retry-after"), now=datetime.now(UTC))
    except SendFailed as failed:
        error = failed.failure
    except Exception as failed:  # noqa: BLE001 - one poisonous row must not stop the others
        error = "internal_error"
        _log.error("delivery_broken", delivery_no=delivery.delivery_no, error=repr(failed))
    verdict = judge_try(
        status_code=status_code,
        error=error,
        retry_after_s=retry_after_s,
        tries=delivery.tries + 1,
        ladder=settings.WEBHOOK_LADDER_S,
        chance=random.random(),  # noqa: S311 - jitter, not a secret
    )
    duration_ms = round((time.monotonic() - started) * 1000)
    return DeliveryResult(delivery, verdict, True, status_code, error, duration_ms)


def _open_payload(delivery: ClaimedDelivery) -> str:
    return decrypt_text(delivery.sealed_payload) if delivery.sealed_payload else delivery.payload


def _open_secrets(delivery: ClaimedDelivery) -> list[str]:
    """The secrets of the endpoint, or of the merchant, that sign now; none for a merchant that is not there."""
    if delivery.sealed_secrets is None:
        return []
    return read_signing_secrets(delivery.sealed_secrets, now=delivery.claimed_at)


class _Run:
    """One run: this thread alone claims and writes; the senders' threads only call merchants."""

    def __init__(self, batch: int) -> None:
        self.counts: Counter[str] = Counter()
        self._batch = batch
        self._lanes = Lanes(memory=_receivers)
        self._senders = ThreadPoolExecutor(delivery_lanes.SENDERS, thread_name_prefix="webhook")
        self._ended: queue.SimpleQueue[DeliveryResult] = queue.SimpleQueue()
        self._open = 0

    def work(self) -> None:
        """Claim, start and record in turn; ends when nothing is due and nothing under way.

        After ``RUN_S`` it only waits for what lingers, and meanwhile serves whoever does not hang: the next run may be
        this same worker's, so waiting idly would make everybody wait.
        """
        empty_endpoints()
        started = time.monotonic()
        while True:
            claimed = self._start_due() if self._may_claim(time.monotonic() - started) else 0
            if not self._open:
                return
            results = self._take_ended(_BUSY_WAIT_S if claimed else _IDLE_WAIT_S)
            if results:
                self._record(results)

    def _may_claim(self, running_s: float) -> bool:
        self._lanes.closed_to_hanging = running_s >= RUN_S
        if running_s < RUN_S:
            return True
        return running_s < LAST_CLAIM_S and self._lanes.count_lingering() > 0

    def close(self) -> None:
        """Wait for the senders; each ends with its own deadline."""
        self._senders.shutdown(wait=True, cancel_futures=True)

    def _start_due(self) -> int:
        room = min(self._lanes.count_room(), self._batch)
        if room == 0:
            return 0
        claimed = claim_due_deliveries(
            limit=room,
            per_queue=delivery_lanes.PER_QUEUE,
            busy_queues=self._lanes.list_busy_queues(),
            with_slow=self._lanes.has_slow_room(),
        )
        if claimed:
            failpoint("deliveries_claimed")
        self._open += len(claimed)
        for delivery in claimed:
            self._start(delivery)
        return len(claimed)

    def _start(self, delivery: ClaimedDelivery) -> None:
        if delivery.url is None:  # written by a release that left this to us
            self._give_back(delivery, Verdict("SKIPPED", Reason.NO_TARGET))
        elif not delivery.takes:
            ended = "DEAD" if delivery.tries else "SKIPPED"
            self._give_back(delivery, Verdict(ended, Reason.ENDPOINT_DISABLED))
        elif rest_s := self._lanes.start_or_rest(
            delivery_no=delivery.delivery_no,
            queue=delivery.queue,
            receiver=delivery.receiver,
            timed_out_before=delivery.timed_out_before,
        ):
            self._give_back(delivery, Verdict("DUE", wait_s=rest_s))
        else:
            self._senders.submit(self._send, delivery)

    def _give_back(self, delivery: ClaimedDelivery, verdict: Verdict) -> None:
        self._ended.put(DeliveryResult(delivery, verdict, counts=False))

    def _send(self, delivery: ClaimedDelivery) -> None:
        self._ended.put(send_delivery(delivery=delivery))

    def _take_ended(self, wait_s: float) -> list[DeliveryResult]:
        results: list[DeliveryResult] = []
        try:
            results.append(self._ended.get(timeout=wait_s))
            while True:
                results.append(self._ended.get_nowait())
        except queue.Empty:
            return results

    def _record(self, results: list[DeliveryResult]) -> None:
        for result in results:
            self._open -= 1
            self._lanes.end(
                delivery_no=result.delivery.delivery_no,
                took_s=result.duration_ms / 1000,
                timed_out=result.error == Failure.TIMEOUT,
            )
        if any(result.counts for result in results):
            failpoint("delivery_sent")
        written = record_results(results=results)
        for result in results:
            kept = result.delivery.delivery_no in written
            self.counts[result.verdict.status if kept else "FENCED"] += 1
            if result.counts:
                metrics.WEBHOOK_TRIES.labels(result.verdict.status if kept else "FENCED").inc()
            if result.error or not kept:
                _log.info(
                    "delivery_failed" if kept else "delivery_fenced",
                    delivery_no=result.delivery.delivery_no,
                    status_code=result.status_code,
                    error=str(result.error),
                    state=result.verdict.status,
                )
