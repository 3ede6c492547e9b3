"""Draw who may see and do what: the matrix of models, acts and roles."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from paymentplatform.console.proposals.table import KINDS
from paymentplatform.console.services.roles import APPROVE, PROPOSE, Rights, list_acts, list_rights
from paymentplatform.kernel.roles import Role


def draw_roles() -> str:
    """Write one table of pages with their acts, and one of the kinds of proposals."""
    rights = list_rights()
    pages = sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label_lower)  # noqa: SLF001
    lines = [
        _head("Page or act"),
        *(line for model, page in pages for line in _page(model, page, rights)),
    ]
    lines += ["", _head("Proposal")]
    for name in sorted(KINDS):
        lines.append(_line(f"`{name}`: propose", rights[f"{PROPOSE}{name}"]))
        lines.append(_line(f"`{name}`: approve or refuse", rights[f"{APPROVE}{name}"]))
    return "\n".join(lines)


def _page(model: Any, page: Any, rights: Rights) -> list[str]:
    opts = model._meta  # noqa: SLF001 - Django's documented way to a model's names
    lines = [_line(f"**{opts.label}**", rights[f"{opts.app_label}.view_{opts.model_name}"])]
    for name, _path, permission in sorted(list_acts(page)):
        lines.append(_line(f"· `{name}`", rights[permission]))
    for permission, roles in sorted(getattr(page, "more_rights", {}).items()):
        lines.append(_line(f"· `{permission}`", roles))
    return lines


def _head(first: str) -> str:
    return f"| {first} | {' | '.join(role.value for role in Role)} |\n|---|{'---|' * len(Role)}"


def _line(first: str, roles: tuple[Role, ...]) -> str:
    return f"| {first} | {' | '.join('●' if role in roles else '' for role in Role)} |"
