"""Questions to acquiring's tables. Order objects come rendered by the one SQL function that knows their form."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from datetime import datetime
from typing import Final

import msgspec
from django.conf import settings
from django.db import connection

from acquiring.contracts import (
    CashierOrder,
    CashierStamp,
    ConsultedOrder,
    MerchantIdentity,
    OrderStatus,
    OrderView,
)
from acquiring.models import Merchant, TradeOrder
from engine import api as engine
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.errors import (
    DomainError,
    FieldError,
    InvalidRequest,
    NotFound,
    Unauthenticated,
)
from paymentplatform.kernel.hotsql import HotStatement
from paymentplatform.kernel.numbers import ORDER, is_number

_NUMBER_LENGTH: Final = 22
_ENDED: Final = frozenset({OrderStatus.SUCCESS, OrderStatus.FAILED, OrderStatus.CLOSED})

_GET: Final = HotStatement(
    name="get_order",
    retry_safe=True,
    sql="""
    SELECT acquiring_order_json(o, $3::text)::text
    FROM acquiring_caller($1::text) c
    JOIN acquiring_trade_order o ON o.order_no = $2::text AND o.merchant_no = c.merchant_no
    """,
)

_CALLER: Final = HotStatement(
    name="caller", retry_safe=True, sql="SELECT merchant_no FROM acquiring_caller($1::text)"
)

_GET_WITH_METHODS: Final = HotStatement(
    name="get_order_with_methods",
    retry_safe=True,
    sql="""
    SELECT acquiring_order_json(o, $3::text)::text, o.allowed_methods::text, o.payer_ref
    FROM acquiring_caller($1::text) c
    JOIN acquiring_trade_order o ON o.order_no = $2::text AND o.merchant_no = c.merchant_no
    """,
)

_GET_FOR_CASHIER: Final = HotStatement(
    name="get_order_for_cashier",
    retry_safe=True,
    sql="""
    SELECT acquiring_order_json(o, $2::text)::text, o.cashier_secret, o.merchant_no, m.name,
        o.return_url, o.allowed_methods::text,
        floor(extract(epoch FROM o.expires_at - platform_now()))::bigint
    FROM acquiring_trade_order o JOIN acquiring_merchant m ON m.merchant_no = o.merchant_no
    WHERE o.order_no = $1::text
    """,
)


_STAMP_FOR_CASHIER: Final = HotStatement(
    name="stamp_order_for_cashier",
    retry_safe=True,
    sql="""
    SELECT o.cashier_secret,
        concat_ws('/', o.status, o.closing, o.close_reason, o.payment_no, o.expires_at <= platform_now(), p.stamp),
        CASE WHEN o.status = 'PAYING' AND p.is_forward_due THEN o.payment_no END
    FROM acquiring_trade_order o
    LEFT JOIN LATERAL engine_payment_stamp(o.payment_no, $2::integer) p ON true
    WHERE o.order_no = $1::text
    """,
)


def get_order_json(*, merchant: MerchantIdentity, order_no: str) -> bytes:
    """Return one Order as JSON in one round trip. Raises NotFound, also for another merchant's order."""
    if not is_number(order_no, ORDER):
        raise NotFound
    rows = _GET.execute([merchant.key_id, order_no, settings.BASE_URL])
    if not rows:
        raise explain_absence(key_id=merchant.key_id)
    return rows[0][0] or b""


def check_caller(*, key_id: str) -> None:
    """Ask the database whether this key still counts. Raises Unauthenticated."""
    if not _CALLER.execute([key_id]):
        raise Unauthenticated


def explain_absence(*, key_id: str) -> DomainError:
    """Tell why a statement that checks the key itself found nothing: a key revoked meanwhile, or no such order."""
    return NotFound() if _CALLER.execute([key_id]) else Unauthenticated()


def get_order(*, merchant: MerchantIdentity, order_no: str) -> ConsultedOrder:
    """Return one Order with what consult must know beside it. Raises NotFound."""
    rows = _GET_WITH_METHODS.execute([merchant.key_id, order_no, settings.BASE_URL])
    if not rows:
        raise explain_absence(key_id=merchant.key_id)
    body, methods, payer_ref = rows[0]
    return ConsultedOrder(
        order=msgspec.json.decode(body or b"", type=OrderView),
        allowed_methods=msgspec.json.decode(methods) if methods else None,
        payer_ref=payer_ref.decode() if payer_ref is not None else None,
    )


def list_orders_json(
    *,
    merchant: MerchantIdentity,
    limit: int,
    before: str | None = None,
    merchant_order_no: str | None = None,
    status: OrderStatus | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> tuple[list[bytes], str | None]:
    """Return up to ``limit`` Orders as JSON, newest first, and the number to go on before (None at the end)."""
    conditions, parameters = ["o.merchant_no = %s"], [merchant.merchant_no]
    for condition, value in (
        ("o.order_no < %s", before),
        ("o.merchant_order_no = %s", merchant_order_no),
        ("o.status = %s", status),
        ("o.created_at >= %s", created_from),
        ("o.created_at < %s", created_to),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT o.order_no, acquiring_order_json(o, %s)::text FROM acquiring_trade_order o WHERE "  # noqa: S608
            + " AND ".join(conditions)
            + " ORDER BY o.order_no DESC LIMIT %s",
            [settings.BASE_URL, *parameters, limit + 1],
        )
        rows = cursor.fetchall()
    page = rows[:limit]
    following = page[-1][0] if len(rows) > limit else None
    return [order_json.encode() for _, order_json in page], following


def find_own_order(*, merchant_no: str, order_no: str | None, merchant_order_no: str | None) -> str:
    """Return the number of a merchant's order that is named by ours, theirs or both.

    Raises NotFound, also for another merchant's, and InvalidRequest when both numbers do not belong together.
    """
    named = (
        {"order_no": order_no} if order_no is not None else {"merchant_order_no": merchant_order_no}
    )
    order = TradeOrder.objects.filter(merchant_no=merchant_no, **named).first()
    if order is None:
        raise NotFound("There is no such order.")
    if merchant_order_no not in {None, order.merchant_order_no}:
        fault = FieldError(
            "merchant_order_no", "conflict", "belongs to another order than order_no"
        )
        raise InvalidRequest("order_no and merchant_order_no do not agree.", errors=(fault,))
    return str(order.order_no)


def find_filtered_order(
    *, merchant_no: str, order_no: str | None, merchant_order_no: str | None
) -> str | None:
    """Return the number of the order that a list is filtered by, None without a filter.

    Raises NotFound when there can be nothing to list: no such order, or the two numbers are of different ones.
    """
    if merchant_order_no is None:
        return order_no
    found = TradeOrder.objects.filter(
        merchant_no=merchant_no, merchant_order_no=merchant_order_no
    ).first()
    if found is None or order_no not in {None, found.order_no}:
        raise NotFound
    return str(found.order_no)


def find_merchant_order_numbers(*, order_nos: Collection[str]) -> dict[str, str]:
    """Return the merchants' own numbers of these orders."""
    orders = TradeOrder.objects.filter(pk__in=set(order_nos))
    return dict(orders.values_list("order_no", "merchant_order_no"))


def get_refund_json(*, merchant_no: str, refund_no: str) -> bytes:
    """Return one Refund as JSON. Raises NotFound, also for another merchant's refund."""
    if engine.get_refund_progress(refund_no=refund_no).merchant_no != merchant_no:
        raise NotFound
    return render_refund(refund_no=refund_no)


def render_refund(*, refund_no: str) -> bytes:
    """Return one Refund as JSON: to be asked for a refund that is known to be the asker's."""
    return _render_refunds([refund_no])[0]


def list_refunds_json(
    *,
    merchant: MerchantIdentity,
    limit: int,
    before: str | None = None,
    merchant_refund_no: str | None = None,
    order_no: str | None = None,
    merchant_order_no: str | None = None,
    status: engine.RefundStatus | None = None,
    created_from: datetime | None = None,
    created_to: datetime | None = None,
) -> tuple[list[bytes], str | None]:
    """Return up to ``limit`` Refunds as JSON, newest first, and the number to go on before (None at the end)."""
    try:
        order_no = find_filtered_order(
            merchant_no=merchant.merchant_no,
            order_no=order_no,
            merchant_order_no=merchant_order_no,
        )
    except NotFound:
        return [], None
    found = engine.list_refund_numbers(
        merchant_no=merchant.merchant_no,
        limit=limit + 1,
        before=before,
        merchant_refund_no=merchant_refund_no,
        order_no=order_no,
        status=status,
        created_from=created_from,
        created_to=created_to,
    )
    page = found[:limit]
    return _render_refunds(page), page[-1] if len(found) > limit else None


def _render_refunds(refund_nos: list[str]) -> list[bytes]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT acquiring_refund_json(u.no)::text FROM unnest(%s::text[]) WITH ORDINALITY AS u(no, place) "
            "ORDER BY u.place",
            [refund_nos],
        )
        return [refund_json.encode() for (refund_json,) in cursor.fetchall()]


def get_order_by_cashier_token(*, token: str) -> CashierOrder:
    """Return the order a cashier link opens. Raises NotFound for any token that is not exactly right."""
    order_no = _read_cashier_token(token)
    rows = _GET_FOR_CASHIER.execute([order_no, settings.BASE_URL])
    if not rows:
        raise NotFound
    body, secret, merchant_no, name, return_url, methods, seconds = rows[0]
    _check_cashier_secret(token, secret)
    order = msgspec.json.decode(body or b"", type=OrderView)
    expires_in_s = int(seconds or 0)
    may_be_late = order.payment is not None and (order.status in _ENDED or expires_in_s <= 0)
    return CashierOrder(
        order=order,
        merchant_no=(merchant_no or b"").decode(),
        merchant_name=(name or b"").decode(),
        return_url=return_url.decode() if return_url else None,
        allowed_methods=msgspec.json.decode(methods) if methods else None,
        expires_in_s=expires_in_s,
        cashier_token=token,
        late_money=engine.find_late_money_status(order_no=order_no) if may_be_late else None,
    )


def get_cashier_stamp(*, token: str) -> CashierStamp:
    """Return what changes whenever the page of this link must: one round trip. Raises NotFound as the order does."""
    rows = _STAMP_FOR_CASHIER.execute([_read_cashier_token(token), engine.FORWARD_EVERY_S])
    if not rows:
        raise NotFound
    secret, stamp, forward = rows[0]
    _check_cashier_secret(token, secret)
    return CashierStamp((stamp or b"").decode(), forward.decode() if forward else None)


def _read_cashier_token(token: str) -> str:
    """Return the order's number that a link begins with. Raises NotFound."""
    order_no = f"{ORDER}_{token[:_NUMBER_LENGTH]}"
    if not token.isascii() or not is_number(order_no, ORDER):
        raise NotFound
    return order_no


def _check_cashier_secret(token: str, secret: bytes | None) -> None:
    if not hmac.compare_digest(secret or b"", token[_NUMBER_LENGTH:].encode()):
        raise NotFound


def count_due_orders() -> int:
    """Tell how many orders a sweep of expiry would take up now."""
    return TradeOrder.objects.filter(due_at__lte=PlatformNow()).count()


def lock_order(*, order_no: str) -> TradeOrder:
    """Return the order locked for update: the first lock of every money transaction. Raises NotFound."""
    order = TradeOrder.objects.select_for_update().filter(order_no=order_no).first()
    if order is None:
        raise NotFound
    return order


def is_active_merchant(*, merchant_no: str) -> bool:
    """Tell whether the merchant may take new orders, payments and consents."""
    return Merchant.objects.filter(pk=merchant_no, status=Merchant.Status.ACTIVE).exists()


def get_merchant_name(*, merchant_no: str) -> str:
    """Return what the merchant is called on pages for payers. Raises NotFound."""
    name = Merchant.objects.values_list("name", flat=True).filter(pk=merchant_no).first()
    if name is None:
        raise NotFound
    return name


def get_late_money_terms(*, merchant_no: str) -> tuple[str, int]:
    """Return what the merchant wants done with money that comes too late, and how many minutes it wants to be asked."""
    merchant = Merchant.objects.only("late_money_policy", "late_money_ask_minutes").get(
        pk=merchant_no
    )
    return merchant.late_money_policy, merchant.late_money_ask_minutes
