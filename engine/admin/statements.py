"""Statements and differences for operators: what channels' files said, and how two people end what differs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.models import AbstractBaseUser
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from engine.admin.history import POSTINGS, MovesAdmin
from engine.models import Discrepancy, Statement
from engine.services.chargebacks import lock_pulled_back
from engine.services.discrepancies import list_resolutions
from engine.statement_contracts import BY_PEOPLE, Resolution
from engine.statement_selectors import list_newest_discrepancies
from ledger import api as ledger
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import (
    ReadOnlyAdmin,
    ReasonForm,
    confirmed_action,
    submit_proposal,
)
from paymentplatform.kernel.admin_codes import RESOLUTIONS, name_code, name_resolution, show_code
from paymentplatform.kernel.admin_lists import UnendedFilter
from paymentplatform.kernel.admin_tables import (
    PageTable,
    build_page_table,
    link_number,
    show_money,
)
from paymentplatform.kernel.money import format_amount

_WORDS = {code: RESOLUTIONS[code.value] for code in Resolution if code in BY_PEOPLE}
_COLUMNS = ("discrepancy_no", "kind", "match_key", "channel_amount", "our_amount", "status")
_TOTALS = ("line_kind", "lines", "amount", "fee_amount")
_FACTS = (
    "channel_long",
    "channel_short",
    "channel_long_withdrawn",
    "channel_long_credited",
    "channel_loss_recovered",
    "channel_short_recovered",
    "channel_short_charged",
    "channel_short_written_off",
)


class ResolutionForm(ReasonForm):
    """Why it ends, and what is booked with it: only reasons that fit the difference as it stands."""

    resolution = forms.ChoiceField(
        label=_("Resolution"),
        choices=[(code.value, words) for code, words in _WORDS.items()],
        widget=UnfoldAdminSelectWidget(),
    )
    field_order = ["resolution", "reason"]

    def __init__(self, data: Any = None, *, initial: dict[str, Any], **options: Any) -> None:
        super().__init__(data, initial=initial, **options)
        fitting = initial["fitting"]
        choices = [(code.value, words) for code, words in _WORDS.items() if code in fitting]
        self.fields["resolution"].choices = choices  # type: ignore[attr-defined]

    @classmethod
    def read_initial(cls, obj: Any) -> dict[str, Any]:
        """Offer what fits, the first of it chosen."""
        fitting = list_resolutions(obj)
        return {"resolution": fitting[0].value, "fitting": fitting}


def tell_difference(row: Discrepancy) -> str:
    """Say, above the choice, what waits where, and what a chargeback that its file has lost asks of people."""
    money = f"{format_amount(abs(row.difference), row.currency)} {row.currency}"
    if row.posted_at is None:
        said = say("Nothing of it is booked.")
    elif row.difference > 0:
        said = say("The channel has %s more than our books: it waits in suspense (L90).") % money
    else:
        said = say("The channel has %s less than our books: it waits as short (A90).") % money
    if (row.kind, row.line_kind) == ("PLATFORM_ONLY", "CHARGEBACK"):
        said += " " + say(
            "A corrected file has lost this chargeback: ask the channel. If it has taken it back, give it to who"
            " bore it; if it stands, the money is the channel's."
        )
    return said


@admin.register(Discrepancy)
class DiscrepancyAdmin(MovesAdmin):
    """What a channel's statement and our books disagree about."""

    number_prefix = numbers.DISCREPANCY
    list_display = (
        "discrepancy_no",
        "state",
        "what",
        "channel_code",
        "statement_date",
        "line_kind",
        "at_stake",
        "about",
        "how_it_ended",
    )
    list_filter = ("status", UnendedFilter, "kind", "channel_code")
    indexed_filters = ((UnendedFilter.parameter_name, "yes"),)
    implied: ClassVar = {key: {"resolved_at__isnull": True} for key in ("OPEN", "PROPOSED")}
    search_fields = ("discrepancy_no",)
    search_help_text = _("A whole number: of the difference, ours, or the channel's")
    searched = {
        numbers.DISCREPANCY: "discrepancy_no",
        numbers.STATEMENT: "statement_no",
        numbers.REFUND: "match_key",
        "": "match_key",
    }
    ordering = ("-discrepancy_no",)
    fields = (
        ("discrepancy_no", "state"),
        ("what", "line_kind"),
        ("channel_code", "statement_date"),
        ("statement", "line_no"),
        ("match_key", "about"),
        ("channel_says", "we_say"),
        ("at_stake", "posted_at"),
        ("merchant", "our_status"),
        ("how_it_ended", "resolved_by"),
        ("created_at", "resolved_at"),
    )
    readonly_fields = (
        "state",
        "what",
        "how_it_ended",
        "at_stake",
        "about",
        "statement",
        "merchant",
        "channel_says",
        "we_say",
    )
    actions_detail = ("propose_resolution",)

    @confirmed_action(
        description=_("Propose a resolution"),
        permission="console.propose_discrepancy_resolution",
        url_path="propose-resolution",
        icon="approval",
        form=ResolutionForm,
        service_audits=True,
        offered=lambda row: row.status == "OPEN",
        foretell=tell_difference,
    )
    def propose_resolution(
        self, *, object_no: str, operator: AbstractBaseUser, resolution: str, reason: str
    ) -> str:
        """Propose how it ends; another person must agree to the very journal."""
        return submit_proposal(
            kind="discrepancy_resolution",
            payload={"discrepancy_no": object_no, "resolution": resolution},
            operator=operator,
            reason=reason,
        )

    def lock_before(self, obj: Discrepancy) -> None:
        """Lock the order of a chargeback first, as its resolution does."""
        lock_pulled_back(obj)

    @admin.display(description=_("Kind"), ordering="kind")
    def what(self, row: Discrepancy) -> str:
        """Say how the two sides disagree."""
        return show_code(row.kind)

    @admin.display(description=_("Resolution"))
    def how_it_ended(self, row: Discrepancy) -> str:
        """Say why it has ended."""
        return name_resolution(row.resolution or "–")

    @admin.display(description=_("Channel less ours"))
    def at_stake(self, row: Discrepancy) -> SafeString:
        """Return what the channel's book has more than ours."""
        return show_money(row.difference, row.currency)

    @admin.display(description=_("The channel says"))
    def channel_says(self, row: Discrepancy) -> str | SafeString:
        """Return the line's amount."""
        if row.channel_amount is None or row.channel_currency is None:
            return "–"
        return show_money(row.channel_amount, row.channel_currency)

    @admin.display(description=_("We say"))
    def we_say(self, row: Discrepancy) -> str | SafeString:
        """Return what we have booked."""
        if row.our_amount is None or row.our_currency is None:
            return "–"
        return show_money(row.our_amount, row.our_currency)

    @admin.display(description=_("About"))
    def about(self, row: Discrepancy) -> str:
        """Link what it is about."""
        return link_number(row.object_no or row.match_key)

    @admin.display(description=_("Statement"))
    def statement(self, row: Discrepancy) -> str:
        """Link the file it was found in."""
        return link_number(row.statement_no)

    @admin.display(description=_("Merchant"))
    def merchant(self, row: Discrepancy) -> str:
        """Link the merchant."""
        return link_number(row.merchant_no or "–")

    def build_tables(self, obj: Discrepancy) -> list[PageTable]:
        """Show what was booked for it, and its moves."""
        tables = []
        for event_type in _FACTS:
            journal = ledger.find_journal(event_type=event_type, event_id=obj.pk)
            if journal is not None:
                word = say("Journal")
                title = f"{word} {journal.journal_no} · {name_code(event_type)}"
                tables.append(build_page_table(title, journal.postings, columns=POSTINGS))
        return [*tables, *super().build_tables(obj)]


@admin.register(Statement)
class StatementAdmin(ReadOnlyAdmin):
    """Institutions' files as they were read."""

    number_prefix = numbers.STATEMENT
    list_display = (
        "statement_no",
        "channel_code",
        "statement_date",
        "version",
        "brought_by",
        "line_count",
        "found",
        "reconciled_at",
        "superseded_at",
    )
    list_filter = ("channel_code", "source", "statement_date")
    search_fields = ("statement_no",)
    search_help_text = _("A whole statement number")
    searched = {numbers.STATEMENT: "statement_no"}
    ordering = ("-statement_date", "-statement_no")
    fields = (
        ("statement_no", "version"),
        ("channel_code", "account"),
        ("statement_date", "layout"),
        ("brought_by", "fingerprint"),
        ("line_count", "found"),
        ("imported_at", "superseded_at"),
        ("reconciled_at", "run_count"),
    )
    readonly_fields = ("found", "brought_by", "fingerprint")

    @admin.display(description=_("SHA-256"))
    def fingerprint(self, row: Statement) -> SafeString:
        """Return the file's hash, broken where the page is narrow."""
        return format_html('<span class="font-mono text-xs break-all">{}</span>', row.sha256)

    @admin.display(description=_("Source"), ordering="source")
    def brought_by(self, row: Statement) -> str:
        """Return who brought the file."""
        return str(row.source)

    @admin.display(description=_("Differences"))
    def found(self, row: Statement) -> str:
        """Return what the latest reconciliation found."""
        if row.summary is None:
            return "–"
        kinds = row.summary["differences"]
        return ", ".join(
            f"{name_code(kind)} {entry['count']}" for kind, entry in kinds.items()
        ) or say("none")

    def build_tables(self, obj: Statement) -> list[PageTable]:
        """Show the newest differences found in it."""
        rows = list_newest_discrepancies(statement_no=obj.pk)
        totals = [
            SimpleNamespace(
                currency=currency, line_kind=kind, lines=total["count"], **_amounts(total)
            )
            for currency, kinds in obj.totals.items()
            for kind, total in kinds.items()
        ]
        return [
            build_page_table(_("Totals"), totals, columns=_TOTALS),
            build_page_table(_("Differences"), rows, columns=_COLUMNS),
        ]


def _amounts(total: dict[str, int]) -> dict[str, int]:
    return {"amount": total["amount"], "fee_amount": total["fee"]}
