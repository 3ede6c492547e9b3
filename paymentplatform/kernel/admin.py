"""Bases of the operators' pages: look at everything, change nothing but through a confirmed action."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from paymentplatform.kernel.errors import DomainError
from paymentplatform.kernel.problems import name_error

COUNTED_ROWS: Final = 10_000
REASON_MAX_CHARACTERS: Final = 500


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts at most COUNTED_ROWS rows: a list of five million orders opens as fast as one of five."""

    @cached_property
    def count(self) -> int:
        """The number of rows, or COUNTED_ROWS when there are more; narrow the filter to see the rest."""
        rows = self.object_list.order_by()[:COUNTED_ROWS]  # type: ignore[attr-defined]
        return int(rows.count())


class ReadOnlyAdmin(ModelAdmin):
    """Rows to look at. Nothing is added, changed or deleted here, not even by a superuser."""

    actions = None
    list_per_page = 50
    show_full_result_count = False
    paginator = BoundedPaginator
    list_disable_select_all = True
    view_on_site = False

    def has_add_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody adds."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody changes."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Any = None) -> bool:
        """Nobody deletes."""
        return False


class ReasonForm(forms.Form):
    """Every act of an operator has a reason."""

    reason = forms.CharField(
        label=_("Reason"), max_length=REASON_MAX_CHARACTERS, widget=UnfoldAdminTextareaWidget
    )


Perform = Callable[..., str]


def confirmed_action(
    *, description: Any, permission: str, url_path: str | None = None, icon: str | None = None
) -> Callable[[Perform], Callable[..., HttpResponse]]:
    """Make an admin method a button that asks first: GET only shows a form, POST acts.

    (A plain unfold action acts on GET, so a link in an e-mail could move money.) The method is called with
    keyword arguments ``operator`` (the user), ``object_no`` (the primary key) and ``reason``, makes ONE
    service call that also writes the audit log, and returns what to say. A DomainError becomes a message.
    ``permission`` is ``app.codename``. List the method's name in ``actions_detail``.
    """

    def decorate(perform: Perform) -> Callable[..., HttpResponse]:
        @wraps(perform)
        def ask_then_act(self: ModelAdmin, request: HttpRequest, object_id: str) -> HttpResponse:
            obj = get_object_or_404(self.get_queryset(request), pk=object_id)
            form = ReasonForm(request.POST if request.method == "POST" else None)
            opts = self.model._meta  # noqa: SLF001 - Django's documented way to a model's names
            back = reverse(
                f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_change", args=[obj.pk]
            )
            if request.method == "POST" and form.is_valid():
                _act(self, request, perform, str(obj.pk), form.cleaned_data["reason"])
                return HttpResponseRedirect(back)
            context = {
                **self.admin_site.each_context(request),
                "title": description,
                "object": obj,
                "opts": opts,
                "form": form,
                "back": back,
            }
            return render(request, "console/confirm_action.html", context)

        button: Callable[..., HttpResponse] = action(
            description=description, permissions=[permission], url_path=url_path, icon=icon
        )(ask_then_act)
        return button

    return decorate


def _act(
    model_admin: ModelAdmin, request: HttpRequest, perform: Perform, object_no: str, reason: str
) -> None:
    try:
        done = perform(model_admin, operator=request.user, object_no=object_no, reason=reason)
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        named: DomainError = name_error(error)
        messages.error(request, f"{named.detail} ({named.code})")
    else:
        messages.success(request, done)
