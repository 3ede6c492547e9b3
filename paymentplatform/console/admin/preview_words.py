"""What approval does, for the second person to read: every effect by a name, amounts as money, codes as words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from paymentplatform.kernel.admin_codes import name_resolution, show_code
from paymentplatform.kernel.admin_tables import (
    link_number,
    name_amounts,
    name_column,
    show_status,
)
from paymentplatform.kernel.money import is_currency
from paymentplatform.kernel.roles import Role

ROLE_TITLES: Final = {
    Role.VIEWER: _("Viewer"),
    Role.SUPPORT: _("Support"),
    Role.OPERATOR: _("Operator"),
    Role.ACCOUNTANT: _("Accountant"),
    Role.RISK: _("Risk"),
    Role.ADMIN: _("Administrator"),
}
_TITLES: Final[dict[str, Promise]] = {
    "bank": _("Comes into our bank account"),
    "fingerprint": _("Fingerprint of the public key"),
    "forget_second_factor": _("The second factor is forgotten"),
    "is_active": _("May log in"),
    "merchant_name": _("Merchant"),
    "rate_ppm": _("Rate"),
    "roles": _("Roles"),
    "secret": _("Secret"),
    "status": _("Becomes"),
    "username": _("Operator"),
}
_WHAT_FOLLOWS: Final[dict[str, Promise]] = {
    "ENABLED": _("it takes new payments again"),
    "FAILED": _("the bank sent it back"),
    "HONOURED": _("the merchant has it, less the fee"),
    "LIFTED": _("the money goes its way again"),
    "OPEN": _("what is left of it waits for another decision"),
    "PAID": _("the bank has paid it"),
    "REFUNDED": _("its payer has it already"),
    "REFUNDING": _("it goes back to its payer"),
    "RESOLVED": _("nobody has to do anything more"),
    "SENT": _("the order to the bank is given"),
}
_FIXED: Final[dict[str, Promise]] = {
    "collected once, by its proposer": _("collected once, by its proposer"),
    "on approval": _("on approval"),
    "yes": _("yes"),
    "no": _("no"),
    "True": _("yes"),
    "False": _("no"),
    "otherwise": _("what else happens"),
    "costs": _("costs"),
}


def name_effect(name: str) -> str:
    """Return what an effect is called."""
    if name.startswith("term_"):
        return say("Other price %s") % name.removeprefix("term_")
    return str(_TITLES[name]) if name in _TITLES else name_column(name)


def show_effect(name: str, value: str) -> str | SafeString:
    """Return what an effect says."""
    if name.startswith("term_"):
        return _show_term(value)
    return _SHOWN.get(name, _show_plain)(value)


def _show_plain(value: str) -> str | SafeString:
    return str(_FIXED[value]) if value in _FIXED else link_number(value)


def _show_change(value: str, show: Callable[[str], str]) -> str:
    before, arrow, after = value.partition(" → ")
    return f"{show(before)} → {show(after)}" if arrow else show(value)


def _show_switch(value: str) -> str:
    return _show_change(value, lambda one: str(_FIXED.get(one, one)))


def _show_roles(value: str) -> str:
    titles = {role.value: str(title) for role, title in ROLE_TITLES.items()}

    def name_all(names: str) -> str:
        return ", ".join(titles.get(name, name) for name in names.split(", "))

    return _show_change(value, name_all)


def _show_status(value: str) -> SafeString:
    return format_html("{} {}", show_status(value), _WHAT_FOLLOWS.get(value, ""))


def _show_rate(value: str) -> str:
    return f"{int(value) / 10_000:g} %"


def _show_difference(value: str) -> str:
    """Write minor units with their sign for people."""
    sign = "-" if value.startswith("-") else ""
    return sign + name_amounts(value.removeprefix("-"))


def _show_term(value: str) -> str:
    """Write one price of a fee contract: whose, the rate, its borders as money."""
    parts = dict(part.split(" ", 1) for part in value.split(", "))
    whose = " ".join(parts[name] for name in ("method", "currency") if name in parts)
    said = [f"{whose}: {_show_rate(parts['rate_ppm'])}" if "rate_ppm" in parts else whose]
    currency = parts.get("currency", "")
    for name, words in (("minimum", say("at least")), ("maximum", say("at most"))):
        if parts.get(name) not in {None, "None", "0"} and is_currency(currency):
            said.append(f"{words} {name_amounts(f'{parts[name]} {currency}')}")
    return ", ".join(said)


def _show_document(value: str) -> SafeString:
    laid_out = json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    return format_html('<pre class="text-xs whitespace-pre-wrap">{}</pre>', laid_out)


def _show_names(value: str) -> str:
    return ", ".join(str(_FIXED.get(name, name)) for name in value.split(", "))


_SHOWN: Final[dict[str, Callable[[str], str | SafeString]]] = {
    "bank": name_amounts,
    "difference": _show_difference,
    "document": _show_document,
    "forget_second_factor": _show_switch,
    "is_active": _show_switch,
    "kind": show_code,
    "rate_ppm": _show_rate,
    "resolution": name_resolution,
    "rest_changed": _show_names,
    "roles": _show_roles,
    "status": _show_status,
}
