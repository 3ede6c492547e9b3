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

from acquiring.admin.reason_words import explain_delivery
from acquiring.models import Delivery
from acquiring.services.letters import SKIPPED_DAYS, list_letters, list_resent, list_unresent
from acquiring.services.redeliveries import (
    PassedOver,
    ResendReport,
    resend_chosen,
    resend_letters,
)
from acquiring.webhooks.schedule import Reason
from paymentplatform.kernel import context, numbers, transactions
from paymentplatform.kernel.admin import ReasonForm, confirmed_action
from paymentplatform.kernel.admin_lists import narrow_keys
from paymentplatform.kernel.admin_tables import build_page_table
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.problems import name_error
from paymentplatform.kernel.roles import Role

MOST_COUNTED: Final = 1000
RESENDABLE: Final = ("DEAD", "SKIPPED")
DEAD_QUERY: Final = "status__exact=DEAD&resent=no"
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
        return [(reason.value, explain_delivery(reason)) for reason in Reason]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Narrow to the reason."""
        return rows.filter(reason=self.value()) if self.value() else rows


class AgeFilter(admin.SimpleListFilter):
    """How long ago a delivery was made."""

    bounds_keys = True
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
        since, until = None if most is None else now - most, now - least
        rows = narrow_keys(rows, numbers.DELIVERY, since=since, until=until)
        rows = rows.filter(created_at__lte=until)
        return rows if since is None else rows.filter(created_at__gt=since)


class ResentFilter(admin.SimpleListFilter):
    """Whether a delivery was made again since, to the same target."""

    title = _("Sent again since")
    parameter_name = "resent"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Offer both."""
        return [("no", _("No")), ("yes", _("Yes"))]

    def queryset(self, _request: HttpRequest, rows: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """Narrow to the last ones to their targets, or to all others."""
        if self.value() == "no":
            return list_unresent(rows)
        if self.value() == "yes":
            return list_resent(rows)
        return rows


class BatchForm(ReasonForm):
    """Asks for the reason and carries what was chosen from the list's form to the one that confirms."""

    action = forms.CharField(widget=forms.HiddenInput())
    confirmed = forms.CharField(widget=forms.HiddenInput(), initial="yes")


class DeadLetterBatch:
    """For the page of deliveries: choose dead and skipped ones in the list, and have them delivered again."""

    @admin.action(description=_("Deliver again"), permissions=["redeliver"])
    def redeliver_chosen(
        self, request: HttpRequest, chosen: QuerySet[Delivery]
    ) -> HttpResponse | None:
        """Ask for a reason, then make a new delivery for each chosen one that is dead or skipped and not yet resent."""
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
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="redeliver-dead-letters",
        icon="send",
        foretell=lambda merchant: foretell_letters(merchant.pk),
        offered=lambda merchant: bool(_list_deliverable(merchant.pk, most=1)),
    )
    def redeliver_dead_letters(self, *, object_no: str, **_answers: Any) -> str:
        """Make new deliveries for up to 500 dead letters and skipped ones; press again for the next ones."""
        report, letters = transactions.join(resend_letters)(merchant_no=object_no)
        left = len(_list_deliverable(object_no))
        said = [say_due(len(report.resent))]
        if left:
            said.append(
                say("1 is left: press again.")
                if left == 1
                else say("%s are left: press again.") % show_count(left)
            )
        return " ".join([*said, _say_stuck(letters.stuck)]).strip()

    @admin.display(description=_("Dead letters"))
    def dead_letters(self, merchant: Any) -> SafeString:
        """Link the merchant's dead letters that were not sent again since."""
        if "dead_counted" not in merchant.__dict__:  # the template asks for a field several times
            dead = list_unresent(Delivery.objects.filter(merchant_no=merchant.pk, status="DEAD"))
            merchant.__dict__["dead_counted"] = dead[: MOST_COUNTED + 1].count()
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}?{}&merchant={}">{}</a>',
            reverse("admin:acquiring_delivery_changelist"),
            DEAD_QUERY,
            merchant.pk,
            show_count(merchant.__dict__["dead_counted"]),
        )


def say_due(count: int) -> str:
    """Say how many new deliveries are due."""
    if count == 1:
        return say("1 new delivery is due.")
    return say("%d new deliveries are due.") % count


def show_count(count: int) -> str:
    """Write a count that stops a little over a thousand."""
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count)


def foretell_letters(merchant_no: str) -> str:
    """Say how many letters of a merchant would go out, and how many stay."""
    letters = list_letters(merchant_no=merchant_no)
    said = say(
        "Sent again: %(dead)s dead and %(skipped)s skipped in the last %(days)d days, 500 with each press."
    ) % {
        "dead": show_count(letters.dead[: MOST_COUNTED + 1].count()),
        "skipped": show_count(letters.skipped[: MOST_COUNTED + 1].count()),
        "days": SKIPPED_DAYS,
    }
    return f"{said} {_say_stuck(letters.stuck)}".strip()


def _list_deliverable(merchant_no: str, *, most: int = MOST_COUNTED + 1) -> list[str]:
    letters = list_letters(merchant_no=merchant_no)
    found: list[str] = []
    for rows in (letters.dead, letters.skipped):
        found.extend(rows.values_list("pk", flat=True)[: most - len(found)])
    return found


def _say_stuck(stuck: QuerySet[Delivery]) -> str:
    count = stuck[: MOST_COUNTED + 1].count()
    if not count:
        return ""
    if count == 1:
        return say("1 stays: its endpoint is off.")
    return say("%s stay: their endpoints are off.") % show_count(count)


def _say_passed_over(report: ResendReport) -> str:
    words = {
        PassedOver.ENDPOINT_OFF: say("the endpoint is off"),
        PassedOver.NO_TARGET: say("there is nowhere to send it"),
        PassedOver.SENT_SINCE: say("sent again since"),
        PassedOver.NOT_ENDED: say("neither dead nor skipped"),
    }
    if not report.passed_over:
        return ""
    reasons = ", ".join(f"{words[why]}: {count}" for why, count in report.passed_over.items())
    return say("Passed over: %(count)d (%(reasons)s).") % {
        "count": report.passed_over.total(),
        "reasons": reasons,
    }


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
            "foretold": _foretell_chosen(selected),
            "back": request.get_full_path(),
            "page_tables": [build_page_table(say("Deliveries"), chosen, columns=columns)],
        },
    )


def _foretell_chosen(delivery_nos: Sequence[str]) -> str:
    """Say what confirming would do; nothing is written."""
    report = resend_chosen(delivery_nos=delivery_nos, statuses=RESENDABLE, dry_run=True)
    said = say("New deliveries that will be made: %d.") % len(report.resent)
    return f"{said} {_say_passed_over(report)}".strip()


def _act(request: HttpRequest, chosen: QuerySet[Delivery], reason: str) -> None:
    numbers = list(chosen.values_list("delivery_no", flat=True))
    try:
        with context.acting(as_actor=f"operator:{request.user.get_username()}"):
            report = _resend_and_record(request.user, numbers, reason)
    except Exception as error:  # noqa: BLE001 - the edge: name_error logs what nobody expected
        named = name_error(error)
        messages.error(request, f"{named.detail} ({named.code})")
        return
    messages.success(request, f"{say_due(len(report.resent))} {_say_passed_over(report)}".strip())


@transactions.start
def _resend_and_record(operator: Any, delivery_nos: Sequence[str], reason: str) -> ResendReport:
    """Resend and write one audit line for each event that goes out again (start)."""
    report = transactions.join(resend_chosen)(delivery_nos=delivery_nos, statuses=RESENDABLE)
    for event_id in sorted(set(report.resent)):
        audit_trail()(
            operator=operator, action="redeliver_chosen", object_no=event_id, reason=reason
        )
    return report
