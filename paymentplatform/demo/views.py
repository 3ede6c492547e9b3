"""The shop's pages and its webhook address."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe
from paymentplatform_client import Order, OrderStatus, WebhookRefused

from paymentplatform.demo import merchant_api, webhooks
from paymentplatform.demo.catalogue import PRODUCTS, TEST_CARDS, find_product
from paymentplatform.demo.credentials import ShopNotReady, load_credentials
from paymentplatform.demo.models import ReceivedWebhook, ShopOrder
from paymentplatform.kernel.money import format_amount

LANGUAGES: Final = {"en": "en", "zh-Hans": "zh-hans"}
REFRESH_S: Final = 3
REFRESH_FOR: Final = timedelta(minutes=20)
_NUMBER: Final = re.compile(r"LANTERN-[0-9]{8}-[A-Z2-7]{8}\Z")


@require_safe
def show_shop(request: HttpRequest) -> HttpResponse:
    """GET /demo/: the goods, and how to pay as the demo payer."""
    if request.get_host() != urlsplit(settings.BASE_URL).netloc:
        # Forms may only lead to this very origin, and the cashier's address carries the configured one.
        return HttpResponseRedirect(f"{settings.BASE_URL}/demo/")
    try:
        credentials = load_credentials()
    except ShopNotReady:
        credentials = None
    products = [
        {
            "code": product.code,
            "name": product.name,
            "text": product.text,
            "price": format_amount(product.amount, product.currency),
            "currency": product.currency,
            "number": _new_number(),
        }
        for product in PRODUCTS
    ]
    shown: dict[str, Any] = {
        "products": products,
        "credentials": credentials,
        "test_cards": TEST_CARDS,
    }
    return _render(request, "demo/shop.html", **shown)


@require_POST
def buy_product(request: HttpRequest) -> HttpResponse:
    """POST /demo/buy: write the sale down, create the order by the API, send the browser to the cashier."""
    product = find_product(request.POST.get("product", ""))
    number = request.POST.get("number", "")
    if product is None or not _NUMBER.match(number):
        return HttpResponseRedirect("/demo/")
    order, _new = ShopOrder.objects.get_or_create(
        merchant_order_no=number,
        defaults={
            "product": product.code,
            "subject": str(product.name),
            "amount": product.amount,
            "currency": product.currency,
        },
    )
    if not order.cashier_url:
        try:
            made = merchant_api.create_order(order=order, description=str(product.text))
        except (*merchant_api.FAILURES, ShopNotReady) as error:
            return _render(request, "demo/trouble.html", status=503, detail=repr(error))
        order.order_no, order.cashier_url = made.order_no, made.cashier_url
        order.save(update_fields=["order_no", "cashier_url"])
    return HttpResponseRedirect(order.cashier_url, status=303)


@require_safe
def show_sale(request: HttpRequest, number: str) -> HttpResponse:
    """GET /demo/orders/{merchant_order_no}: the API's answer beside the webhooks, until both are final."""
    order = get_object_or_404(ShopOrder, merchant_order_no=number)
    found: Order | None = None
    if order.order_no:
        try:
            found = merchant_api.get_order(order_no=order.order_no)
        except (*merchant_api.FAILURES, ShopNotReady):
            found = None
    received = list(
        ReceivedWebhook.objects.filter(merchant_order_no=number).order_by("received_at")
    )
    ended = found is not None and found.is_final
    waits = not (ended and received) and timezone.now() - order.created_at < REFRESH_FOR
    return _render(
        request,
        "demo/sale.html",
        order=order,
        price=format_amount(order.amount, order.currency),
        found=found,
        found_text=_full_text(found) if found else "",
        state_text=_state_text(found),
        may_pay=found is not None and not ended,
        received=[{"row": row, "body": _pretty(row.body)} for row in received],
        refresh_s=REFRESH_S if waits else None,
    )


@csrf_exempt
@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    """POST /demo/webhook: 200 once stored; 401 when the signature is wrong, and then nothing happens."""
    try:
        webhooks.receive_webhook(headers=request.headers, body=request.body)
    except WebhookRefused:
        return JsonResponse({"error": "signature"}, status=401)
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": "body"}, status=400)
    except ShopNotReady:
        return JsonResponse({"error": "not ready"}, status=503)
    return JsonResponse({"received": True})


def _render(
    request: HttpRequest, template: str, *, status: int = 200, **context: Any
) -> HttpResponse:
    wished = LANGUAGES.get(request.GET.get("lang", ""))
    with translation.override(wished or translation.get_language()):
        response = render(request, template, {"here": request.path, **context}, status=status)
    response["Cache-Control"] = "no-store"
    if wished:
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            wished,
            max_age=365 * 24 * 3600,
            path=settings.LANGUAGE_COOKIE_PATH,
            secure=settings.LANGUAGE_COOKIE_SECURE,
            httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
            samesite="Lax",
        )
    return response


def _new_number() -> str:
    """Make the number of a sale with the page, so that pressing "Buy" twice is one order."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return f"LANTERN-{timezone.now():%Y%m%d}-" + "".join(
        secrets.choice(alphabet) for _place in range(8)
    )


def _state_text(found: Order | None) -> str:
    if found is None:
        return _("The platform does not answer")
    words = {
        OrderStatus.INIT: _("Not paid yet"),
        OrderStatus.PAYING: _("Payment under way"),
        OrderStatus.SUCCESS: _("Paid"),
        OrderStatus.FAILED: _("Failed"),
        OrderStatus.CLOSED: _("Closed"),
    }
    return words.get(found.status, str(found.status))


def _full_text(found: Order) -> str:
    return json.dumps(
        asdict(found), indent=2, ensure_ascii=False, default=lambda moment: moment.isoformat()
    )


def _pretty(body: str) -> str:
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
