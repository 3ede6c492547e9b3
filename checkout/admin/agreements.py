"""Agreements for operators: what was asked and answered, what was taken under it, and how it is ended."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from acquiring import api as acquiring
from checkout.agreement_payments import SHOWN_PAYMENTS, list_agreement_payments
from checkout.models import AgreementRequest, PayerAgreement, Transition
from checkout.services.agreements import revoke_agreement
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.admin import ReadOnlyAdmin, confirmed_action
from paymentplatform.kernel.admin_tables import (
    MOVE_COLUMNS,
    PageTable,
    build_page_table,
    link_list,
    link_number,
    show_money,
    show_time,
)
from paymentplatform.kernel.roles import Role

PAYMENT_COLUMNS = ("at", "payment_no", "amount", "status", "cause", "actor")
WAYS = {
    "payer": _("By the payer, with the payment password, on our page"),
    "operator": _("Recorded by an operator: the payer gave it elsewhere"),
    "migration": _("Recorded by an operator: the payer gave it elsewhere"),
}
"""How a consent came, by the cause of the move."""


class LimitsShown(ReadOnlyAdmin):
    """What lists of agreements and of requests for them have in common."""

    @admin.display(description=_("Merchant"))
    def merchant(self, row: Any) -> str:
        """Link the merchant."""
        return link_number(row.merchant_no)

    @admin.display(description=_("Per payment"), ordering="max_per_payment")
    def per_payment(self, row: Any) -> str:
        """Return the limit for people."""
        return show_money(row.max_per_payment, row.currency)

    @admin.display(description=_("Per day"), ordering="max_per_day")
    def per_day(self, row: Any) -> str:
        """Return the limit for people."""
        return show_money(row.max_per_day, row.currency)

    @admin.display(description=_("See also"))
    def see_also(self, row: Any) -> SafeString:
        """Link what operators did with it, its request, and the merchant's other agreements."""
        return format_html(
            '<a class="text-primary-600 dark:text-primary-500" href="{}?q={}">{}</a> · {}',
            *(reverse("admin:console_auditlog_changelist"), row.pk, say("Audit log")),
            *(
                reverse("admin:checkout_agreementrequest_changelist"),
                row.pk,
                say("Agreement requests"),
            ),
            link_list(numbers.AGREEMENT, row.merchant_no, say("All agreements of this merchant")),
        )


@admin.register(PayerAgreement)
class PayerAgreementAdmin(LimitsShown):
    """What payers allow merchants to take."""

    number_prefix = numbers.AGREEMENT
    list_display = (
        "agreement_no",
        "wallet",
        "merchant",
        "per_payment",
        "per_day",
        "revoked_at",
    )
    list_filter = ("currency", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("agreement_no",)
    search_help_text = _("A whole agreement, payer or merchant number")
    searched = {
        numbers.AGREEMENT: "agreement_no",
        numbers.PAYER: "payer_id",
        numbers.MERCHANT: "merchant_no",
    }
    ordering = ("-agreement_no",)
    fields = (
        "agreement_no",
        ("wallet", "merchant"),
        ("per_payment", "per_day"),
        ("spent", "spent_date"),
        ("consented_at", "way"),
        ("subject", "payer_ref"),
        "return_url",
        ("created_at", "revoked_at"),
        "see_also",
    )
    readonly_fields = (
        *("wallet", "merchant", "per_payment", "per_day", "spent"),
        *("consented_at", "way", "subject", "payer_ref", "return_url", "see_also"),
    )
    actions_detail = ("revoke_agreement",)

    @confirmed_action(
        description=_("Revoke"),
        permission="checkout.change_payeragreement",
        roles=(Role.SUPPORT, Role.RISK),
        url_path="revoke",
        icon="block",
    )
    def revoke_agreement(self, *, object_no: str, **_answers: Any) -> str:
        """End the consent at once. Raises AgreementEnded, and leaves no line, when it has ended already."""
        transactions.join(revoke_agreement)(agreement_no=object_no)
        return say("The agreement is revoked.")

    @admin.display(description=_("Payer"))
    def wallet(self, agreement: PayerAgreement) -> str:
        """Link the payer."""
        return link_number(agreement.payer_id)

    @admin.display(description=_("Spent on that day"))
    def spent(self, agreement: PayerAgreement) -> str:
        """Return what was taken on ``spent_date``."""
        return show_money(agreement.spent_amount, agreement.currency)

    @admin.display(description=_("Consented at"))
    def consented_at(self, agreement: PayerAgreement) -> str:
        """Return when the payer agreed."""
        at = self._request_of(agreement).consented_at
        return show_time(at) if at is not None else "–"

    @admin.display(description=_("How"))
    def way(self, agreement: PayerAgreement) -> str:
        """Tell by whom the consent was given or recorded."""
        moves = Transition.objects.filter(object_no=agreement.pk, to_status="ACTIVE")
        cause = moves.values_list("cause", flat=True).first() or ""
        return str(WAYS.get(cause, cause or "–"))

    @admin.display(description=_("Subject"))
    def subject(self, agreement: PayerAgreement) -> str:
        """Return what the merchant asked for."""
        return self._request_of(agreement).subject or "–"

    @admin.display(description=_("The merchant's name for the payer"))
    def payer_ref(self, agreement: PayerAgreement) -> str:
        """Return whom the merchant asked."""
        return self._request_of(agreement).payer_ref or "–"

    @admin.display(description=_("Return address"))
    def return_url(self, agreement: PayerAgreement) -> str:
        """Return where the payer went afterwards."""
        return self._request_of(agreement).return_url or "–"

    def _request_of(self, agreement: PayerAgreement) -> AgreementRequest:
        """Read the request once for a page: every agreement has one of the same number."""
        kept: AgreementRequest | None = getattr(agreement, "shown_request", None)
        if kept is None:
            kept = AgreementRequest.objects.get(agreement_no=agreement.pk)
            agreement.shown_request = kept  # type: ignore[attr-defined]
        return kept

    def build_tables(self, obj: PayerAgreement) -> list[PageTable]:
        """Show what was taken under it, what else was paid to this merchant since, and its moves."""
        under, others = list_agreement_payments(agreement=obj)
        many = {"count": SHOWN_PAYMENTS}
        return [
            build_page_table(
                say("Payments made under it (the last {count})").format(**many),
                under,
                columns=PAYMENT_COLUMNS,
            ),
            build_page_table(
                say(
                    "Other payments from this payer's balance to this merchant since the consent (the last {count})."
                    " cashier: the payer himself, with the payment password; an agreement's number: taken under that"
                    " one; api: taken with an agreement before its number was kept"
                ).format(**many),
                others,
                columns=PAYMENT_COLUMNS,
            ),
            build_moves_table(obj.pk),
        ]

    def build_confirmation_tables(self, obj: PayerAgreement) -> list[PageTable]:
        """Show whose agreement with whom is about to end."""
        names = (
            say("Payer"),
            say("Merchant"),
            say("Per payment"),
            say("Per day"),
            say("Consented at"),
        )
        cells = (
            format_html("{} {}", link_number(obj.payer_id), obj.payer.display_name),
            format_html(
                "{} {}",
                link_number(obj.merchant_no),
                acquiring.get_merchant_name(merchant_no=obj.merchant_no),
            ),
            show_money(obj.max_per_payment, obj.currency),
            show_money(obj.max_per_day, obj.currency),
            self.consented_at(obj),
        )
        return [PageTable(say("The agreement"), names, (cells,))]


def build_moves_table(agreement_no: str) -> PageTable:
    """Return every move of an agreement, oldest first."""
    moves = Transition.objects.filter(object_no=agreement_no).order_by("id")
    columns = tuple(column for column in MOVE_COLUMNS if column != "object_no")
    return build_page_table(_("Moves"), moves, columns=columns)


@admin.register(AgreementRequest)
class AgreementRequestAdmin(LimitsShown):
    """What merchants asked payers to allow, answered or not."""

    list_display = (
        "agreement_no",
        "merchant",
        "state",
        "payer",
        "per_payment",
        "per_day",
        "created_at",
    )
    list_filter = ("status", "currency")
    search_fields = ("agreement_no",)
    search_help_text = _(
        "A whole agreement, payer or merchant number, or the merchant's name for the payer"
    )
    searched = {
        numbers.AGREEMENT: "agreement_no",
        numbers.PAYER: "payer_no",
        numbers.MERCHANT: "merchant_no",
        "": "payer_ref",
    }
    ordering = ("-agreement_no",)
    fields = (
        ("agreement_no", "state"),
        ("payer", "merchant"),
        ("per_payment", "per_day"),
        ("subject", "payer_ref"),
        "return_url",
        ("created_at", "expires_at"),
        ("consented_at", "ended_at"),
        "see_also",
    )
    readonly_fields = ("state", "payer", "merchant", "per_payment", "per_day", "see_also")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AgreementRequest]:
        """Leave out what opens the page and what pays: no operator has use of them."""
        return super().get_queryset(request).defer("page_secret", "sealed_token")

    @admin.display(description=_("Payer"))
    def payer(self, row: AgreementRequest) -> str:
        """Link who agreed."""
        return link_number(row.payer_no) if row.payer_no else "–"

    def build_tables(self, obj: AgreementRequest) -> list[PageTable]:
        """Show the agreement that came of it, if one did, and the moves."""
        made = PayerAgreement.objects.filter(pk=obj.pk)
        columns = ("agreement_no", "max_per_payment", "max_per_day", "revoked_at")
        return [build_page_table(_("Agreement"), made, columns=columns), build_moves_table(obj.pk)]
