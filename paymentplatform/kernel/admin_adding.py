"""Operators add what is data of theirs (a rule, a list entry) by a confirmed act: form, reason, audit line."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as say
from unfold.decorators import action

from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, ReasonForm
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.errors import DomainError, InvalidRequest
from paymentplatform.kernel.problems import name_error

Perform = Callable[..., str]


def confirmed_addition(
    *, description: Any, permission: str, form: type[ReasonForm], url_path: str, icon: str = "add"
) -> Callable[[Perform], Callable[..., HttpResponse]]:
    """Make an admin method a button above the list that shows a form and adds by POST.

    The method is called inside a transaction with what ``form`` asks for but the reason, makes ONE service call
    (``transactions.join``) and returns the new row's primary key; the audit line, with the whole row, is written in
    the same transaction. A refusal stands at the field that it names. List the method's name in ``actions_list`` and
    who may in ``more_rights``.
    """

    def decorate(perform: Perform) -> Callable[..., HttpResponse]:
        @wraps(perform)
        def ask_then_add(self: ReadOnlyAdmin, request: HttpRequest) -> HttpResponse:
            asked = form(request.POST if request.method == "POST" else None)
            if request.method == "POST" and asked.is_valid():
                done = _add(self, request, perform, asked.cleaned_data)
                if isinstance(done, str):
                    messages.success(request, say("Added: %s") % done)
                    return HttpResponseRedirect(_address(self, "change", done))
                _tell(asked, done)
            shown = {
                **self.admin_site.each_context(request),
                "title": description,
                "opts": self.model._meta,  # noqa: SLF001 - Django's documented way to a model's names
                "form": asked,
                "back": _address(self, "changelist"),
            }
            return render(request, "console/confirm_action.html", shown)

        button: Any = action(
            description=description, permissions=[permission], url_path=url_path, icon=icon
        )(ask_then_add)
        return button  # type: ignore[no-any-return]

    return decorate


def _add(
    page: ReadOnlyAdmin, request: HttpRequest, perform: Perform, answers: dict[str, Any]
) -> str | DomainError:
    try:
        with context.acting(as_actor=f"operator:{request.user.get_username()}"):
            return _add_and_record(page, perform, request.user, answers)
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        return name_error(error)


@transactions.start
def _add_and_record(
    page: ReadOnlyAdmin, perform: Perform, operator: Any, answers: dict[str, Any]
) -> str:
    """No row without its audit line (start)."""
    values = {name: value for name, value in answers.items() if name != "reason"}
    key = perform(page, **values)
    audit_trail()(
        operator=operator,
        action=perform.__name__,
        object_no=key,
        reason=answers["reason"],
        after=page.model._default_manager.filter(pk=key).values().get(),  # noqa: SLF001 - public, despite its name
    )
    return key


def _tell(asked: ReasonForm, error: DomainError) -> None:
    named = [item for item in error.errors if item.field in asked.fields]
    for item in named:
        asked.add_error(item.field, item.detail)
    if not named:
        words = (
            error.detail if isinstance(error, InvalidRequest) else f"{error.detail} ({error.code})"
        )
        asked.add_error(None, words)


def _address(page: ReadOnlyAdmin, name: str, *arguments: object) -> str:
    opts = page.model._meta  # noqa: SLF001 - Django's documented way to a model's names
    site = page.admin_site.name
    return reverse(f"{site}:{opts.app_label}_{opts.model_name}_{name}", args=arguments)
