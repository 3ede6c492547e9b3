"""What every page of the payer has in common: language, headers, and friendly words for what goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

from csp.constants import NONCE
from django import forms
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from acquiring.contracts import CashierStyle
from checkout import page_scripts
from checkout.look_presenter import present_look
from checkout.presenters import CashierLinks
from checkout.support import present_support
from checkout.views.folding import render_folded
from paymentplatform.kernel.errors import DomainError, NotFound, RateLimited
from paymentplatform.kernel.throttle import Throttle

LANGUAGES: Final = {"en": "en", "zh-Hans": "zh-hans"}
"""``?lang=`` values, and how Django names them."""
LANGUAGE_COOKIE: Final = "language"
"""With the prefix this is ``LANGUAGE_COOKIE_NAME``."""
LANGUAGE_COOKIE_AGE_S: Final = 365 * 24 * 3600

PASSWORDS: Final = Throttle(name="payment_password", at_once=10, per_minute=10)
"""Payment passwords typed on one page in this process, so that the limit holds without Redis too: all processes
together count in ``services.password_tries``, a payer's own five in the database.
"""
PAYS: Final = Throttle(name="cashier_pay", at_once=20, per_minute=20)
"""Presses of *pay* on one page in this process: each may close one payment at an institution and begin another."""
POLLS: Final = Throttle(name="cashier_status", at_once=30, per_minute=120)
"""Questions after one order's status: four pages open at once never reach it."""

_METHOD_COOKIE: Final = "cashier_method"
_METHOD_AGE_S: Final = 180 * 24 * 3600
_REFUSAL_AGE_S: Final = 120
_KEPT_FIELDS: Final = (
    "method",
    "payer_no",
    "bank_code",
    "wallet_code",
    "use_balance",
    "balance_payer_no",
)

PageView = Callable[..., HttpResponse]


def payer_page(*, on_error: PageView) -> Callable[[PageView], PageView]:
    """Give a page its language, its headers, and a problem page (``on_error``) instead of a bare refusal."""

    def decorate(view: PageView) -> PageView:
        @wraps(view)
        def wrapped(request: HttpRequest, token: str, **parts: str) -> HttpResponse:
            wished = LANGUAGES.get(request.GET.get("lang", ""))
            with translation.override(wished or translation.get_language()):
                try:
                    response = view(request, token, **parts)
                except DomainError as error:
                    response = on_error(request, token=token, error=error)
            if wished:
                remember_language(response, wished)
            patch_vary_headers(response, ["Accept-Language", "Cookie"])
            return protect(response)

        return wrapped

    return decorate


def cashier_page(view: PageView) -> PageView:
    """Make a page of the cashier."""
    return payer_page(on_error=render_problem)(view)


def protect(response: HttpResponse) -> HttpResponse:
    """Set what a page with money on it adds to the platform's headers: never stored, never referred to, and no script
    but the one that the page itself names.
    """
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response._csp_replace = {  # type: ignore[attr-defined]  # noqa: SLF001 - django-csp's way
        "script-src": [NONCE],
        **getattr(response, "_csp_replace", {}),
    }
    return response


def allow_frames(response: HttpResponse, origins: Sequence[str]) -> HttpResponse:
    """Let pages of these origins show this page in a frame; without any nobody may."""
    if origins:
        response._csp_replace = {"frame-ancestors": list(origins)}  # type: ignore[attr-defined]  # noqa: SLF001
        response.xframe_options_exempt = True
    return response


def set_page_cookie(response: HttpResponse, name: str, value: str, *, max_age: int) -> None:
    """Set a cookie that no script reads; in production for this host alone (``__Host-``)."""
    response.set_cookie(
        f"{settings.COOKIE_PREFIX}{name}",
        value,
        max_age=max_age,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def remember_language(response: HttpResponse, language: str) -> None:
    """Keep the language that the payer chose by the link."""
    set_page_cookie(response, LANGUAGE_COOKIE, language, max_age=LANGUAGE_COOKIE_AGE_S)


def keep_refusal(
    response: HttpResponse,
    *,
    token: str,
    reasons: list[str],
    form: forms.Form,
    fields: Sequence[str] = _KEPT_FIELDS,
) -> None:
    """Carry a refused form over the redirect: what was wrong and what was typed, never the password.

    Answering the POST with a page instead would make "back" and "reload" ask to send it again.
    """
    kept = {
        "reasons": reasons,
        "entered": {name: str(form.data.get(name, ""))[:64] for name in fields},
    }
    signed = signing.dumps(kept, salt=token)
    set_page_cookie(response, _refusal_cookie(token), signed, max_age=_REFUSAL_AGE_S)


def read_refusal(request: HttpRequest, *, token: str) -> tuple[list[str], dict[str, str]]:
    """Return (reasons, what was typed) that ``keep_refusal`` kept for this page; both may be empty."""
    signed = request.COOKIES.get(f"{settings.COOKIE_PREFIX}{_refusal_cookie(token)}")
    if not signed:
        return [], {}
    try:
        kept = signing.loads(signed, salt=token, max_age=_REFUSAL_AGE_S)
    except signing.BadSignature:
        return [], {}
    return kept["reasons"], kept["entered"]


def forget_refusal(response: HttpResponse, *, token: str) -> None:
    """Drop what ``keep_refusal`` kept for this page: it is shown once."""
    set_page_cookie(response, _refusal_cookie(token), "", max_age=0)


def _refusal_cookie(token: str) -> str:
    """Name the cookie after the page, so that two orders in two tabs keep theirs apart; the token stays secret."""
    return f"refusal_{hashlib.sha256(token.encode()).hexdigest()[:12]}"


def remember_method(response: HttpResponse, method: str) -> None:
    """Keep the method that was chosen in this browser, signed, for the next order."""
    signed = signing.dumps(method, salt=_METHOD_COOKIE)
    set_page_cookie(response, _METHOD_COOKIE, signed, max_age=_METHOD_AGE_S)


def read_method(request: HttpRequest) -> str | None:
    """Return what ``remember_method`` kept, or None; it only chooses the radio button that is set at first."""
    kept = request.COOKIES.get(f"{settings.COOKIE_PREFIX}{_METHOD_COOKIE}", "")
    try:
        return str(signing.loads(kept, salt=_METHOD_COOKIE, max_age=_METHOD_AGE_S))
    except signing.BadSignature:
        return None


def frame_context(style: CashierStyle | None = None) -> dict[str, Any]:
    """Return what the frame around every page of ours needs; ``style`` is the merchant's, where there is one."""
    return {
        "look": present_look(style or CashierStyle()),
        "page_script": page_scripts.CASHIER,
        "html_language": "zh-Hans" if (translation.get_language() or "").startswith("zh") else "en",
        "test_mode": settings.PLATFORM_ENV != "production",
        "support": present_support(settings.SUPPORT_CONTACT),
    }


def page_context(*, token: str, style: CashierStyle | None = None, **parts: Any) -> dict[str, Any]:
    """Return the context of a page: its own parts and what the frame around every page needs."""
    links = CashierLinks(token)
    return {
        "links": links,
        "here": links.choose,
        **frame_context(style),
        **parts,
    }


def render_page(
    request: HttpRequest,
    template: str,
    *,
    token: str,
    status: int = 200,
    style: CashierStyle | None = None,
    **parts: Any,
) -> HttpResponse:
    """Render one page of the cashier, in a merchant's ``style`` and where it may be framed."""
    context = page_context(token=token, style=style, **parts)
    response = render_folded(request, template, context, status=status)
    return allow_frames(response, style.embed_origins if style else ())


def see_other(address: str) -> HttpResponse:
    """Send the browser on by GET, also after a POST, so that a reload repeats nothing."""
    return HttpResponseRedirect(address, status=303)


def render_problem(request: HttpRequest, *, token: str, error: DomainError) -> HttpResponse:
    """Say in friendly words what went wrong; a 5xx never claims that nothing happened."""
    unknown = error.status >= 500
    if isinstance(error, NotFound):
        title, text = (
            _("We cannot find this order"),
            _("The link is wrong or out of date. Please go back to the shop and pay from there."),
        )
    elif isinstance(error, RateLimited):
        title, text = (
            _("One moment, please"),
            _("That was a little too fast. Please try again shortly."),
        )
    elif unknown:
        title, text = (
            _("We could not get an answer"),
            _(
                "Please look at the order again before you pay a second time: your payment may have "
                "gone through."
            ),
        )
    else:
        title, text = (
            _("This did not work"),
            _("Nothing was charged by this step. Please look at the order and try again."),
        )
    response = render_page(
        request,
        "cashier/problem.html",
        token=token,
        status=error.status,
        title=title,
        text=text,
        can_retry=not isinstance(error, NotFound),
    )
    if error.retry_after_s:
        response["Retry-After"] = str(error.retry_after_s)
    return response
