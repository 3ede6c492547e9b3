"""A payer's own wallet 钱包: log in, balance and movements, agreements, ending one. Without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from checkout.forms import WalletLoginForm
from checkout.own_wallet import get_own_agreement, get_own_wallet, list_own_agreements
from checkout.services.agreements import revoke_as_payer
from checkout.services.wallet_sessions import LASTS, find_payer, log_in, log_out
from checkout.views.folding import render_folded
from checkout.views.page import (
    forget_refusal,
    frame_context,
    keep_refusal,
    payer_page,
    read_refusal,
    see_other,
)
from checkout.wallet_presenter import (
    AGREEMENTS,
    HOME,
    LOG_IN,
    LOG_OUT,
    present_agreement,
    present_login_refusal,
    present_movements,
    present_wallet,
)
from paymentplatform.kernel.errors import DomainError, NotFound, PermissionRefused, RateLimited
from paymentplatform.kernel.rest import find_client_address

_SALT: Final = "wallet"
_LINKS: Final = {"home": HOME, "login": LOG_IN, "logout": LOG_OUT, "agreements": AGREEMENTS}

WalletView = Callable[..., HttpResponse]


def render_wallet_problem(request: HttpRequest, *, token: str, error: DomainError) -> HttpResponse:
    """Say in friendly words what went wrong; nothing here moves money."""
    shown = {
        "title": _("We cannot find this page")
        if isinstance(error, NotFound)
        else _("This did not work"),
        "text": _("The link is wrong or out of date. Please go back to your wallet.")
        if error.status < 500
        else _("Please look at your wallet again in a moment."),
    }
    return _render(request, "wallet/problem.html", here=HOME, status=error.status, **shown)


_page: Final = payer_page(on_error=render_wallet_problem)


def _own_page(view: WalletView) -> WalletView:
    """Make a page of a payer who is logged in; anybody else is sent to the log-in."""

    @_page
    @wraps(view)
    def wrapped(request: HttpRequest, token: str, **parts: str) -> HttpResponse:
        payer_no = find_payer(secret=request.COOKIES.get(settings.WALLET_COOKIE_NAME, ""))
        if payer_no is None:
            return see_other(LOG_IN)
        return view(request, payer_no=payer_no, **parts)

    return wrapped


@require_safe
@csrf_protect
@_own_page
def show_wallet(request: HttpRequest, *, payer_no: str) -> HttpResponse:
    """GET /wallet/: balances, and the movements of one currency, a page at a time."""
    wallet = get_own_wallet(
        payer_no=payer_no,
        currency=request.GET.get("currency") or None,
        cursor=request.GET.get("cursor") or None,
    )
    shown = present_wallet(wallet, time_zone=settings.BUSINESS_TIME_ZONE)
    return _render(request, "wallet/home.html", here=HOME, wallet=shown)


@require_safe
@csrf_protect
@_own_page
def show_agreements(request: HttpRequest, *, payer_no: str) -> HttpResponse:
    """GET /wallet/agreements: what the payer lets merchants take, a page at a time."""
    found, following = list_own_agreements(
        payer_no=payer_no, cursor=request.GET.get("cursor") or None
    )
    zone = settings.BUSINESS_TIME_ZONE
    return _render(
        request,
        "wallet/agreements.html",
        here=AGREEMENTS,
        agreements=[present_agreement(one, time_zone=zone) for one in found],
        older=f"{AGREEMENTS}?cursor={following}" if following else "",
    )


@require_safe
@csrf_protect
@_own_page
def show_agreement(request: HttpRequest, *, payer_no: str, agreement_no: str) -> HttpResponse:
    """GET /wallet/agreements/{agreement_no}: its limits, what was taken, and how to end it."""
    agreement, taken = get_own_agreement(payer_no=payer_no, agreement_no=agreement_no)
    zone = settings.BUSINESS_TIME_ZONE
    shown = present_agreement(agreement, time_zone=zone)
    return _render(
        request,
        "wallet/agreement.html",
        here=shown["address"],
        agreement=shown,
        taken=present_movements(taken, agreement.currency, time_zone=zone),
    )


@require_POST
@csrf_protect
@_own_page
def revoke_agreement(_request: HttpRequest, *, payer_no: str, agreement_no: str) -> HttpResponse:
    """POST /wallet/agreements/{agreement_no}/revoke: end it at once; again changes nothing."""
    revoke_as_payer(agreement_no=agreement_no, payer_no=payer_no)
    return see_other(f"{AGREEMENTS}/{agreement_no}")


@require_safe
@csrf_protect
@_page
def show_login(request: HttpRequest, token: str) -> HttpResponse:
    """GET /wallet/login: ask for payer number and payment password."""
    if find_payer(secret=request.COOKIES.get(settings.WALLET_COOKIE_NAME, "")) is not None:
        return see_other(HOME)
    reasons, entered = read_refusal(request, token=_SALT)
    errors, notice = present_login_refusal(reasons)
    response = _render(
        request, "wallet/login.html", here=LOG_IN, entered=entered, errors=errors, notice=notice
    )
    if reasons:
        forget_refusal(response, token=_SALT)
    return response


@require_POST
@sensitive_post_parameters("payment_password")
@csrf_protect
@_page
def take_login(request: HttpRequest, token: str) -> HttpResponse:
    """POST /wallet/login/enter: prove oneself once, then go on by GET with a session of one's own."""
    form = WalletLoginForm(request.POST)
    reasons = [] if form.is_valid() else form.refused_fields()
    if not reasons:
        try:
            secret = log_in(
                payer_no=form.cleaned_data["payer_no"],
                payment_password=form.cleaned_data["payment_password"],
                address=find_client_address(request),
            )
        except (PermissionRefused, RateLimited) as refusal:
            reasons = [refusal.code]
        else:
            return _enter(secret)
    response = see_other(LOG_IN)
    keep_refusal(response, token=_SALT, reasons=reasons, form=form, fields=("payer_no",))
    return response


@require_POST
@csrf_protect
@_page
def leave(request: HttpRequest, token: str) -> HttpResponse:
    """POST /wallet/logout: end the session here and in the browser."""
    log_out(secret=request.COOKIES.get(settings.WALLET_COOKIE_NAME, ""))
    response = see_other(LOG_IN)
    response.delete_cookie(settings.WALLET_COOKIE_NAME, path="/", samesite="Lax")
    return response


def _enter(secret: str) -> HttpResponse:
    response = see_other(HOME)
    response.set_cookie(
        settings.WALLET_COOKIE_NAME,
        secret,
        max_age=int(LASTS.total_seconds()),
        path="/",  # what __Host- asks for
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def _render(
    request: HttpRequest, template: str, *, here: str, status: int = 200, **parts: Any
) -> HttpResponse:
    shown = {**frame_context(), "wallet_links": _LINKS, "here": here, **parts}
    return render_folded(request, template, shown, status=status)
