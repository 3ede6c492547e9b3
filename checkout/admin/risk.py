"""Risk for operators: rules and lists, changed with a reason; every decision; and the queue of reviews."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from checkout.admin.risk_forms import EntryForm, RuleForm
from checkout.models import RiskDecision, RiskListEntry, RiskReview, RiskRule, Transition
from checkout.risk.deciding import RiskOutcome
from checkout.services.risk_reviews import approve_review, reject_review
from checkout.services.risk_rules import change_rule, create_rule, list_subject, unlist_subject
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, confirmed_action
from paymentplatform.kernel.admin_adding import confirmed_addition
from paymentplatform.kernel.admin_tables import (
    MOVE_COLUMNS,
    PageTable,
    build_page_table,
    link_number,
    name_column,
    show_status,
)
from paymentplatform.kernel.roles import Role

KEEPERS = (Role.RISK,)
SHOWN_DECISIONS = 20


def _is_waiting(review: RiskReview) -> bool:
    return review.status == "PENDING" and review.expires_at > timezone.now()


@admin.register(RiskRule)
class RiskRuleAdmin(ReadOnlyAdmin):
    """Rules of risk."""

    number_prefix = numbers.RISK_RULE
    list_display = ("rule_no", "name", "does", "stands", "revision", "changed_at")
    list_filter = ("action", "mode")
    search_fields = ("rule_no",)
    search_help_text = _("A whole rule number, or a part of the name")
    searched = {numbers.RISK_RULE: "rule_no", "": "name__icontains"}
    ordering = ("-rule_no",)
    fields = (
        ("rule_no", "name"),
        ("does", "stands"),
        "when",
        ("revision", "changed_at"),
        "created_at",
    )
    readonly_fields = ("does", "stands", "when")
    actions_list = ("create_rule", "export")
    actions_detail = ("change_rule",)
    more_rights = {"checkout.add_riskrule": KEEPERS}

    @confirmed_addition(
        description=_("New rule"),
        permission="checkout.add_riskrule",
        url_path="new",
        form=RuleForm,
    )
    def create_rule(self, *, name: str, action: str, mode: str, conditions: str) -> str:
        """Make a rule."""
        return transactions.join(create_rule)(
            name=name, action=action, mode=mode, conditions=conditions
        )

    @confirmed_action(
        description=_("Change"),
        permission="checkout.change_riskrule",
        url_path="change-rule",
        icon="edit",
        form=RuleForm,
        roles=KEEPERS,
        foretell=lambda _rule: say("It counts from the next payment on."),
    )
    def change_rule(
        self, *, object_no: str, name: str, action: str, mode: str, conditions: str, **_answers: Any
    ) -> str:
        """Change a rule; switching it off is a change of mode."""
        transactions.join(change_rule)(
            rule_no=object_no, name=name, action=action, mode=mode, conditions=conditions
        )
        return say("The rule is changed.")

    @admin.display(description=_("What it does"), ordering="action")
    def does(self, rule: RiskRule) -> SafeString:
        """Return the class, coloured."""
        return show_status(rule.action)

    @admin.display(description=_("Mode"), ordering="mode")
    def stands(self, rule: RiskRule) -> SafeString:
        """Return the mode, coloured."""
        return show_status(rule.mode)

    @admin.display(description=_("Conditions"))
    def when(self, rule: RiskRule) -> SafeString:
        """Return the conditions as they are written."""
        return show_document(rule.conditions)


@admin.register(RiskListEntry)
class RiskListEntryAdmin(ReadOnlyAdmin):
    """Who stands on which list."""

    number_prefix = numbers.RISK_ENTRY
    list_display = ("entry_no", "list_name", "subject", "value", "expires_at", "removed_at")
    list_filter = ("list_name", "subject", ("removed_at", admin.EmptyFieldListFilter))
    search_fields = ("value",)
    search_help_text = _("A whole value, or the number of an entry")
    searched = {numbers.RISK_ENTRY: "entry_no", "": "value"} | dict.fromkeys(
        (numbers.PAYER, numbers.MERCHANT, numbers.CARD), "value"
    )
    ordering = ("-entry_no",)
    fields = (
        ("entry_no", "list_name"),
        ("subject", "value"),
        ("created_at", "expires_at"),
        "removed_at",
    )
    actions_list = ("list_subject", "export")
    actions_detail = ("unlist_subject",)
    more_rights = {"checkout.add_risklistentry": KEEPERS}

    @confirmed_addition(
        description=_("Put on a list"),
        permission="checkout.add_risklistentry",
        url_path="new",
        form=EntryForm,
    )
    def list_subject(self, *, list_name: str, subject: str, value: str, expires_at: Any) -> str:
        """Put somebody on a list."""
        return transactions.join(list_subject)(
            list_name=list_name, subject=subject, value=value, expires_at=expires_at
        )

    @confirmed_action(
        description=_("Take off"),
        permission="checkout.change_risklistentry",
        url_path="remove",
        icon="remove",
        roles=KEEPERS,
        offered=lambda entry: entry.removed_at is None,
    )
    def unlist_subject(self, *, object_no: str, **_answers: Any) -> str:
        """Take the entry off its list."""
        transactions.join(unlist_subject)(entry_no=object_no)
        return say("The entry no longer counts.")


class OfOrder(ReadOnlyAdmin):
    """What rows about an order have in common."""

    @admin.display(description=_("Order"))
    def order(self, row: Any) -> str:
        """Link the order."""
        return link_number(row.order_no)


@admin.register(RiskDecision)
class RiskDecisionAdmin(OfOrder):
    """Every wish to pay, as it was judged."""

    list_display = ("id", "at", "order", "payment", "result", "reason")
    list_filter = ("outcome",)
    indexed_filters = tuple(("outcome__exact", one) for one in RiskOutcome if one != "ALLOW")
    search_fields = ("order_no",)
    search_help_text = _("A whole order number")
    searched = {numbers.ORDER: "order_no"}
    ordering = ("-id",)
    fields = (
        ("id", "at"),
        ("order", "payment"),
        ("result", "decided_by_rule"),
        "known",
        "rules_version",
    )
    readonly_fields = ("order", "payment", "result", "decided_by_rule", "known")

    @admin.display(description=_("Payment"))
    def payment(self, row: RiskDecision) -> str:
        """Link the payment that was started."""
        return link_number(row.payment_no) if row.payment_no else "–"

    @admin.display(description=_("Outcome"), ordering="outcome")
    def result(self, row: RiskDecision) -> SafeString:
        """Return the outcome, coloured."""
        return show_status(row.outcome)

    @admin.display(description=_("What decided"))
    def decided_by_rule(self, row: RiskDecision) -> str:
        """Link the rule or review that decided."""
        return link_number(row.reason) if row.reason else say("nothing found")

    @admin.display(description=_("Facts"))
    def known(self, row: RiskDecision) -> SafeString:
        """Return all that was known."""
        return show_document(row.facts)

    def build_tables(self, obj: RiskDecision) -> list[PageTable]:
        """Show the rules whose conditions held, those in shadow too."""
        cells = tuple(
            (
                link_number(rule_no),
                revision,
                show_status(mode),
                say("yes") if is_known else say("its count was not known"),
            )
            for rule_no, revision, mode, is_known in obj.fired
        )
        names = tuple(map(name_column, ("rule_no", "revision", "mode", "holds")))
        return [PageTable(say("Rules that held"), names, cells)]


@admin.register(RiskReview)
class RiskReviewAdmin(OfOrder):
    """Wishes that wait for a person. Nothing is charged meanwhile."""

    number_prefix = numbers.RISK_REVIEW
    list_display = ("review_no", "state", "money", "method", "order", "expires_at")
    list_filter = ("status", "method", "currency")
    search_fields = ("review_no",)
    search_help_text = _("A whole review, order or merchant number")
    searched = {
        numbers.RISK_REVIEW: "review_no",
        numbers.ORDER: "order_no",
        numbers.MERCHANT: "merchant_no",
    }
    ordering = ("-review_no",)
    fields = (
        ("review_no", "state"),
        ("order", "merchant"),
        ("money", "method"),
        "rule",
        ("created_at", "expires_at"),
        "ended_at",
    )
    readonly_fields = ("order", "merchant", "state", "money", "rule")
    actions_detail = ("approve_review", "reject_review")

    @confirmed_action(
        description=_("Approve"),
        permission="checkout.change_riskreview",
        url_path="approve",
        icon="check",
        roles=KEEPERS,
        foretell=lambda _review: say(
            "Nothing is charged by this: the payer or the merchant repeats the payment while the order lives."
        ),
        offered=_is_waiting,
    )
    def approve_review(self, *, object_no: str, **_answers: Any) -> str:
        """Let this wish pass the review rules."""
        transactions.join(approve_review)(review_no=object_no)
        return say("The wish is approved.")

    @confirmed_action(
        description=_("Reject"),
        permission="checkout.change_riskreview",
        url_path="reject",
        icon="block",
        roles=KEEPERS,
        offered=_is_waiting,
    )
    def reject_review(self, *, object_no: str, **_answers: Any) -> str:
        """Refuse this wish for good."""
        transactions.join(reject_review)(review_no=object_no)
        return say("The wish is rejected.")

    @admin.display(description=_("Merchant"))
    def merchant(self, review: RiskReview) -> str:
        """Link the merchant."""
        return link_number(review.merchant_no)

    @admin.display(description=_("What decided"))
    def rule(self, review: RiskReview) -> str:
        """Link the rule that asked for it."""
        return link_number(review.rule_no)

    def build_confirmation_tables(self, obj: RiskReview) -> list[PageTable]:
        """Show, before the decision, how the order's wishes were judged."""
        return self.build_tables(obj)[:1]

    def build_tables(self, obj: RiskReview) -> list[PageTable]:
        """Show how the order's wishes were judged, and the moves."""
        judged = RiskDecision.objects.filter(order_no=obj.order_no).order_by("-id")
        moves = Transition.objects.filter(object_no=obj.review_no).order_by("id")
        return [
            PageTable(
                say("Decisions"),
                tuple(map(name_column, ("at", "outcome", "payer_no", "ip", "card_no"))),
                tuple(_show_judged(row) for row in judged[:SHOWN_DECISIONS]),
            ),
            build_page_table(
                _("Moves"), moves, columns=[name for name in MOVE_COLUMNS if name != "object_no"]
            ),
        ]


def show_document(document: Any) -> SafeString:
    """Write a JSON document for reading."""
    text = json.dumps(document, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html('<pre class="whitespace-pre-wrap font-mono text-xs">{}</pre>', text)


def _show_judged(row: RiskDecision) -> tuple[Any, ...]:
    facts = row.facts
    payer = link_number(facts["payer"]) if facts.get("payer") else "–"
    return (
        timezone.localtime(row.at).strftime("%Y-%m-%d %H:%M:%S"),
        show_status(row.outcome),
        payer,
        facts.get("ip", "–"),
        facts.get("card", "–"),
    )
