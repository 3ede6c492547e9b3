"""The operators' site: log-in by password and second factor, sessions that end, and the dashboard as its first page."""

from __future__ import annotations

from functools import partial
from typing import Any

import segno
from django.contrib.auth import REDIRECT_FIELD_NAME, update_session_auth_hash
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from unfold.sites import UnfoldAdminSite

from paymentplatform.console.dossier_views import show_dossier
from paymentplatform.console.services import identities, second_factor, sessions
from paymentplatform.kernel.errors import DomainError, InvalidRequest

_CHECKED = "_operator_checked"


class ConsoleSite(UnfoldAdminSite):
    """Unfold's site behind our log-in."""

    index_title = _("Dashboard")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in whoever is staff, owes no code, and whose session is not over."""
        known = getattr(request, _CHECKED, None)
        if known is None:
            known = (
                super().has_permission(request)
                and not sessions.is_over(request)
                and not sessions.needs_second_factor(request)
                and not sessions.owes_introduction(request)
            )
            setattr(request, _CHECKED, known)
        return bool(known)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password, then for whatever else the account owes, one page after the other."""
        if request.method == "GET" and (step := self._find_step(request)):
            return HttpResponseRedirect(self._address(step, request))
        response: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == 302 and request.user.is_active:
            if step := self._find_step(request):
                return HttpResponseRedirect(self._address(step, request))
            sessions.open_session(request, by=sessions.PASSWORD)
        return response

    def extra_urls(self) -> list[URLPattern]:
        """Add the pages between password and first page, and the dossier."""
        dossier = self.admin_view(partial(show_dossier, site=self))
        return [
            path("own-password/", _alone(self.ask_own_password), name="own_password"),
            path("second-factor/", _alone(self.ask_code), name="second_factor"),
            path("introduction/", _alone(self.show_word), name="introduction"),
            path("dossier/<str:number>/", dossier, name="dossier"),
        ]

    def ask_code(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code, or enrol: POST only makes a secret or tries a code."""
        if not self._knows_password(request):
            return HttpResponseRedirect(reverse(f"{self.name}:login"))
        if identities.must_choose_password(identities.read_identity(request.user)):
            return HttpResponseRedirect(self._address("own_password", request))
        shown = self.each_context(request) | {"title": say("Second factor")}
        shown |= {"enrolled": second_factor.has_factor(request.user), "next": _next(request)}
        if request.method == "POST":
            try:
                if "begin" in request.POST:
                    shown |= self._begin(request)
                else:
                    second_factor.verify_second_factor(
                        user=request.user, code=request.POST.get("code", "")
                    )
                    sessions.open_session(request, by=sessions.CODE)
                    step = self._find_step(request)
                    return HttpResponseRedirect(
                        self._address(step, request) if step else shown["next"]
                    )
            except DomainError as refusal:
                shown["refusal"] = refusal.detail
        return render(request, "console/second_factor.html", shown)

    def _begin(self, request: HttpRequest) -> dict[str, Any]:
        secret = second_factor.begin_enrolment(user=request.user)
        address = second_factor.build_address(username=request.user.get_username(), secret=secret)
        code = segno.make(address, error="m").svg_inline(scale=4, border=2, light="#fff")
        return {"secret": secret, "qr": mark_safe(code)}  # noqa: S308 - drawn by us

    def ask_own_password(self, request: HttpRequest) -> HttpResponse:
        """Ask whoever was given a password for one that only he knows (POST takes it)."""
        if not self._knows_password(request):
            return HttpResponseRedirect(reverse(f"{self.name}:login"))
        row = identities.read_identity(request.user)
        if row is None or not identities.must_choose_password(row):
            return HttpResponseRedirect(_next(request))
        shown = self.each_context(request) | {"title": say("Your own password")}
        shown |= {"next": _next(request), "giver": row.password_from}
        if request.method == "POST":
            password = request.POST.get("password", "")
            try:
                if password != request.POST.get("again", ""):
                    raise InvalidRequest(say("The two are not the same."))
                user = identities.choose_password(user=request.user, password=password)
                update_session_auth_hash(request, user)
                step = self._find_step(request)
                return HttpResponseRedirect(self._address(step, request) if step else shown["next"])
            except DomainError as refusal:
                shown["refusal"] = refusal.detail
        return render(request, "console/own_password.html", shown)

    def show_word(self, request: HttpRequest) -> HttpResponse:
        """Show the word that another administrator must hear before anybody works with the account."""
        step = self._find_step(request)
        if step != "introduction":
            known = self._knows_password(request)
            back = self._address(step, request) if step else _next(request)
            return HttpResponseRedirect(back if known else reverse(f"{self.name}:login"))
        row = identities.read_identity(request.user)
        shown = self.each_context(request) | {
            "title": say("One more step"),
            "word": identities.build_word(request.user),
            "giver": row.password_from if row is not None else "",
        }
        return render(request, "console/introduction.html", shown)

    def _knows_password(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and not sessions.is_over(request)

    def _find_step(self, request: HttpRequest) -> str:
        """Return the name of the page that comes next between password and first page; empty when none does."""
        if not self._knows_password(request):
            return ""
        row = identities.read_identity(request.user)
        if identities.must_choose_password(row):
            return "own_password"
        if sessions.needs_second_factor(request):
            return "second_factor"
        return "" if identities.is_confirmed(row) else "introduction"

    def _address(self, step: str, request: HttpRequest) -> str:
        return f"{reverse(f'{self.name}:{step}')}?{REDIRECT_FIELD_NAME}={_next(request)}"


def _alone(view: Any) -> Any:
    return never_cache(csrf_protect(view))


def _next(request: HttpRequest) -> str:
    """Return where to go afterwards: an address of this site and nothing else."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe and wanted.startswith("/admin/") else reverse("admin:index")
