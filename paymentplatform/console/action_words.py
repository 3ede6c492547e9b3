"""What operators' acts are called in the audit log: as their buttons are, and a word for what has none."""

from __future__ import annotations

import functools
from typing import Any, Final

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from paymentplatform.console.services.roles import list_acts

_WITHOUT_BUTTON: Final[dict[str, Any]] = {
    "approve_proposal": _("Approved and done"),
    "choose_password": _("Chose an own password"),
    "confirm_operator": _("Confirm its owner"),
    "create_operator": _("New operator"),
    "disable_operator": _("Switch off"),
    "enrol_second_factor": _("Enrolled a second factor"),
    "export_dossier": _("Exported a dossier"),
    "export_list": _("Exported a list"),
    "issue_password": _("New password"),
    "make_proposal": _("Proposed"),
    "redeliver_chosen": _("Deliver again"),
    "refuse_proposal": _("Refused"),
    "withdraw_proposal": _("Withdrawn"),
}
_RESULT: Final = "_result"


def title_action(action: str) -> str:
    """Return what an act is called, in the language that is active; a code that nobody named, as it is."""
    title = _titles().get(action.removesuffix(_RESULT))
    if title is None:
        return action
    return say("%s: what came of it") % title if action.endswith(_RESULT) else str(title)


def name_action(action: str) -> str | SafeString:
    """Write what an act is called, its code small below it; a code that nobody named, as it is."""
    words = title_action(action)
    if words == action:
        return action
    return format_html('{}<br><span class="small font-mono text-xs">{}</span>', words, action)


@functools.cache
def _titles() -> dict[str, Any]:
    found = {}
    for page in admin.site._registry.values():  # noqa: SLF001 - there is no public way to ask
        for name, _path, _permission in list_acts(page):
            found[name] = getattr(type(page), name).short_description
    return found | _WITHOUT_BUTTON
