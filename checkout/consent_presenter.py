"""What the payer reads on the consent page: contracts in, primitives for templates out. No query, no request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, pgettext

from checkout.agreement_contracts import AgreementStatus, ConsentPage, LiveAgreement
from checkout.presenters import format_time_left, is_web_address
from paymentplatform.kernel.money import format_amount

_ENDS: Final = {
    AgreementStatus.ACTIVE: (
        "paid",
        gettext_noop("Agreement made"),
        gettext_noop(
            "The shop is informed automatically. It may now take payments from your balance, within the limits."
        ),
    ),
    AgreementStatus.DECLINED: (
        "closed",
        gettext_noop("You declined"),
        gettext_noop("Nothing has changed: the shop cannot take anything under this agreement."),
    ),
    AgreementStatus.EXPIRED: (
        "expired",
        gettext_noop("The time to answer has run out"),
        gettext_noop("Nothing was agreed. If you still want to, start again at the shop."),
    ),
    AgreementStatus.REVOKED: (
        "closed",
        gettext_noop("The agreement has ended"),
        gettext_noop("The shop cannot take anything under this agreement any more."),
    ),
}
"""Ended as: mark, title, words."""

_WITHDRAWN: Final = (
    "closed",
    gettext_noop("Request withdrawn"),
    gettext_noop("The shop has withdrawn its request. Nothing was agreed."),
)


@dataclass(frozen=True, slots=True)
class ConsentLinks:
    """The addresses of one consent page, relative to this site."""

    token: str

    @property
    def page(self) -> str:
        return f"/agreements/{self.token}"

    @property
    def answer(self) -> str:
        return f"/agreements/{self.token}/answer"


def present_consent(page: ConsentPage) -> dict[str, Any]:
    """Return who asks for what, up to how much, until when it can be answered."""
    return {
        "has_limits": page.status in {AgreementStatus.PENDING, AgreementStatus.ACTIVE},
        "merchant_name": page.merchant_name,
        "merchant_initial": page.merchant_name.strip()[:1].upper() or "·",
        "subject": page.subject or "",
        "currency": page.currency,
        "max_per_payment": format_amount(page.max_per_payment, page.currency),
        "max_per_day": format_amount(page.max_per_day, page.currency),
        "agreement_no": page.agreement_no,
        "expires_in_s": page.expires_in_s,
        "time_left": format_time_left(page.expires_in_s),
    }


def present_consent_end(page: ConsentPage) -> dict[str, Any]:
    """Return the words and the mark of an answered, ended or outdated request, and the way back."""
    was_withdrawn = page.status == AgreementStatus.REVOKED and page.payer_no is None
    mark, title, text = _WITHDRAWN if was_withdrawn else _ENDS[page.status]
    is_active = page.status == AgreementStatus.ACTIVE
    return_url = page.return_url if is_web_address(page.return_url) else None
    return {
        "mark": mark,
        "title": _(title),
        "text": _(text),
        "is_active": is_active,
        "payer": hide_middle(page.payer_no) if page.payer_no else "",
        "beside": [_present_beside(other) for other in page.beside],
        "return_url": return_url,
        "return_label": pgettext("button", "Return to %(merchant)s")
        % {"merchant": page.merchant_name},
    }


def hide_middle(payer_no: str) -> str:
    """Return a payer number as its owner knows it again and nobody else learns it: the shop has this link too."""
    return f"{payer_no.partition('_')[0]}_…{payer_no[-4:]}"


def _present_beside(other: LiveAgreement) -> dict[str, str]:
    return {
        "agreement_no": other.agreement_no,
        "currency": other.currency,
        "max_per_payment": format_amount(other.max_per_payment, other.currency),
        "max_per_day": format_amount(other.max_per_day, other.currency),
    }


def present_consent_refusal(reasons: Sequence[str]) -> tuple[dict[str, str], str]:
    """Return (words by form field, words for the whole form) of an answer that was refused.

    A wrong password, a locked one and an unknown payer number get the same words on purpose.
    """
    password = _(
        "The payer number or the payment password is not right, or it is locked: after five wrong tries it is "
        "locked for some hours."
    )
    by_field = {
        "payer_no_invalid": ("payer_no", _("Please enter your payer number.")),
        "payment_password_invalid": (
            "payment_password",
            _("Please enter your payment password."),
        ),
        "wrong_payment_password": ("payment_password", password),
        "payment_password_locked": ("payment_password", password),
    }
    errors = dict(by_field[reason] for reason in reasons if reason in by_field)
    return errors, _("Please check what you entered and try again.") if reasons else ""
