"""The hosted cashier 收银台. Each page asks for the order's truth; what a browser claims proves nothing."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import translation
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from acquiring.contracts import (
    CashierOrder,
    Method,
    OrderAlreadyPaid,
    OrderClosed,
    OrderClosing,
    OrderFailed,
    PaymentInProgress,
)
from checkout.contracts import MethodUnavailable, PayAction, PayResult, RiskPending
from checkout.devices import detect_terminal
from checkout.forms import PayForm
from checkout.presenters import (
    POLL_SLOW_MS,
    POLL_STOP,
    CashierLinks,
    Stage,
    failed_try_notice,
    is_final,
    page_address,
    poll_delay_ms,
    present_action,
    present_methods,
    present_order,
    present_refusal,
    present_result,
    stage_of,
)
from checkout.services import acceptance, cashier, consult
from checkout.views.choices import draw_choices, draw_first_choices
from checkout.views.page import (
    PASSWORDS,
    PAYS,
    POLLS,
    cashier_page,
    forget_refusal,
    keep_refusal,
    protect,
    read_method,
    read_refusal,
    remember_method,
    render_page,
    see_other,
)
from paymentplatform.kernel.errors import DomainError, PermissionRefused
from paymentplatform.kernel.rest import find_client_address

_ANSWERABLE: Final = (MethodUnavailable, PermissionRefused, RiskPending)
"""Refusals that the payer can answer by choosing again; a wrong password is a PermissionRefused."""
_ENDED: Final = (OrderAlreadyPaid, OrderClosed, OrderClosing, OrderFailed)


@require_safe
@csrf_protect
@cashier_page
def show_order(request: HttpRequest, token: str) -> HttpResponse:
    """GET /cashier/{token}: the ways to pay, or whatever else is true about the order by now."""
    found = cashier.get_cashier_order(token=token)
    stage = stage_of(found)
    if stage == Stage.CLOSING:
        return _render_closing(request, found)
    if is_final(found):
        return _render_result(request, found)
    if stage == Stage.WAIT and found.order.payment and "change" not in request.GET:
        return see_other(page_address(found))
    return _render_choice(request, found)


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("payment_password", "balance_password")
@csrf_protect
@cashier_page
def pay_order(request: HttpRequest, token: str) -> HttpResponse:
    """POST /cashier/{token}/pay: accept the payment once, then send the browser on by GET."""
    links = CashierLinks(token)
    if request.method != "POST":
        return see_other(links.choose)
    form = PayForm(request.POST)
    if not form.is_valid():
        return _ask_again(token, form, form.refused_fields())
    terminal = detect_terminal(request.headers.get("User-Agent", ""))
    arguments = form.pay_arguments()
    PAYS.admit(token)
    if arguments["payment_password"] is not None:
        PASSWORDS.admit(token)
    try:
        result = acceptance.pay_from_cashier(
            token=token,
            terminal=terminal,
            payer_ip=find_client_address(request),
            **arguments,
        )
    except _ENDED:
        return see_other(links.choose)
    except PaymentInProgress:
        live = page_address(cashier.get_cashier_order(token=token))
        return see_other(f"{live}?notice=in_progress")
    except DomainError as error:
        if isinstance(error, _ANSWERABLE) or error.status in {400, 422}:
            return _ask_again(token, form, [error.code])
        raise
    response = see_other(_address_after(result, links))
    remember_method(response, form.cleaned_data["method"])
    return response


@require_safe
@cashier_page
def show_payment(request: HttpRequest, token: str, payment_no: str) -> HttpResponse:
    """GET /cashier/{token}/payments/{payment_no}: the QR code, the way to the bank, or simply the wait."""
    found = cashier.get_cashier_order(token=token)
    result = cashier.get_payment_action(found, payment_no=payment_no)
    payment = found.order.payment
    if stage_of(found) != Stage.WAIT or payment is None or payment.payment_no != payment_no:
        return see_other(page_address(found))
    cashier.bring_inquiry_forward(found)
    return render_page(
        request,
        "cashier/wait.html",
        token=token,
        style=cashier.get_style(found),
        here=CashierLinks(token).wait(payment_no),
        order=present_order(found, time_zone=settings.BUSINESS_TIME_ZONE),
        action=present_action(
            result.action, method=payment.method, frame_origins=settings.CHANNEL_PAGE_ORIGINS
        ),
        payment_no=payment_no,
        out_of_time=found.expires_in_s <= 0,
        in_progress=request.GET.get("notice") == "in_progress",
        poll_ms=poll_delay_ms(polls_so_far=0),
    )


@require_safe
@cashier_page
def show_result(request: HttpRequest, token: str) -> HttpResponse:
    """GET /cashier/{token}/result: how the order ended; while it has not, the page that tells the truth."""
    found = cashier.get_cashier_order(token=token)
    if not is_final(found):
        return see_other(page_address(found))
    return _render_result(request, found)


@require_safe
@cashier_page
def return_from_channel(request: HttpRequest, token: str) -> HttpResponse:
    """GET /cashier/{token}/return: the bank sent the payer back. That proves nothing."""
    found = cashier.get_cashier_order(token=token)
    cashier.bring_inquiry_forward(found)
    return see_other(page_address(found))


@require_safe
def show_status(request: HttpRequest, token: str) -> HttpResponse:
    """GET /cashier/{token}/status: what a waiting page asks; ``redirect_url`` once another page is true.

    ``payment_no`` (the payment on the page) and ``polls`` (asked so far) are optional.
    """
    try:
        POLLS.admit(token)
        return protect(JsonResponse(_status_body(cashier.get_status(token=token), request)))
    except DomainError as error:
        body = {
            "type": "about:blank",
            "title": error.title,
            "status": error.status,
            "code": error.code,
        }
        answer = JsonResponse(body, status=error.status, content_type="application/problem+json")
        if error.retry_after_s:
            answer["Retry-After"] = str(error.retry_after_s)
        return protect(answer)


def _status_body(status: cashier.CashierStatus, request: HttpRequest) -> dict[str, Any]:
    found = status.found
    payment = found.order.payment
    stage = stage_of(found)
    action = status.action if stage == Stage.WAIT else PayAction(type="none")
    shown = request.GET.get("payment_no")
    stays = stage in {Stage.WAIT, Stage.CLOSING} and (
        shown is None or (payment is not None and payment.payment_no == shown)
    )
    polls = request.GET.get("polls", "")
    polls_so_far = int(polls) if polls.isascii() and polls.isdigit() and len(polls) < 6 else 0
    return {
        "status": found.order.status,
        "payment_status": payment.status if payment else None,
        "action": msgspec.to_builtins(action),
        "next_poll_ms": POLL_STOP if is_final(found) else poll_delay_ms(polls_so_far=polls_so_far),
        "redirect_url": None if stays else page_address(found),
    }


def _address_after(result: PayResult, links: CashierLinks) -> str:
    if result.status == "PAID":
        return links.result
    return links.choose if result.status == "FAILED" else links.wait(result.payment_no)


def _ask_again(token: str, form: PayForm, reasons: list[str]) -> HttpResponse:
    """Send the browser back to the choice, where it reads why; ``change`` keeps it there."""
    response = see_other(CashierLinks(token).change)
    keep_refusal(response, token=token, reasons=reasons, form=form)
    return response


def _render_choice(request: HttpRequest, found: CashierOrder) -> HttpResponse:
    token = found.cashier_token
    reasons, entered = read_refusal(request, token=token)
    balance_first = bool(entered.get("use_balance")) and entered.get("method") != Method.BALANCE
    errors, notice = present_refusal(reasons, balance_first=balance_first)
    last_used = read_method(request)
    offers = consult.list_methods(
        order=found.order,
        merchant_no=found.merchant_no,
        allowed_methods=found.allowed_methods,
        asked_by="cashier",
        terminal=detect_terminal(request.headers.get("User-Agent", "")),
        locale=translation.get_language() or settings.LANGUAGE_CODE,
        last_used=last_used,
    )
    rows, others = present_methods(
        offers,
        preferred=entered.get("method") or last_used,
    )
    choices = (
        draw_choices(rows, entered=entered, errors=errors) if reasons else draw_first_choices(rows)
    )
    response = render_page(
        request,
        "cashier/choose.html",
        token=token,
        style=cashier.get_style(found),
        order=present_order(found, time_zone=settings.BUSINESS_TIME_ZONE),
        choices=choices if rows else "",
        poll_ms=POLL_SLOW_MS,
        unavailable=others,
        notice=notice,
        failed_try="" if reasons else failed_try_notice(found.order),
        live_payment=page_address(found) if stage_of(found) == Stage.WAIT else None,
    )
    if reasons:
        forget_refusal(response, token=token)
    return response


def _render_closing(request: HttpRequest, found: CashierOrder) -> HttpResponse:
    return render_page(
        request,
        "cashier/closing.html",
        token=found.cashier_token,
        style=cashier.get_style(found),
        order=present_order(found, time_zone=settings.BUSINESS_TIME_ZONE),
        poll_ms=poll_delay_ms(polls_so_far=0),
    )


def _render_result(request: HttpRequest, found: CashierOrder) -> HttpResponse:
    return render_page(
        request,
        "cashier/result.html",
        token=found.cashier_token,
        style=cashier.get_style(found),
        here=CashierLinks(found.cashier_token).result,
        order=present_order(found, time_zone=settings.BUSINESS_TIME_ZONE),
        result=present_result(found),
    )
