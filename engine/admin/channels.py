"""Channels for operators: how they do, their circuit breakers and their maintenance windows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from engine.admin.channel_settling import SettlementsOfChannel
from engine.channels.registry import METHODS
from engine.health import describe_channel
from engine.models import BreakerMove, ChannelSwitch, KnownChannel, MaintenanceWindow
from engine.services.breakers import (
    close_breaker,
    end_maintenance,
    list_open_breakers,
    plan_maintenance,
)
from engine.services.channel_switches import disable_channel, is_disabled
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import (
    ReadOnlyAdmin,
    ReasonForm,
    confirmed_action,
    submit_proposal,
)
from paymentplatform.kernel.admin_tables import PageTable, build_page_table, show_status
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

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        code = self.initial.get("channel_code", "")
        self.fields["method"].choices = [  # type: ignore[attr-defined]
            (method, method) for method in list_open_breakers(channel_code=code)
        ]

    @classmethod
    def read_initial(cls, obj: KnownChannel) -> dict[str, Any]:
        """Offer the methods whose breaker is not closed."""
        return {"channel_code": obj.code}


@admin.register(KnownChannel)
class KnownChannelAdmin(SettlementsOfChannel, ReadOnlyAdmin):
    """Channels, and whether payments go there."""

    seen_by = EVERYBODY
    list_display = ("code", "standing", "created_at")
    search_fields = ("code",)
    search_help_text = _("A whole code")
    searched: ClassVar[dict[str, str]] = {"": "code__iexact"}
    ordering = ("code",)
    fields = (("code", "standing"), "created_at")
    readonly_fields = ("standing",)
    actions_detail = (
        *("disable_channel", "propose_enabling"),
        *("plan_maintenance", "close_breaker", "propose_settlement"),
    )

    @admin.display(description=_("New payments"))
    def standing(self, channel: KnownChannel) -> str:
        """Say whether new payments may go there."""
        return show_status("DISABLED" if channel.is_off else "ENABLED")  # type: ignore[attr-defined]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read with each channel whether it is disabled."""
        rows: QuerySet[Any] = super().get_queryset(request)
        newest = ChannelSwitch.objects.filter(channel_code=OuterRef("code")).order_by("-id")
        return rows.annotate(is_off=Subquery(newest.values("is_disabled")[:1]))

    @confirmed_action(
        description=_("Disable the channel"),
        permission="engine.add_channelswitch",
        roles=(Role.OPERATOR, Role.RISK),
        url_path="disable",
        icon="block",
        offered=lambda channel: not is_disabled(channel_code=channel.code),
        foretell=lambda _channel: say(
            "No new payment goes there, within a second everywhere. What runs goes on: inquiries, callbacks and "
            "refunds. It takes two people to enable it again."
        ),
    )
    def disable_channel(self, *, object_no: str, operator: Any, reason: str) -> str:
        """Let nothing new go there until two people enable it."""
        transactions.join(disable_channel)(
            channel_code=object_no, reason=reason, made_by=operator.get_username()
        )
        return say("Disabled: no new payment goes there; what runs goes on.")

    @confirmed_action(
        description=_("Propose to enable it"),
        permission="console.propose_channel_enabling",
        url_path="propose-enabling",
        icon="approval",
        service_audits=True,
        offered=lambda channel: is_disabled(channel_code=channel.code),
    )
    def propose_enabling(self, *, object_no: str, operator: Any, reason: str) -> str:
        """Say why the reason is gone; another person must agree."""
        payload = {"channel_code": object_no}
        return submit_proposal(
            kind="channel_enabling", payload=payload, operator=operator, reason=reason
        )

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
        offered=lambda channel: bool(list_open_breakers(channel_code=channel.code)),
    )
    def close_breaker(self, *, object_no: str, method: str, **_answers: Any) -> str:
        """Let payments through again at once."""
        transactions.join(close_breaker)(channel_code=object_no, method=method)
        return say("Closed: payments go there again.")

    def build_tables(self, obj: KnownChannel) -> list[PageTable]:
        """Show how each method does, when it was disabled, the windows, and how the breakers moved."""
        windows = MaintenanceWindow.objects.filter(channel_code=obj.code).order_by("-id")
        moves = BreakerMove.objects.filter(channel_code=obj.code).order_by("-id")
        switches = ChannelSwitch.objects.filter(channel_code=obj.code).order_by("-id")
        return [
            _show_methods(obj.code),
            build_page_table(
                _("Disabled and enabled"),
                switches[:_SHOWN],
                columns=("at", "is_disabled", "reason", "made_by"),
            ),
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
