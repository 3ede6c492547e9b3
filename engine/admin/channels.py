"""Channels for operators: how they do, their circuit breakers and their maintenance windows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from engine.admin.channel_settling import SettlementsOfChannel
from engine.channels.registry import METHODS
from engine.health import describe_channel
from engine.models import BreakerMove, KnownChannel, MaintenanceWindow
from engine.services.breakers import close_breaker, end_maintenance, plan_maintenance
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, ReasonForm, confirmed_action
from paymentplatform.kernel.admin_tables import PageTable, build_page_table
from paymentplatform.kernel.roles import EVERYBODY, Role

_SHOWN = 50
_CHOICES = [(str(method), str(method)) for method in sorted(METHODS)]


class MaintenanceForm(ReasonForm):
    """When nothing new goes to the channel."""

    method = forms.ChoiceField(
        label=_("Method; none: all"),
        required=False,
        choices=[("", "–"), *_CHOICES],
        widget=UnfoldAdminSelectWidget,
    )
    starts_at = forms.DateTimeField(
        label=_("From; empty: now"), required=False, widget=UnfoldAdminTextInputWidget
    )
    minutes = forms.IntegerField(label=_("For how many minutes"), widget=UnfoldAdminTextInputWidget)


class BreakerForm(ReasonForm):
    """Which breaker."""

    method = forms.ChoiceField(label=_("Method"), choices=_CHOICES, widget=UnfoldAdminSelectWidget)


@admin.register(KnownChannel)
class KnownChannelAdmin(SettlementsOfChannel, ReadOnlyAdmin):
    """Channels, and whether payments go there."""

    seen_by = EVERYBODY
    list_display = ("code", "created_at")
    search_fields = ("code",)
    search_help_text = _("A whole code")
    searched: ClassVar[dict[str, str]] = {"": "code__iexact"}
    ordering = ("code",)
    fields = (("code", "created_at"),)
    actions_detail = ("plan_maintenance", "close_breaker", "propose_settlement")

    @confirmed_action(
        description=_("Plan maintenance"),
        permission="engine.add_maintenancewindow",
        roles=(Role.OPERATOR,),
        url_path="plan-maintenance",
        icon="engineering",
        form=MaintenanceForm,
    )
    def plan_maintenance(
        self,
        *,
        object_no: str,
        operator: Any,
        reason: str,
        method: str,
        starts_at: datetime | None,
        minutes: int,
    ) -> str:
        """Send nothing new there for a time; what runs goes on."""
        transactions.join(plan_maintenance)(
            channel_code=object_no,
            method=method or None,
            starts_at=starts_at,
            minutes=minutes,
            reason=reason,
            made_by=operator.get_username(),
        )
        return say("Planned; what runs goes on.")

    @confirmed_action(
        description=_("Close the circuit breaker"),
        permission="engine.add_breakermove",
        roles=(Role.OPERATOR,),
        url_path="close-breaker",
        icon="power",
        form=BreakerForm,
    )
    def close_breaker(self, *, object_no: str, method: str, **_answers: Any) -> str:
        """Let payments through again at once."""
        transactions.join(close_breaker)(channel_code=object_no, method=method)
        return say("Closed: payments go there again.")

    def build_tables(self, obj: KnownChannel) -> list[PageTable]:
        """Show how each method does, the windows, and how the breakers moved."""
        windows = MaintenanceWindow.objects.filter(channel_code=obj.code).order_by("-id")
        moves = BreakerMove.objects.filter(channel_code=obj.code).order_by("-id")
        return [
            _show_methods(obj.code),
            build_page_table(
                _("Maintenance windows"),
                windows[:_SHOWN],
                columns=("method", "starts_at", "ends_at", "ended_at", "reason", "made_by"),
            ),
            build_page_table(
                _("Moves of the circuit breakers"),
                moves[:_SHOWN],
                columns=("at", "method", "state", "until", "trips", "good", "bad", "actor"),
            ),
        ]


def _show_methods(code: str) -> PageTable:
    headers = (
        *(say("Method"), say("Circuit breaker"), say("In maintenance")),
        *(say("Success rate"), say("Of how many payments")),
    )
    rows = tuple(
        (
            str(method),
            str(facts.breaker),
            say("yes") if facts.in_maintenance else say("no"),
            "–" if facts.success_ppm is None else f"{facts.success_ppm / 10_000:.1f} %",
            facts.sample,
        )
        for method, facts in describe_channel(code=code)
    )
    return PageTable(say("Now"), headers, rows)


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(ReadOnlyAdmin):
    """Times in which nothing new goes to a channel."""

    seen_by = EVERYBODY
    list_display = ("id", "channel_code", "method", "starts_at", "ends_at", "ended_at", "made_by")
    list_filter = ("channel_code",)
    search_fields = ("id",)
    search_help_text = _("A whole number of a window")
    searched: ClassVar[dict[str, str]] = {"": "id"}
    ordering = ("-id",)
    fields = (
        ("channel_code", "method"),
        ("starts_at", "ends_at"),
        ("reason", "made_by"),
        ("created_at", "ended_at"),
    )
    actions_detail = ("end_window",)

    @confirmed_action(
        description=_("End it now"),
        permission="engine.change_maintenancewindow",
        roles=(Role.OPERATOR,),
        url_path="end",
        icon="play_arrow",
        offered=lambda window: window.ended_at is None,
    )
    def end_window(self, *, object_no: str, **_answers: Any) -> str:
        """Let payments go there again, or take it back before it began."""
        transactions.join(end_maintenance)(window_id=int(object_no))
        return say("Ended: payments go there again.")
