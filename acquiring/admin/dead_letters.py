"""Dead letters 死信: deliveries that were given up, found by merchant, reason and age, delivered again in batches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from acquiring.models import Delivery
from acquiring.services.redeliveries import (
    ResendReport,
    resend_chosen,
    resend_dead_letters,
)
from acquiring.webhooks.schedule import Reason
from paymentplatform.kernel import context, transactions
from paymentplatform.kernel.admin import ReasonForm, confirmed_action
from paymentplatform.kernel.admin_tables import build_page_table
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.problems import name_error

MOST_COUNTED: Final = 1000
PERMISSION: Final = "acquiring.add_delivery"
_DAY: Final = timedelta(days=1)
_AGES: Final = {
    "hour": (_("Less than an hour"), timedelta(0), timedelta(hours=1)),
    "day": (_("An hour to a day"), timedelta(hours=1), _DAY),
    "week": (_("A day to a week"), _DAY, 7 * _DAY),
    "older": (_("More than a week"), 7 * _DAY, None),
}


class MerchantFilter(admin.SimpleListFilter):
    """One merchant's deliveries; the merchant's page links here, and the search box finds them too."""

    title = _("Merchant")
    parameter_name = "merchant"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Offer the merchant that was chosen: there are too many to list."""
        chosen = self.value()
        return [(chosen, chosen)] if chosen else []

    def queryset(self, _request: HttpRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Narrow to the merchant."""
        return rows.filter(merchant_no=self.value()) if self.value() else rows


class ReasonFilter(admin.SimpleListFilter):
    """Why a delivery is DEAD or SKIPPED."""

    title = _("Why it ended")
    parameter_name = "reason"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
        """Offer every reason there is."""
        return [(reason.value, reason.value) for reason in Reason]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Narrow to the reason."""
        return rows.filter(reason=self.value()) if self.value() else rows


class AgeFilter(admin.SimpleListFilter):
    """How long ago a delivery was made."""

    title = _("Age")
    parameter_name = "age"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Offer four ages."""
        return [(age, words) for age, (words, _least, _most) in _AGES.items()]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Narrow to the age."""
        if self.value() not in _AGES:
            return rows
        _words, least, most = _AGES[self.value() or ""]
        now = database_now()
        rows = rows.filter(created_at__lte=now - least)
        return rows if most is None else rows.filter(created_at__gt=now - most)


class BatchForm(ReasonForm):
    """Asks for the reason and carries what was chosen from the list's form to the one that confirms."""

    action = forms.CharField(widget=forms.HiddenInput())
    confirmed = forms.CharField(widget=forms.HiddenInput(), initial="yes")


class DeadLetterBatch:
    """For the page of deliveries: choose dead ones in the list, and have them delivered again."""

    @admin.action(description=_("Deliver again"), permissions=["redeliver"])
    def redeliver_chosen(
        self, request: HttpRequest, chosen: QuerySet[Delivery]
    ) -> HttpResponse | None:
        """Ask for a reason, then make a new delivery for each chosen one that is dead and not yet resent."""
        confirmed = request.POST.get("confirmed") == "yes"
        form = BatchForm(
            request.POST if confirmed else None, initial={"action": "redeliver_chosen"}
        )
        if confirmed and form.is_valid():
            _act(request, chosen, form.cleaned_data["reason"])
            return None
        return _confirm(self, request, chosen, form)

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        """Tell whether this operator may make deliveries."""
        return bool(request.user.has_perm(PERMISSION))


class DeadLettersOfMerchant:
    """For the page of a merchant: how many dead letters it has, and the next batch of them delivered again."""

    @confirmed_action(
        description=_("Deliver dead letters again"),
        permission=PERMISSION,
        url_path="redeliver-dead-letters",
        icon="send",
    )
    def redeliver_dead_letters(self, *, object_no: str, **_answers: Any) -> str:
        """Make new deliveries for up to 500 dead letters; press again for the next ones."""
        report, left = transactions.join(resend_dead_letters)(merchant_no=object_no)
        return say("%(made)d new deliveries are due, %(left)d dead letters are left.") % {
            "made": len(report.resent),
            "left": left,
        }

    @admin.display(description=_("Dead letters"))
    def dead_letters(self, merchant: Any) -> SafeString:
        """Link the merchant's dead letters."""
        dead = Delivery.objects.filter(merchant_no=merchant.pk, status="DEAD")
        count = dead[: MOST_COUNTED + 1].count()
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}?status__exact=DEAD&merchant={}">{}</a>',
            reverse("admin:acquiring_delivery_changelist"),
            merchant.pk,
            f"{MOST_COUNTED}+" if count > MOST_COUNTED else count,
        )


def _confirm(
    model_admin: Any, request: HttpRequest, chosen: QuerySet[Delivery], form: BatchForm
) -> HttpResponse:
    selected = [str(delivery.pk) for delivery in chosen]
    form.fields[ACTION_CHECKBOX_NAME] = forms.MultipleChoiceField(
        choices=[(number, number) for number in selected],
        widget=forms.MultipleHiddenInput(),
        initial=selected,
    )
    columns = ("delivery_no", "event_id", "merchant_no", "status", "reason", "url")
    return render(
        request,
        "console/confirm_action.html",
        {
            **model_admin.admin_site.each_context(request),
            "title": f"{say('Deliver again')} ({len(selected)})",
            "opts": model_admin.model._meta,  # noqa: SLF001 - Django's documented way to a model's names
            "form": form,
            "back": request.get_full_path(),
            "page_tables": [build_page_table(say("Deliveries"), chosen, columns=columns)],
        },
    )


def _act(request: HttpRequest, chosen: QuerySet[Delivery], reason: str) -> None:
    numbers = list(chosen.values_list("delivery_no", flat=True))
    try:
        with context.acting(as_actor=f"operator:{request.user.get_username()}"):
            report = _resend_and_record(request.user, numbers, reason)
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        named = name_error(error)
        messages.error(request, f"{named.detail} ({named.code})")
        return
    passed_over = len(numbers) - len(report.resent)
    messages.success(
        request,
        say("%(made)d new deliveries are due, %(passed)d were passed over.")
        % {"made": len(report.resent), "passed": passed_over},
    )


@transactions.start
def _resend_and_record(operator: Any, delivery_nos: Sequence[str], reason: str) -> ResendReport:
    """Resend and write one audit line for each event that goes out again (start)."""
    report = transactions.join(resend_chosen)(delivery_nos=delivery_nos, status="DEAD")
    for event_id in report.resent:
        audit_trail()(
            operator=operator, action="redeliver_chosen", object_no=event_id, reason=reason
        )
    return report
