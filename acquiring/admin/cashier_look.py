"""The look of a merchant's cashier, changed by a confirmed act on the merchant's page."""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from acquiring.models import CashierLook, Merchant
from acquiring.services.cashier_looks import set_cashier_look
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import ReasonForm, confirmed_action
from paymentplatform.kernel.audit import audit_trail
from paymentplatform.kernel.roles import Role


class LookForm(ReasonForm):
    """Colour, logo, and who may frame the cashier."""

    colour = forms.CharField(
        label=_("Colour"),
        help_text=_("#rrggbb, behind the order; empty: the platform's. Words on it stay readable."),
        max_length=7,
        required=False,
        widget=UnfoldAdminTextInputWidget(),
    )
    logo = forms.CharField(
        label=_("Logo"),
        help_text=_("A square PNG, JPEG or WebP of at most 12 KiB, as data:image/…;base64,…"),
        max_length=20_000,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    embed_origins = forms.CharField(
        label=_("Origins that may frame the cashier"),
        help_text=_(
            "One scheme://host[:port] on each line, on the cashier's own site; empty: none."
        ),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    field_order = ["colour", "logo", "embed_origins", "reason"]

    @classmethod
    def read_initial(cls, obj: Merchant) -> dict[str, Any]:
        """Show the look as it is."""
        look = CashierLook.objects.filter(merchant_id=obj.merchant_no).first() or CashierLook()
        origins = "\n".join(look.embed_origins)
        return {"colour": look.colour, "logo": look.logo, "embed_origins": origins}


def _read_look(merchant_no: str) -> dict[str, Any]:
    """Return the look as the log keeps it: of a picture only its hash."""
    look = CashierLook.objects.filter(merchant_id=merchant_no).first() or CashierLook()
    logo = hashlib.sha256(look.logo.encode()).hexdigest() if look.logo else ""
    return {"colour": look.colour, "logo_sha256": logo, "embed_origins": look.embed_origins}


class LookOfMerchant:
    """The act, for the merchant's page."""

    @confirmed_action(
        description=_("Change the cashier's look"),
        permission="acquiring.change_merchant",
        roles=(Role.OPERATOR, Role.ADMIN),
        url_path="change-cashier-look",
        icon="palette",
        form=LookForm,
        service_audits=True,
    )
    def change_cashier_look(
        self,
        *,
        object_no: str,
        operator: Any,
        reason: str,
        colour: str,
        logo: str,
        embed_origins: str,
        **_answers: Any,
    ) -> str:
        """Change colour, logo, or who may frame the cashier; the line in the log says what was and what is."""
        before = _read_look(object_no)
        transactions.join(set_cashier_look)(
            merchant_no=object_no,
            colour=colour,
            logo=logo,
            embed_origins=tuple(embed_origins.split()),
        )
        after = _read_look(object_no)
        audit_trail()(
            operator=operator,
            action="change_cashier_look",
            object_no=object_no,
            reason=reason,
            before={name: told for name, told in before.items() if told != after[name]},
            after={name: told for name, told in after.items() if told != before[name]},
        )
        return say("The cashier's look is changed.")
