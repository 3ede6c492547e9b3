"""Spending under an agreement 代扣额度: what counts toward its daily limit, and what comes back when a payment fails.

A payment from the balance alone ends in one call, which counts it and takes it back there. One that also waits for a
channel is counted when it is accepted and remembered as a use; results travel no higher than acquiring, so its
failure is noticed here, when somebody needs the room.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.conf import settings

from checkout.models import AgreementUse
from engine import api as engine
from paymentplatform.kernel import transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.sqlcalls import call_function


@transactions.require
def reserve_spending(*, payment_no: str, agreement_no: str, payer_no: str, amount: int) -> bool:
    """Count minor units toward today's limit; the agreement stays locked until the transaction ends (require).

    What failed payments had taken of the day is given back first when a limit would refuse. False when it refuses
    all the same, or the agreement was revoked; nothing was counted then.
    """
    parameters = (payment_no, agreement_no, payer_no, amount, settings.BUSINESS_TIME_ZONE)
    if call_function("checkout_reserve_spending", *parameters):
        return True
    _release_failed(agreement_no=agreement_no)
    return bool(call_function("checkout_reserve_spending", *parameters))


@transactions.require
def release_spending(*, agreement_no: str, payment_no: str) -> None:
    """Give back what a payment that has just failed was counted with; repeating changes nothing (require)."""
    call_function("checkout_release_spending", agreement_no, [payment_no])


@transactions.start
def release_failed_spending(*, agreement_no: str) -> bool:
    """Give back to the day what payments that are FAILED by now had taken of it; True when there was some (start)."""
    return _release_failed(agreement_no=agreement_no) > 0


def get_room_today(*, agreement_no: str) -> int:
    """Return what today's limit still leaves, in minor units; 0 for a revoked agreement."""
    return int(call_function("checkout_room_today", agreement_no, settings.BUSINESS_TIME_ZONE))


def find_room_beside(*, agreement_no: str, payment_no: str) -> int:
    """Return what today's limit would leave without this live payment, in minor units."""
    use = AgreementUse.objects.filter(
        payment_no=payment_no, agreement=agreement_no, released_at__isnull=True
    ).first()
    room = get_room_today(agreement_no=agreement_no)
    today = database_now().astimezone(ZoneInfo(settings.BUSINESS_TIME_ZONE)).date()
    return room + use.amount if use is not None and use.spent_date >= today else room


def _release_failed(*, agreement_no: str) -> int:
    """Only uses of the last day are looked at: an earlier one has nothing left to give back."""
    open_uses = AgreementUse.objects.filter(agreement=agreement_no, released_at__isnull=True)
    last_day = open_uses.order_by("-spent_date").values_list("spent_date", flat=True)[:1]
    payment_nos = list(open_uses.filter(spent_date=last_day).values_list("payment_no", flat=True))
    failed = engine.list_failed_payments(payment_nos=payment_nos) if payment_nos else []
    if not failed:
        return 0
    return int(call_function("checkout_release_spending", agreement_no, failed))
