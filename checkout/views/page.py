"""What every page of the payer has in common: language, headers, and friendly words for what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Final

from django import forms
from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _

from checkout.presenters import CashierLinks
from checkout.support import present_support
from paymentplatform.kernel.errors import DomainError, NotFound, RateLimited

LANGUAGES: Final = {"en": "en", "zh-Hans": "zh-hans"}
"""``?lang=`` values, and how Django names them."""
LANGUAGE_COOKIE_AGE_S: Final = 365 * 24 * 3600

_REFUSAL_COOKIE: Final = "cashier_refusal"
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
    """Set what a page with money on it adds to the platform's headers: never stored, never referred to."""
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def remember_language(response: HttpResponse, language: str) -> None:
    """Keep the language that the payer chose by the link."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=LANGUAGE_COOKIE_AGE_S,
        path=settings.LANGUAGE_COOKIE_PATH,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite="Lax",
    )


def keep_refusal(
    response: HttpResponse,
    *,
    token: str,
    reasons: list[str],
    form: forms.Form,
    path: str,
    fields: Sequence[str] = _KEPT_FIELDS,
) -> None:
    """Carry a refused form over the redirect to ``path``: what was wrong and what was typed, never the password.

    Answering the POST with a page instead would make "back" and "reload" ask to send it again.
    """
    kept = {
        "reasons": reasons,
        "entered": {name: str(form.data.get(name, ""))[:64] for name in fields},
    }
    response.set_cookie(
        _REFUSAL_COOKIE,
        signing.dumps(kept, salt=token),
        max_age=_REFUSAL_AGE_S,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def read_refusal(request: HttpRequest, *, token: str) -> tuple[list[str], dict[str, str]]:
    """Return (reasons, what was typed) that ``keep_refusal`` kept for this page; both may be empty."""
    try:
        kept = signing.loads(
            request.COOKIES.get(_REFUSAL_COOKIE, ""), salt=token, max_age=_REFUSAL_AGE_S
        )
    except signing.BadSignature:
        return [], {}
    return kept["reasons"], kept["entered"]


def forget_refusal(response: HttpResponse, *, path: str) -> None:
    """Drop what ``keep_refusal`` kept for this path: it is shown once."""
    response.delete_cookie(_REFUSAL_COOKIE, path=path)


def frame_context() -> dict[str, Any]:
    """Return what the frame around every page of ours needs."""
    return {
        "html_language": "zh-Hans" if (translation.get_language() or "").startswith("zh") else "en",
        "test_mode": settings.PLATFORM_ENV != "production",
        "support": present_support(settings.SUPPORT_CONTACT),
    }


def page_context(*, token: str, **parts: Any) -> dict[str, Any]:
    """Return the context of a page: its own parts and what the frame around every page needs."""
    links = CashierLinks(token)
    return {
        "links": links,
        "here": links.choose,
        **frame_context(),
        **parts,
    }


def render_page(
    request: HttpRequest, template: str, *, token: str, status: int = 200, **parts: Any
) -> HttpResponse:
    """Render one page of the cashier."""
    return render(request, template, page_context(token=token, **parts), status=status)


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
