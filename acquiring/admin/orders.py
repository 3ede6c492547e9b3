"""Orders for operators: one page with the whole life of an order, from its creation to the last try to tell of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet, TextField, Value
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action

from acquiring.admin.notifications import DELIVERY_COLUMNS, EVENT_COLUMNS, TRY_COLUMNS
from acquiring.admin.refunding import (
    LoneRefundForm,
    RefundForm,
    build_refund_payload,
    foretell_alone,
    foretell_close,
    foretell_proposal,
    is_refundable,
    may_refund_alone,
)
from acquiring.admin.summary import summarize
from acquiring.contracts import CloseReason
from acquiring.dossier import (
    find_order_no,
    list_deliveries,
    list_events,
    list_moves,
    list_tries,
)
from acquiring.models import Delivery, MerchantEvent, TradeOrder
from acquiring.services.closing import CloseResult, close_order
from acquiring.services.lone_refunds import refund_alone
from engine import api as engine
from engine.contracts import TradeFile
from ledger import api as ledger
from ledger.contracts import JournalView
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReadOnlyAdmin, confirmed_action, submit_proposal
from paymentplatform.kernel.admin_codes import name_code
from paymentplatform.kernel.admin_tables import (
    MOVE_COLUMNS,
    PageTable,
    build_page_table,
    clean_number,
    columns_of,
    link_number,
    show_money,
)
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.roles import Role

_REFUND_FACTS = (
    "refund_accepted",
    "late_money_refund_sent",
    "refund_done",
    "refund_failed",
    "late_money_refund_failed",
)


class PastTimeFilter(admin.SimpleListFilter):
    """Orders that should have ended a minute ago and have not: the index of what is due knows them."""

    title = _("Past its time")
    parameter_name = "overdue"

    def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, Any]]:
        """Offer the one question."""
        return [("yes", _("Past its time"))]

    def queryset(self, _request: HttpRequest, rows: QuerySet[TradeOrder]) -> QuerySet[TradeOrder]:
        """Keep those when asked."""
        if self.value() != "yes":
            return rows
        return rows.filter(due_at__lt=PlatformNow() - Value(timedelta(seconds=60)))


@admin.register(TradeOrder)
class TradeOrderAdmin(ReadOnlyAdmin):
    """Orders with everything that belongs to them on every floor below."""

    default_period = "day"
    number_prefix = numbers.ORDER
    list_display = (
        "order_no",
        "merchant_order_no",
        "state",
        "money",
        "subject",
        "merchant",
        "created_at",
    )
    list_filter = ("status", PastTimeFilter, "closing", "currency")
    indexed_filters = ((PastTimeFilter.parameter_name, "yes"),)
    not_exported = ("cashier_secret", "metadata")
    search_fields = ("order_no",)
    search_help_text = _(
        "Any whole number: order, payment, attempt, refund, late money, case, journal, event, delivery, merchant, "
        "the merchant's own or the channel's"
    )
    ordering = ("-order_no",)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "in_short",
                    ("order_no", "state"),
                    ("merchant", "merchant_order_no"),
                    ("money", "refunded"),
                    ("subject", "description"),
                    ("payment", "tries"),
                    ("closing", "close_reason"),
                    ("failure_code", "due_at"),
                    ("created_at", "expires_at"),
                    ("paid_at", "closed_at"),
                )
            },
        ),
        (
            _("What the merchant sent"),
            {
                "classes": ("collapse",),
                "fields": (
                    ("notify_url", "return_url"),
                    ("allowed_methods", "payer_ref"),
                    ("metadata", "fee_contract_no"),
                ),
            },
        ),
    )
    more_rights: ClassVar = {
        "acquiring.export_dossier": (Role.SUPPORT, Role.OPERATOR, Role.ACCOUNTANT, Role.RISK)
    }
    actions_detail = ("dossier", "close", "query_channel", "refund", "propose_refund")
    readonly_fields = ("in_short", "state", "money", "refunded", "merchant", "payment", "tries")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Let each row know who is looking at it: how much may go back depends on that."""
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.annotate(viewer=Value(request.user.get_username(), output_field=TextField()))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find the order behind a number of any kind."""
        number = clean_number(search_term)
        if not number:
            return queryset, False
        if number.startswith(f"{numbers.MERCHANT}_"):
            return queryset.filter(merchant_no=number), False
        return queryset.filter(order_no=find_order_no(number=number)), False

    @action(description=_("Dossier"), url_path="to-dossier", icon="folder_open")
    def dossier(self, _request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the whole life in time order, to be read, printed or exported."""
        return HttpResponseRedirect(reverse("admin:dossier", args=[unquote(object_id)]))

    @confirmed_action(
        description=_("Close"),
        permission="acquiring.change_tradeorder",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="close",
        icon="cancel",
        offered=lambda order: order.status in {"INIT", "PAYING"},
        foretell=foretell_close,
        calls_out=True,
    )
    def close(self, *, object_no: str, **_answers: Any) -> str:
        """Close it; a live payment is asked about and closed at its channel first."""
        done = close_order(
            order_no=object_no, merchant_no=None, reason=CloseReason.OPERATOR, cause="operator"
        )
        return (
            say("The order is closed.")
            if done == CloseResult.CLOSED
            else say("The order is closing: the channel has not said yet that nothing was paid.")
        )

    @confirmed_action(
        description=_("Ask the channel now"),
        permission="engine.change_channelattempt",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="query-channel",
        icon="contact_support",
        offered=lambda order: order.status == "PAYING",
        calls_out=True,
    )
    def query_channel(self, *, object_no: str, **_answers: Any) -> str:
        """Ask the channel of the live payment and apply what it says."""
        progress = engine.query_payment_or_order(number=object_no)
        return say("Asked: payment %(no)s is %(status)s.") % {
            "no": progress.payment_no,
            "status": progress.status.value,
        }

    @confirmed_action(
        description=_("Refund"),
        permission="engine.add_refund",
        roles=(Role.SUPPORT, Role.OPERATOR),
        url_path="refund",
        icon="undo",
        form=LoneRefundForm,
        offered=may_refund_alone,
        foretell=foretell_alone,
        waits_for="refund",
    )
    def refund(self, *, object_no: str, operator: Any, amount: int, **_answers: Any) -> str:
        """Refund a small amount at once: what went back already counts toward the limit."""
        refund_no = refund_alone(
            order_no=object_no, amount=amount, operator=operator.get_username()
        )
        return say("Refund %s is accepted and on its way.") % refund_no

    @confirmed_action(
        description=_("Propose a refund"),
        permission="console.propose_refund",
        url_path="propose-refund",
        icon="undo",
        form=RefundForm,
        service_audits=True,
        offered=is_refundable,
        foretell=foretell_proposal,
    )
    def propose_refund(self, *, object_no: str, operator: Any, amount: int, reason: str) -> str:
        """Propose a refund of any size; another operator approves."""
        return submit_proposal(
            kind="refund",
            payload=build_refund_payload(order_no=object_no, amount=amount),
            operator=operator,
            reason=reason,
        )

    @admin.display(description=_("In short"))
    def in_short(self, order: TradeOrder) -> str:
        """Say what became of the money, before all the tables."""
        if "summary" not in order.__dict__:  # the template asks for a field's content several times
            _events, deliveries = _read_notices(order)
            order.__dict__["summary"] = summarize(
                order, _read_file(order), _read_stated(order), deliveries
            )
        return str(order.__dict__["summary"])

    @admin.display(description=_("Merchant"), ordering="merchant_no")
    def merchant(self, order: TradeOrder) -> str:
        """Link the merchant."""
        return link_number(order.merchant_no)

    @admin.display(description=_("Live or latest payment"))
    def payment(self, order: TradeOrder) -> str:
        """Link the payment."""
        return link_number(order.payment_no or "–")

    @admin.display(description=_("Refunded"))
    def refunded(self, order: TradeOrder) -> str:
        """Return what went back, for people."""
        return show_money(order.refunded_amount, order.currency)

    @admin.display(description=_("Failed tries"))
    def tries(self, order: TradeOrder) -> str:
        """Return how many tries failed, of how many there are."""
        return f"{order.failed_tries} / {order.max_tries}"

    def list_proposal_subjects(self, obj: TradeOrder) -> list[str]:
        """Also name the order's late money and cases: what waits about them is about the order's money."""
        file = _read_file(obj)
        late = [late.late_money_no for late in file.late_money]
        cases = [case.case_no for case in file.cases]
        differences = [row.discrepancy_no for row in _read_stated(obj).differences]
        return [obj.order_no, *late, *cases, *differences]

    def build_tables(self, obj: TradeOrder) -> list[PageTable]:
        """Show the whole life: money first, then what the merchant was told, then every move."""
        file = _read_file(obj)
        events, deliveries = _read_notices(obj)
        delivery_nos = [delivery.delivery_no for delivery in deliveries]
        moves = [*list_moves(object_nos=[obj.order_no, *delivery_nos]), *file.moves]
        return [
            *_money_tables(file, _read_stated(obj)),
            build_page_table(_("Events"), events, columns=EVENT_COLUMNS),
            build_page_table(_("Deliveries"), deliveries, columns=DELIVERY_COLUMNS),
            build_page_table(
                _("Tries"), list_tries(delivery_nos=delivery_nos), columns=TRY_COLUMNS
            ),
            build_page_table(
                _("Every move"), sorted(moves, key=lambda move: move.at), columns=MOVE_COLUMNS
            ),
        ]


def _read_file(order: TradeOrder) -> TradeFile:
    """Read the money's side of a shown order once."""
    if "file_read" not in order.__dict__:
        order.__dict__["file_read"] = engine.get_trade_file(order_no=order.order_no)
    file: TradeFile = order.__dict__["file_read"]
    return file


def _read_stated(order: TradeOrder) -> engine.StatedFile:
    """Read once what channels' statements said of a shown order."""
    if "stated_read" not in order.__dict__:
        file = _read_file(order)
        order.__dict__["stated_read"] = engine.get_stated_file(order_no=order.order_no, file=file)
    stated: engine.StatedFile = order.__dict__["stated_read"]
    return stated


def _read_notices(order: TradeOrder) -> tuple[list[MerchantEvent], list[Delivery]]:
    """Read once what the merchant of a shown order was told."""
    if "notices_read" not in order.__dict__:
        events = list_events(object_nos=_heard_of(order, _read_file(order)))
        deliveries = list_deliveries(event_ids=[event.event_id for event in events])
        order.__dict__["notices_read"] = events, deliveries
    read: tuple[list[MerchantEvent], list[Delivery]] = order.__dict__["notices_read"]
    return read


def _heard_of(order: TradeOrder, file: TradeFile) -> list[str]:
    """Return the numbers of everything about which the merchant is told."""
    refunds = [refund.refund_no for refund in file.refunds]
    return [order.order_no, *refunds, *(late.late_money_no for late in file.late_money)]


def _money_tables(file: TradeFile, stated: engine.StatedFile) -> Iterator[PageTable]:
    parts: Sequence[tuple[Any, Sequence[Any]]] = (
        (_("Payments"), file.payments),
        (_("Details"), file.details),
        (_("Attempts"), file.attempts),
        (_("Callbacks"), file.callbacks),
        (_("Refunds"), file.refunds),
        (_("Late money"), file.late_money),
        (_("Chargebacks"), stated.chargebacks),
        (_("Differences"), stated.differences),
        (_("Cases"), file.cases),
    )
    for title, rows in parts:
        if rows:
            yield build_page_table(title, rows, columns=columns_of(type(rows[0])))
    for journal in _journals(file, stated):
        word = say("Journal")
        title = f"{word} {journal.journal_no} · {name_code(journal.event_type)} · {journal.accounting_date}"
        yield build_page_table(
            title, journal.postings, columns=("line_no", "debit", "credit", "amount")
        )


def _journals(file: TradeFile, stated: engine.StatedFile) -> Iterator[JournalView]:
    facts = [("payment_paid", payment.payment_no) for payment in file.payments]
    facts += [("late_money", late.late_money_no) for late in file.late_money]
    facts += [("late_money_honoured", late.late_money_no) for late in file.late_money]
    facts += [
        ("late_money_pulled_back", named)
        for late in file.late_money
        for named in engine.list_pulled_back(late.late_money_no)
    ]
    facts += [(fact, refund.refund_no) for refund in file.refunds for fact in _REFUND_FACTS]
    facts += [("chargeback", row.chargeback_no) for row in stated.chargebacks]
    for event_type, event_id in facts:
        journal = ledger.find_journal(event_type=event_type, event_id=event_id)
        if journal is not None:
            yield journal
