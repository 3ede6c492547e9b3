"""Late money for operators: what waits, for how long, and how two of them decide what waits for people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import DateTimeField, ExpressionWrapper, QuerySet, Value
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from engine.admin.history import POSTINGS, MovesAdmin
from engine.contracts import HeldDecision
from engine.models import Case, LateMoney, Refund
from engine.ports import payment_owner
from engine.selectors import sla_border
from engine.services.pulled_back import list_pulled_back
from ledger import api as ledger
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReasonForm, confirmed_action, submit_proposal
from paymentplatform.kernel.admin_codes import name_code, show_code
from paymentplatform.kernel.admin_tables import (
    PageTable,
    build_page_table,
    link_number,
    show_money,
    show_status,
    show_time,
)
from paymentplatform.kernel.database import PlatformNow

_REFUND_COLUMNS = ("refund_no", "status", "amount", "failure_code", "next_try_at", "created_at")
_CASE_COLUMNS = ("case_no", "status", "kind", "detail", "created_at", "resolved_at")


class OverdueFilter(admin.SimpleListFilter):
    """What has not ended although LATE_MONEY_SLA_HOURS are over."""

    title = _("Overdue")
    parameter_name = "overdue"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the one question."""
        return [("yes", _("Overdue"))]

    def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the overdue ones when asked."""
        if self.value() != "yes":
            return queryset
        return queryset.filter(resolved_at__isnull=True, created_at__lt=sla_border())


class DecisionForm(ReasonForm):
    """What is to become of it."""

    decision = forms.ChoiceField(
        label=_("Decision"),
        choices=[
            (HeldDecision.REFUND.value, _("Give it back to the payer")),
            (HeldDecision.HONOUR.value, _("Let the merchant have it, less the fee")),
            (
                HeldDecision.PULLED_BACK.value,
                _("Its payer has it by a chargeback: against the loss"),
            ),
        ],
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ["decision", "reason"]


@admin.register(LateMoney)
class LateMoneyAdmin(MovesAdmin):
    """Money that came too late."""

    number_prefix = numbers.LATE_MONEY
    list_display = (
        "late_money_no",
        "state",
        "clock",
        "money",
        "policy",
        "channel_code",
        "order_no",
        "created_at",
    )
    list_filter = ("status", OverdueFilter, "channel_code", "policy")
    implied: ClassVar = {key: {"resolved_at__isnull": True} for key in ("OPEN", "REFUNDING")}
    indexed_filters = ((OverdueFilter.parameter_name, "yes"),)
    search_fields = ("late_money_no",)
    search_help_text = _("A whole late money, order, attempt or payment number, or the channel's")
    searched = {
        numbers.LATE_MONEY: "late_money_no",
        numbers.ORDER: "order_no",
        numbers.ATTEMPT: "attempt_no",
        numbers.PAYMENT: "payment_no",
        numbers.MERCHANT: "merchant_no",
        "": "channel_trade_no",
    }
    ordering = ("-late_money_no",)
    fields = (
        ("late_money_no", "state"),
        ("order", "attempt"),
        ("money", "merchant"),
        ("pulled_back",),
        ("channel_code", "channel_trade_no"),
        ("why", "policy"),
        ("respond_by", "due_at"),
        ("decided_by", "clock"),
        ("created_at", "resolved_at"),
    )
    readonly_fields = (
        *("state", "money", "pulled_back", "order", "attempt", "merchant", "clock", "why"),
    )
    actions_detail = ("propose_decision",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Let each row know since when it would be overdue."""
        rows: QuerySet[Any] = super().get_queryset(request)
        allowed = Value(timedelta(hours=settings.LATE_MONEY_SLA_HOURS))
        return rows.annotate(
            sla_border=ExpressionWrapper(PlatformNow() - allowed, output_field=DateTimeField())
        )

    @confirmed_action(
        description=_("Propose a decision"),
        permission="console.propose_late_money_decision",
        url_path="propose-decision",
        icon="approval",
        form=DecisionForm,
        service_audits=True,
        offered=lambda late: late.status == "OPEN" and late.due_at is None,
    )
    def propose_decision(
        self, *, object_no: str, operator: AbstractBaseUser, decision: str, reason: str
    ) -> str:
        """Propose what becomes of it; another person must agree."""
        return submit_proposal(
            kind="late_money_decision",
            payload={"late_money_no": object_no, "decision": decision},
            operator=operator,
            reason=reason,
        )

    def lock_before(self, obj: LateMoney) -> None:
        """Lock the order first, as its decision does."""
        payment_owner().lock_owner(order_no=obj.order_no)

    @admin.display(description=_("To be settled by"))
    def clock(self, late: Any) -> str | SafeString:
        """Return until when it should have ended, or that this time is over."""
        if late.resolved_at is not None:
            return "–"
        if late.created_at < late.sla_border:
            return show_status("OVERDUE")
        return show_time(late.created_at + timedelta(hours=settings.LATE_MONEY_SLA_HOURS))

    @admin.display(description=_("Reason"))
    def why(self, late: LateMoney) -> str:
        """Say why its trade could not use it."""
        return show_code(late.reason)

    @admin.display(description=_("Pulled back, against the loss"))
    def pulled_back(self, late: LateMoney) -> SafeString:
        """Return what of it goes to nobody any more."""
        return show_money(late.pulled_back_amount, late.currency)

    @admin.display(description=_("Order"))
    def order(self, late: LateMoney) -> str:
        """Link the order."""
        return link_number(late.order_no)

    @admin.display(description=_("Attempt"))
    def attempt(self, late: LateMoney) -> str:
        """Link the attempt."""
        return link_number(late.attempt_no)

    @admin.display(description=_("Merchant"))
    def merchant(self, late: LateMoney) -> str:
        """Link the merchant."""
        return link_number(late.merchant_no)

    def build_tables(self, obj: LateMoney) -> list[PageTable]:
        """Show its refunds, cases, postings and moves."""
        refunds = list(
            Refund.objects.filter(order_no=obj.order_no, late_money_no=obj.pk).order_by(
                "created_at"
            )
        )
        cases = Case.objects.filter(object_no=obj.pk).order_by("case_no")
        return [
            build_page_table(_("Refunds"), refunds, columns=_REFUND_COLUMNS),
            build_page_table(_("Cases"), cases, columns=_CASE_COLUMNS),
            *_list_journals(obj, refunds),
            *super().build_tables(obj),
        ]


def _list_journals(late: LateMoney, refunds: list[Refund]) -> Iterator[PageTable]:
    facts = [("late_money", late.late_money_no)]
    for refund in refunds:
        facts.append(("late_money_refund_sent", refund.refund_no))
        facts.append(("refund_done", refund.refund_no))
        facts.append(("late_money_refund_failed", refund.refund_no))
    facts.append(("late_money_honoured", late.late_money_no))
    facts += [("late_money_pulled_back", named) for named in list_pulled_back(late.late_money_no)]
    for event_type, event_id in facts:
        journal = ledger.find_journal(event_type=event_type, event_id=event_id)
        if journal is not None:
            word = say("Journal")
            title = f"{word} {journal.journal_no} · {name_code(event_type)}"
            yield build_page_table(title, journal.postings, columns=POSTINGS)
