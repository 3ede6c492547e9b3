"""The consent page 签约页: a payer reads what a merchant asks for, proves himself, agrees or declines."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from checkout.agreement_contracts import AgreementEnded, AgreementStatus
from checkout.consent_presenter import (
    ConsentLinks,
    present_consent,
    present_consent_end,
    present_consent_refusal,
)
from checkout.forms import ConsentForm
from checkout.services import consent
from checkout.views.folding import render_folded
from checkout.views.page import (
    PASSWORDS,
    forget_refusal,
    frame_context,
    keep_refusal,
    payer_page,
    read_refusal,
    see_other,
)
from checkout.wallet_presenter import AGREEMENTS
from paymentplatform.kernel.errors import DomainError, NotFound, PermissionRefused, RateLimited
from paymentplatform.kernel.rest import find_client_address

_KEPT_FIELDS: Final = ("payer_no",)


def render_consent_problem(request: HttpRequest, *, token: str, error: DomainError) -> HttpResponse:
    """Say in friendly words what went wrong; a 5xx never claims that nothing happened."""
    links = ConsentLinks(token)
    if isinstance(error, NotFound):
        title = _("We cannot find this agreement")
        text = _(
            "The link is wrong or out of date. Please go back to the shop and start from there."
        )
    elif isinstance(error, RateLimited):
        title = _("One moment, please")
        text = _("That was a little too fast. Please try again shortly.")
    else:
        title = _("We could not get an answer")
        text = _("Please look at the agreement again: your answer may have been taken.")
    shown = {
        **frame_context(),
        "links": links,
        "here": links.page,
        "title": title,
        "text": text,
        "can_retry": not isinstance(error, NotFound),
    }
    return render_folded(request, "agreements/problem.html", shown, status=error.status)


_consent_page: Final = payer_page(on_error=render_consent_problem)


@require_safe
@csrf_protect
@_consent_page
def show_consent(request: HttpRequest, token: str) -> HttpResponse:
    """GET /agreements/{token}: what is asked, or how it ended."""
    page = consent.get_consent_page(token=token)
    links = ConsentLinks(token)
    shown = {
        **frame_context(page.style),
        "links": links,
        "here": links.page,
        "wallet": AGREEMENTS,
        "order": present_consent(page),
    }
    if page.status != AgreementStatus.PENDING:
        shown["result"] = present_consent_end(page)
        return render_folded(request, "agreements/ended.html", shown)
    reasons, entered = read_refusal(request, token=token)
    errors, notice = present_consent_refusal(reasons)
    shown |= {"entered": entered, "errors": errors, "notice": notice}
    response = render_folded(request, "agreements/consent.html", shown)
    if reasons:
        forget_refusal(response, token=token)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("payment_password")
@csrf_protect
@_consent_page
def answer_consent(request: HttpRequest, token: str) -> HttpResponse:
    """POST /agreements/{token}/answer: take the answer once, then send the browser on by GET."""
    links = ConsentLinks(token)
    if request.method != "POST":
        return see_other(links.page)
    form = ConsentForm(request.POST)
    reasons = [] if form.is_valid() else form.refused_fields()
    try:
        if not reasons:
            _take_answer(token, form, address=find_client_address(request))
    except AgreementEnded:
        return see_other(links.page)  # it says how it ended
    except PermissionRefused as refusal:
        reasons = [refusal.code]
    response = see_other(links.page)
    if reasons:
        keep_refusal(
            response,
            token=token,
            reasons=reasons,
            form=form,
            fields=_KEPT_FIELDS,
        )
    return response


def _take_answer(token: str, form: ConsentForm, *, address: str) -> None:
    if form.cleaned_data["answer"] == "decline":
        consent.decline_consent(token=token)
    else:
        PASSWORDS.admit(token)
        consent.give_consent(
            token=token,
            payer_no=form.cleaned_data["payer_no"],
            payment_password=form.cleaned_data["payment_password"],
            address=address,
        )
