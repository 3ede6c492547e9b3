"""The queue of proposals 复核申请: what waits for a second person, and what became of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth.models import AbstractBaseUser, User
from django.db.models import QuerySet, TextField, Value
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.dataclasses import UnfoldAction

from ledger import api as ledger
from ledger.contracts import AccountKind
from paymentplatform.console.admin.identity_words import name_person
from paymentplatform.console.admin.preview_words import name_effect, show_effect
from paymentplatform.console.models import Proposal, Transition
from paymentplatform.console.proposals.operator_access import OPERATOR_ACCESS
from paymentplatform.console.proposals.table import KINDS
from paymentplatform.console.services.proposals import (
    approve_proposal,
    refuse_proposal,
    withdraw_proposal,
)
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, ReasonForm, confirmed_action
from paymentplatform.kernel.admin_codes import name_code
from paymentplatform.kernel.admin_tables import (
    MOVE_COLUMNS,
    PageTable,
    build_page_table,
    link_number,
    name_column,
    show_money,
)
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.roles import Role

ACCOUNT_TITLES = {
    AccountKind.CHANNEL_RECEIVABLE: _("Channel receivable"),
    AccountKind.BANK: _("Bank"),
    AccountKind.CHANNEL_SHORT: _("Short at channel"),
    AccountKind.PAYER_BALANCE: _("Payer balance"),
    AccountKind.MERCHANT_PENDING: _("Merchant pending"),
    AccountKind.MERCHANT_AVAILABLE: _("Merchant available"),
    AccountKind.PAYOUT_IN_FLIGHT: _("Payout in flight"),
    AccountKind.REFUND_IN_TRANSIT: _("Refund in transit"),
    AccountKind.SUSPENSE: _("Suspense"),
    AccountKind.FEE_INCOME: _("Fee income"),
    AccountKind.CHANNEL_COST: _("Channel cost"),
    AccountKind.RECONCILIATION_LOSS: _("Reconciliation loss"),
    AccountKind.PLATFORM_CAPITAL: _("Platform capital"),
}


class ApprovalForm(ReasonForm):
    """An approval is given for what was on the page: its hash travels with the form."""

    preview_hash = forms.CharField(widget=forms.HiddenInput())

    @classmethod
    def read_initial(cls, obj: Proposal) -> dict[str, Any]:
        """Take the hash of what the page shows."""
        return {"preview_hash": obj.preview_hash}


@admin.register(Proposal)
class ProposalAdmin(ReadOnlyAdmin):
    """Proposals, the newest first; each with the exact journal that approval posts. The menu opens those that wait."""

    number_prefix = numbers.PROPOSAL
    list_display = (
        "proposal_no",
        "state",
        "title",
        "about",
        "total",
        "maker",
        "expires_at",
    )
    list_filter = ("status", "kind")
    indexed_filters = (("status__exact", "OPEN"),)
    search_fields = ("proposal_no",)
    search_help_text = _("A whole proposal number, that of what it is about, or the reference")
    searched = {numbers.PROPOSAL: "proposal_no", "": "reference"} | dict.fromkeys(
        (numbers.PAYER, numbers.ORDER, numbers.MERCHANT, numbers.LATE_MONEY, numbers.CASE),
        "subject_no",
    )
    ordering = ("-proposal_no",)
    fields = (
        ("proposal_no", "state"),
        "next_step",
        ("title", "about"),
        ("reference", "total"),
        ("maker", "created_at"),
        ("reason", "expires_at"),
        ("checker", "decided_at"),
        ("decision_reason", "outcome"),
        "seal",
    )
    readonly_fields = ("state", "next_step", "title", "about", "total", "outcome", "seal")
    actions_detail = ("approve", "refuse", "withdraw")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Let each row know who is looking at it."""
        rows: QuerySet[Any] = super().get_queryset(request)
        viewer = Value(request.user.get_username(), output_field=TextField())
        return rows.annotate(viewer=viewer)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """Offer what this operator can do with this proposal as it stands."""
        offered: list[UnfoldAction] = super().get_actions_detail(request, object_id)
        row = self.get_queryset(request).filter(pk=unquote(str(object_id))).first()
        if row is None or not _is_open(row):
            return []
        mine = row.maker == row.viewer
        if not mine and not request.user.has_perm(f"console.approve_{row.kind}"):
            return []
        return [action for action in offered if action.path.startswith("withdraw") is mine]

    @confirmed_action(
        description=_("Approve and do it"),
        permission="console.approve_proposal",
        roles=(Role.OPERATOR, Role.ACCOUNTANT, Role.RISK, Role.ADMIN),
        url_path="approve",
        icon="check",
        form=ApprovalForm,
        service_audits=True,
    )
    def approve(
        self,
        *,
        object_no: str,
        operator: AbstractBaseUser,
        preview_hash: str,
        reason: str,
    ) -> str:
        """Approve exactly what the page showed."""
        done = transactions.join(approve_proposal)(
            proposal_no=object_no,
            operator=operator.get_username(),
            preview_hash=preview_hash,
            reason=reason,
        )
        return say("Approved and done: %s") % done.proposal.result

    @confirmed_action(
        description=_("Refuse"),
        permission="console.approve_proposal",
        roles=(Role.OPERATOR, Role.ACCOUNTANT, Role.RISK, Role.ADMIN),
        url_path="refuse",
        icon="block",
        service_audits=True,
    )
    def refuse(self, *, object_no: str, operator: AbstractBaseUser, reason: str) -> str:
        """Say no."""
        transactions.join(refuse_proposal)(
            proposal_no=object_no, operator=operator.get_username(), reason=reason
        )
        return say("The proposal is refused; nothing was done.")

    @confirmed_action(
        description=_("Withdraw"),
        permission="console.withdraw_proposal",
        roles=(Role.SUPPORT, Role.OPERATOR, Role.ACCOUNTANT, Role.RISK, Role.ADMIN),
        url_path="withdraw",
        icon="undo",
        service_audits=True,
    )
    def withdraw(self, *, object_no: str, operator: AbstractBaseUser, reason: str) -> str:
        """Take one's own proposal back."""
        transactions.join(withdraw_proposal)(
            proposal_no=object_no, operator=operator.get_username(), reason=reason
        )
        return say("The proposal is withdrawn; nothing was done.")

    @admin.display(description=_("Kind"), ordering="kind")
    def title(self, row: Proposal) -> str:
        """Return what kind of act it is."""
        return str(KINDS[row.kind].title) if row.kind in KINDS else row.kind

    @admin.display(description=_("About"), ordering="subject_no")
    def about(self, row: Proposal) -> str:
        """Link what it is about."""
        return link_number(row.subject_no)

    @admin.display(description=_("Amount"))
    def total(self, row: Proposal) -> str | SafeString:
        """Return what the first posting moves."""
        for posting in _postings(row.preview):
            return show_money(posting["amount"], posting["currency"])
        return "–"

    @admin.display(description=_("What comes next"))
    def next_step(self, row: Any) -> str:
        """Say who has to do something now."""
        if row.status != "OPEN":
            return say("Nothing: it is decided.")
        if not _is_open(row):
            return say("Nothing: its time is over.")
        if row.maker == row.viewer:
            return say("You proposed this: another person must approve.")
        return say(
            "It waits for a second person: check below what it does, then approve or refuse."
        )

    @admin.display(description=_("Result"))
    def outcome(self, row: Proposal) -> str:
        """Link what was made."""
        return link_number(row.result or "–")

    @admin.display(description=_("Hash (SHA-256)"))
    def seal(self, row: Proposal) -> SafeString:
        """Return the hash that approval is bound to."""
        return format_html('<span class="small font-mono text-xs">{}</span>', row.preview_hash)

    def build_confirmation_tables(self, obj: Proposal) -> list[PageTable]:
        """Show once more what will be done."""
        return [*_show_preview(obj), *_show_owner(obj)]

    def build_tables(self, obj: Proposal) -> list[PageTable]:
        """Show what will be or was done, and every move."""
        moves = Transition.objects.filter(object_no=obj.proposal_no).order_by("id")
        return [
            *_show_preview(obj),
            *_show_owner(obj),
            build_page_table(_("Moves"), moves, columns=MOVE_COLUMNS),
        ]


def _is_open(row: Proposal) -> bool:
    return row.status == "OPEN" and row.expires_at > database_now()


def _postings(preview: Mapping[str, Any]) -> list[dict[str, Any]]:
    journal = preview["journal"]
    return journal["postings"] if journal is not None else []


def _show_preview(row: Proposal) -> Iterator[PageTable]:
    journal = row.preview["journal"]
    if journal is not None:
        done = row.status == "APPROVED"
        head = say("The journal that was posted") if done else say("The journal to be posted")
        yield PageTable(
            f"{head}: {name_code(journal['event_type'])} · {journal['event_id']}",
            tuple(name_column(name) for name in ("debit", "credit", "amount")),
            tuple(
                (
                    _show_account(posting["debit"]),
                    _show_account(posting["credit"]),
                    show_money(posting["amount"], posting["currency"]),
                )
                for posting in journal["postings"]
            ),
        )
    effects = row.preview["effects"]
    if effects:
        yield PageTable(
            say("What else it does"),
            (say("What"), say("Value")),
            tuple(
                (name_effect(name), show_effect(name, str(value)))
                for name, value in sorted(effects.items())
            ),
        )


def _show_owner(row: Proposal) -> Iterator[PageTable]:
    """Tell whoever decides on an account's roles whether its owner is known yet; it may change while it waits."""
    if row.kind != OPERATOR_ACCESS.name:
        return
    user = User.objects.select_related("identity").filter(username=row.subject_no).first()
    if user is not None:
        head = (say("Operator"), say("Whose account it is"))
        known = name_person(getattr(user, "identity", None))
        yield PageTable(say("The account as it is now"), head, ((user.username, known),))


def _show_account(code: str) -> SafeString:
    return format_html(
        '{}<br><span class="small font-mono text-xs">{}</span>',
        ACCOUNT_TITLES[ledger.parse_account_code(code).kind],
        code,
    )
