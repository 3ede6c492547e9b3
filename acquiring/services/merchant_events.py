"""Events that other floors write for a merchant 商户事件, also those that carry a secret shown once.

The stored payload never holds the secret. The body that does is kept beside it, encrypted, for as long as somebody is
still to be told, and is what the merchant gets; afterwards only the payload is left.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import msgspec
from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q

from acquiring.models import Delivery, SealedBody
from acquiring.services.order_moves import DELIVERY_TASK
from paymentplatform.kernel import jobs, metrics, numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.encryption import encrypt_text
from paymentplatform.kernel.sqlcalls import call_function
from paymentplatform.kernel.times import format_time

SEALED_FOR: Final = timedelta(days=2)
"""Longer than the ladder of tries, with its jitter."""
WIPE_TASK: Final = "acquiring.wipe_sealed_bodies"


@transactions.require
def record_merchant_event(
    *, event_type: str, merchant_no: str, object_no: str, data: Any, secret_data: Any = None
) -> str:
    """Keep an event for the merchant's endpoints and return its number (require).

    ``data`` is the object as it is now. ``secret_data`` is the same object with a secret in it: it is sent instead,
    and kept encrypted until it has arrived, two days at most.
    """
    event_id = numbers.new_number(numbers.EVENT)
    now = database_now()
    bodies = [
        msgspec.json.encode(
            {"id": event_id, "type": event_type, "timestamp": format_time(now), "data": shown}
        ).decode()
        for shown in (data, secret_data)
    ]
    call_function(
        "acquiring_record_event",
        event_id,
        event_type,
        merchant_no,
        object_no,
        bodies[0],
        None,
        numbers.new_number(numbers.DELIVERY),
    )
    if secret_data is not None:
        SealedBody.objects.create(
            event_id=event_id, sealed=encrypt_text(bodies[1]), wipe_at=now + SEALED_FOR
        )
    jobs.ring(DELIVERY_TASK)
    return event_id


@transactions.start
def wipe_sealed_bodies(*, batch_size: int | None = None) -> int:
    """Empty what has arrived, or is two days old; return how many (start). Safe to run twice and at once."""
    still_due = Delivery.objects.filter(event_id=OuterRef("pk"), status="DUE")
    ended = (
        SealedBody.objects.filter(sealed__isnull=False)
        .filter(Q(wipe_at__lte=database_now()) | ~Exists(still_due))
        .order_by(F("wipe_at"))
    )
    locked = ended.select_for_update(skip_locked=True)[: batch_size or settings.SWEEP_BATCH]
    wiped = SealedBody.objects.filter(pk__in=[body.pk for body in locked]).update(sealed=None)
    metrics.SWEPT_ROWS.labels(WIPE_TASK).inc(wiped)
    return wiped
