"""What a permission lets somebody do, in words: look at a page, press its buttons, propose and approve a kind."""

from __future__ import annotations

import functools
from typing import Any, Final

from django.contrib import admin
from django.contrib.auth.models import Permission
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from paymentplatform.console.proposals.table import KINDS
from paymentplatform.console.services.roles import list_acts

_OTHERS: Final[dict[str, Any]] = {
    "acquiring.export_dossier": _("Export dossiers"),
    "console.approve_proposal": _("Approve or refuse proposals of others"),
    "console.export_lists": _("Export lists"),
    "console.withdraw_proposal": _("Withdraw own proposals"),
}


def name_right(right: Permission) -> str:
    """Say what it permits; what no page of ours asks for, as Django names it."""
    code = f"{right.content_type.app_label}.{right.codename}"
    if code in _OTHERS:
        return str(_OTHERS[code])
    verb, _line, rest = right.codename.partition("_")
    if code.startswith("console.") and rest in KINDS:
        said = say("Propose: %s") if verb == "propose" else say("Approve or refuse: %s")
        return said % KINDS[rest].title
    model = right.content_type.model_class()
    if verb == "view" and model is not None:
        return say("Look at: %s") % model._meta.verbose_name_plural  # noqa: SLF001 - Django's documented way
    acts = _acts().get(code, [])
    if not acts and verb == "add" and model is not None:
        return say("New: %s") % model._meta.verbose_name  # noqa: SLF001 - Django's documented way
    return ", ".join(str(act) for act in acts) or str(right.name)


@functools.cache
def _acts() -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for model, page in admin.site._registry.items():  # noqa: SLF001 - there is no public way to ask
        for name, _path, permission in list_acts(page):
            title = getattr(type(page), name).short_description
            found.setdefault(permission, []).append(_OfPage(model, title))
    return found


class _OfPage:
    """An act's name with its page's, in the language of whoever reads it."""

    def __init__(self, model: Any, title: Any) -> None:
        self._model, self._title = model, title

    def __str__(self) -> str:
        return f"{self._model._meta.verbose_name}: {self._title}"  # noqa: SLF001
