"""Proposing that the bank has given a paid payout back, by a confirmed act on the payout's page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextInputWidget

from acquiring.models import Payout, PayoutReturn
from acquiring.services.payout_returns import find_payout_return
from acquiring.services.payouts import MAX_TEXT
from paymentplatform.kernel.admin import ReasonForm, confirmed_action, submit_proposal
from paymentplatform.kernel.admin_tables import PageTable, build_page_table


class ReturnForm(ReasonForm):
    """By what the bank's statement knows the money that is back, and why the bank sent it back."""

    bank_reference = forms.CharField(
        label=_("The reference under which the bank's statement shows the money that is back"),
        max_length=MAX_TEXT,
        widget=UnfoldAdminTextInputWidget(),
    )
    return_code = forms.CharField(
        label=_("Why the bank gave it back, such as its code"),
        max_length=MAX_TEXT,
        widget=UnfoldAdminTextInputWidget(),
    )
    field_order = ["bank_reference", "return_code", "reason"]


def is_returnable(payout: Payout) -> bool:
    """Whether the bank has paid it and has not given it back."""
    return payout.status == "PAID" and find_payout_return(payout_no=payout.pk) is None


def mark_returned(payouts: QuerySet[Any]) -> QuerySet[Any]:
    """Add to payouts whether the bank has given them back, as ``is_given_back``."""
    return payouts.annotate(
        is_given_back=Exists(PayoutReturn.objects.filter(payout_no=OuterRef("payout_no")))
    )


def list_return(payout: Payout) -> list[PageTable]:
    """Show what the bank gave back."""
    found = find_payout_return(payout_no=payout.pk)
    columns = ("created_at", "bank_reference", "return_code", "decided_by")
    title = _("Given back by the bank")
    return [] if found is None else [build_page_table(title, [found], columns=columns)]


class ReturnsOfPayout:
    """The act, for the payout's page."""

    @confirmed_action(
        description=_("Propose its return"),
        permission="console.propose_payout_return",
        url_path="propose-return",
        icon="undo",
        form=ReturnForm,
        service_audits=True,
        offered=is_returnable,
        foretell=lambda _payout: say(
            "All of it is back in our bank account: it becomes the merchant's again, and will be paid out again."
            " Keep his payouts by a hold until his bank account is right."
        ),
    )
    def propose_return(
        self,
        *,
        object_no: str,
        operator: AbstractBaseUser,
        bank_reference: str,
        return_code: str,
        reason: str,
    ) -> str:
        """Propose that the bank has given it back; another person must agree."""
        payload = {
            "payout_no": object_no,
            "bank_reference": bank_reference.strip(),
            "return_code": return_code.strip(),
        }
        return submit_proposal(
            kind="payout_return", payload=payload, operator=operator, reason=reason
        )
