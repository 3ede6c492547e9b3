"""The operators' site: log-in by password and second factor, sessions that end, and the dashboard as its first page."""

from __future__ import annotations

from functools import partial
from typing import Any

import segno
from django.contrib.auth import REDIRECT_FIELD_NAME
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
from paymentplatform.console.services import second_factor, sessions
from paymentplatform.kernel.errors import DomainError

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
            )
            setattr(request, _CHECKED, known)
        return bool(known)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password, then for the code of whoever has or needs one."""
        if request.method == "GET" and self._owes_code(request):
            return HttpResponseRedirect(self._code_address(request))
        response: HttpResponse = super().login(request, extra_context)
        if request.method == "POST" and response.status_code == 302 and request.user.is_active:
            if self._owes_code(request):
                return HttpResponseRedirect(self._code_address(request))
            sessions.open_session(request, by=sessions.PASSWORD)
        return response

    def extra_urls(self) -> list[URLPattern]:
        """Add the page that asks for the code, and the dossier."""
        view = never_cache(csrf_protect(self.ask_code))
        dossier = self.admin_view(partial(show_dossier, site=self))
        return [
            path("second-factor/", view, name="second_factor"),
            path("dossier/<str:number>/", dossier, name="dossier"),
        ]

    def ask_code(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code, or enrol: POST only makes a secret or tries a code."""
        if not super().has_permission(request) or sessions.is_over(request):
            return HttpResponseRedirect(reverse(f"{self.name}:login"))
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
                    return HttpResponseRedirect(shown["next"])
            except DomainError as refusal:
                shown["refusal"] = refusal.detail
        return render(request, "console/second_factor.html", shown)

    def _begin(self, request: HttpRequest) -> dict[str, Any]:
        secret = second_factor.begin_enrolment(user=request.user)
        address = second_factor.build_address(username=request.user.get_username(), secret=secret)
        code = segno.make(address, error="m").svg_inline(scale=4, border=2, light="#fff")
        return {"secret": secret, "qr": mark_safe(code)}  # noqa: S308 - drawn by us

    def _owes_code(self, request: HttpRequest) -> bool:
        return (
            super().has_permission(request)
            and not sessions.is_over(request)
            and sessions.needs_second_factor(request)
        )

    def _code_address(self, request: HttpRequest) -> str:
        return f"{reverse(f'{self.name}:second_factor')}?{REDIRECT_FIELD_NAME}={_next(request)}"


def _next(request: HttpRequest) -> str:
    """Return where to go afterwards: an address of this site and nothing else."""
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe and wanted.startswith("/admin/") else reverse("admin:index")
