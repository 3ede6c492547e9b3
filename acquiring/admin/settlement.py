"""Settlement for operators: batches with their detail files, payouts and holds by two persons, business days."""

from __future__ import annotations

from typing import Any

import msgspec
from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from acquiring.admin.payout_returning import ReturnsOfPayout, list_return, mark_returned
from acquiring.dossier import list_moves
from acquiring.fee_terms import decode_terms
from acquiring.models import FeeContract, Payout, SettlementBatch, SettlementHold, SettlementItem
from acquiring.services.payouts import MAX_TEXT
from acquiring.settlement_books import write_batch_details
from ledger import api as ledger
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import (
    ReadOnlyAdmin,
    ReasonForm,
    confirmed_action,
    submit_proposal,
)
from paymentplatform.kernel.admin_codes import name_code
from paymentplatform.kernel.admin_lists import UnendedFilter
from paymentplatform.kernel.admin_tables import (
    MOVE_COLUMNS,
    PageTable,
    build_page_table,
    link_number,
    show_money,
)
from paymentplatform.kernel.errors import NotFound

_SHOWN_ITEMS = 100
_ITEM_COLUMNS = (
    "kind",
    "accounting_date",
    "order_no",
    "amount",
    "fee_amount",
    "refunded_amount",
    "released_amount",
)
_PAYOUT_FACTS = ("payout_sent", "payout_confirmed", "payout_failed", "payout_returned")


class ResultForm(ReasonForm):
    """What the bank said: its reference when it paid, or why it definitely did not."""

    bank_reference = forms.CharField(
        label=_("The bank's reference, when it has paid"),
        required=False,
        max_length=MAX_TEXT,
        widget=UnfoldAdminTextInputWidget(),
    )
    failure_code = forms.CharField(
        label=_("Why it was not paid, when the bank says so for certain"),
        required=False,
        max_length=MAX_TEXT,
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order = ["bank_reference", "failure_code", "reason"]


def _moves_of(object_no: str) -> PageTable:
    return build_page_table(_("Moves"), list_moves(object_nos=[object_no]), columns=MOVE_COLUMNS)


class _OfMerchant(ReadOnlyAdmin):
    """What every page here shows alike."""

    @admin.display(description=_("Merchant"), ordering="merchant_no")
    def merchant(self, obj: Any) -> str:
        """Link the merchant."""
        return link_number(obj.merchant_no)


@admin.register(SettlementBatch)
class SettlementBatchAdmin(_OfMerchant):
    """What became available, batch by batch."""

    number_prefix = numbers.SETTLEMENT_BATCH
    list_display = (
        "batch_no",
        "settlement_date",
        "merchant",
        "state",
        "item_count",
        "net",
        "closed_at",
    )
    list_filter = ("status", "currency", "settlement_date")
    search_fields = ("batch_no",)
    search_help_text = _("A whole batch or merchant number")
    searched = {numbers.SETTLEMENT_BATCH: "batch_no", numbers.MERCHANT: "merchant_no"}
    ordering = ("-batch_no",)
    fields = (
        ("batch_no", "state"),
        ("merchant", "settlement_date"),
        ("item_count", "part_count"),
        ("gross", "fee"),
        ("refunded", "returned_fee"),
        ("net", "details"),
        ("created_at", "closed_at"),
    )
    readonly_fields = (
        "state",
        "merchant",
        "gross",
        "fee",
        "refunded",
        "returned_fee",
        "net",
        "details",
    )

    def get_urls(self) -> list[URLPattern]:
        """Add the way to the detail file."""
        own = path(
            "<path:object_id>/details.csv",
            self.admin_site.admin_view(self.download_details),
            name="acquiring_settlementbatch_details",
        )
        return [own, *super().get_urls()]

    def download_details(self, request: HttpRequest, object_id: str) -> StreamingHttpResponse:
        """Send the detail file of a closed batch while it is written."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            pieces = write_batch_details(batch_no=object_id)
        except NotFound as error:
            raise Http404 from error
        return StreamingHttpResponse(
            pieces,
            content_type="text/csv; charset=utf-8; header=present",
            headers={"Content-Disposition": f'attachment; filename="settlement-{object_id}.csv"'},
        )

    @admin.display(description=_("Detail file"))
    def details(self, batch: SettlementBatch) -> SafeString | str:
        """Link the file once there is one."""
        if batch.status != "CLOSED":
            return say("when the batch is closed")
        url = reverse(f"{self.admin_site.name}:acquiring_settlementbatch_details", args=[batch.pk])
        return format_html('<a href="{}" class="text-primary-600">{}</a>', url, say("Download"))

    @admin.display(description=_("Gross"))
    def gross(self, batch: SettlementBatch) -> str:
        """Return what was paid, for people."""
        return show_money(batch.gross_amount, batch.currency)

    @admin.display(description=_("Fee"))
    def fee(self, batch: SettlementBatch) -> str:
        """Return the fees, for people."""
        return show_money(batch.fee_amount, batch.currency)

    @admin.display(description=_("Refunded before"))
    def refunded(self, batch: SettlementBatch) -> str:
        """Return what refunds took before the release, for people."""
        return show_money(batch.refunded_amount, batch.currency)

    @admin.display(description=_("Fee returned"))
    def returned_fee(self, batch: SettlementBatch) -> str:
        """Return the fees that came back with them, for people."""
        return show_money(batch.returned_fee_amount, batch.currency)

    @admin.display(description=_("Released"), ordering="net_amount")
    def net(self, batch: SettlementBatch) -> str:
        """Return what became available, for people."""
        return show_money(batch.net_amount, batch.currency)

    def build_tables(self, obj: SettlementBatch) -> list[PageTable]:
        """Show the first items (the file has them all) and the moves."""
        items = SettlementItem.objects.filter(batch_no=obj.pk).order_by("journal_no")
        return [
            build_page_table(
                _("The first items"), list(items[:_SHOWN_ITEMS]), columns=_ITEM_COLUMNS
            ),
            _moves_of(obj.pk),
        ]


class UnendedPayoutFilter(UnendedFilter):
    """Payouts under way."""

    ended_column = "ended_at"


@admin.register(Payout)
class PayoutAdmin(ReturnsOfPayout, _OfMerchant):
    """Transfers to merchants' bank accounts."""

    number_prefix = numbers.PAYOUT
    list_display = (
        "payout_no",
        "merchant",
        "state",
        "came_back",
        "money",
        "created_at",
        "sent_at",
        "ended_at",
    )
    list_filter = ("status", UnendedPayoutFilter, "currency", "created_at")
    search_fields = ("payout_no",)
    search_help_text = _("A whole payout or merchant number, or the bank's reference")
    searched = {
        numbers.PAYOUT: "payout_no",
        numbers.MERCHANT: "merchant_no",
        "": "bank_reference",
    }
    ordering = ("-payout_no",)
    fields = (
        ("payout_no", "state"),
        "came_back",
        ("merchant", "money"),
        ("bank_reference", "failure_code"),
        ("created_at", "sent_at"),
        "ended_at",
    )
    readonly_fields = ("state", "came_back", "merchant", "money")
    actions_detail = ("propose_sending", "propose_result", "propose_return")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Ask in the same query what came back."""
        return mark_returned(super().get_queryset(request))

    @admin.display(description=_("Given back by the bank"))
    def came_back(self, payout: Any) -> str:
        """Tell whether the bank has given back what it had paid."""
        return say("yes") if payout.is_given_back else "–"

    @confirmed_action(
        description=_("Propose to send it"),
        permission="console.propose_payout_sending",
        url_path="propose-sending",
        icon="approval",
        service_audits=True,
        offered=lambda payout: payout.status == "CREATED",
        foretell=lambda _payout: say(
            "When another person approves, the money is in flight: then give the order to the bank, under"
            " the payout's number."
        ),
    )
    def propose_sending(self, *, object_no: str, operator: AbstractBaseUser, reason: str) -> str:
        """Propose to send it; another person must agree."""
        return submit_proposal(
            kind="payout_sending",
            payload={"payout_no": object_no},
            operator=operator,
            reason=reason,
        )

    @confirmed_action(
        description=_("Record what the bank said"),
        permission="console.propose_payout_result",
        url_path="propose-result",
        icon="account_balance",
        form=ResultForm,
        service_audits=True,
        offered=lambda payout: payout.status == "SENT",
        foretell=lambda _payout: say(
            "Record a failure only when the bank is certain: the money will be paid out again."
        ),
    )
    def propose_result(
        self,
        *,
        object_no: str,
        operator: AbstractBaseUser,
        bank_reference: str,
        failure_code: str,
        reason: str,
    ) -> str:
        """Propose what became of it; another person must agree."""
        payload = {
            "payout_no": object_no,
            "bank_reference": bank_reference,
            "failure_code": failure_code,
        }
        return submit_proposal(
            kind="payout_result", payload=payload, operator=operator, reason=reason
        )

    def build_tables(self, obj: Payout) -> list[PageTable]:
        """Show what came back, what was booked, and the moves."""
        tables = list_return(obj)
        for fact in _PAYOUT_FACTS:
            journal = ledger.find_journal(event_type=fact, event_id=obj.pk)
            if journal is not None:
                title = f"{say('Journal')} {journal.journal_no} · {name_code(fact)} · {journal.accounting_date}"
                columns = ("line_no", "debit", "credit", "amount")
                tables.append(build_page_table(title, journal.postings, columns=columns))
        return [*tables, _moves_of(obj.pk)]


@admin.register(SettlementHold)
class SettlementHoldAdmin(_OfMerchant):
    """Money that must not leave for now."""

    number_prefix = numbers.SETTLEMENT_HOLD
    list_display = ("hold_no", "merchant", "order", "state", "reason", "placed_by", "created_at")
    list_filter = ("status", "created_at")
    search_fields = ("hold_no",)
    search_help_text = _("A whole hold, merchant or order number")
    searched = {
        numbers.SETTLEMENT_HOLD: "hold_no",
        numbers.MERCHANT: "merchant_no",
        numbers.ORDER: "order_no",
    }
    ordering = ("-hold_no",)
    fields = (
        ("hold_no", "state"),
        ("merchant", "order"),
        ("reason", "placed_by"),
        ("lifted_by", "lifted_reason"),
        ("created_at", "lifted_at"),
    )
    readonly_fields = ("state", "merchant", "order")
    actions_detail = ("propose_lifting",)

    @admin.display(description=_("Order"))
    def order(self, hold: SettlementHold) -> str:
        """Link the order; a hold without one is of the whole merchant."""
        return link_number(hold.order_no) if hold.order_no else say("all of them")

    @confirmed_action(
        description=_("Propose to lift it"),
        permission="console.propose_settlement_hold_lifting",
        url_path="propose-lifting",
        icon="lock_open",
        service_audits=True,
        offered=lambda hold: hold.status == "ACTIVE",
    )
    def propose_lifting(self, *, object_no: str, operator: AbstractBaseUser, reason: str) -> str:
        """Propose its end; another person must agree."""
        return submit_proposal(
            kind="settlement_hold_lifting",
            payload={"hold_no": object_no},
            operator=operator,
            reason=reason,
        )

    def build_tables(self, obj: SettlementHold) -> list[PageTable]:
        """Show the moves."""
        return [_moves_of(obj.pk)]


@admin.register(FeeContract)
class FeeContractAdmin(ReadOnlyAdmin):
    """What merchants pay, and when they are paid; two persons make a new one."""

    number_prefix = numbers.FEE_CONTRACT
    list_display = ("contract_no", "owner", "rate_ppm", "settlement_days", "valid_from")
    list_filter = ("valid_from",)
    search_fields = ("contract_no",)
    search_help_text = _("A whole contract or merchant number")
    searched = {numbers.FEE_CONTRACT: "contract_no", numbers.MERCHANT: "merchant_id"}
    ordering = ("-contract_no",)
    fields = (
        ("contract_no", "owner"),
        ("rate_ppm", "returned_on_refund"),
        ("settlement_days", "valid_from"),
        "created_at",
    )
    readonly_fields = ("owner",)

    @admin.display(description=_("Merchant"), ordering="merchant_id")
    def owner(self, contract: FeeContract) -> str:
        """Link the merchant."""
        return link_number(contract.merchant_id)

    def build_tables(self, obj: FeeContract) -> list[PageTable]:
        """Show the terms, one line each; the rate above holds for all else."""
        terms = decode_terms(msgspec.json.encode(obj.terms) if obj.terms else None)
        columns = ("method", "currency", "rate_ppm", "minimum", "maximum")
        return [build_page_table(_("Terms"), terms, columns=columns)] if terms else []
