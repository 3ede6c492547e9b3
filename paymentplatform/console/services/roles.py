"""Which role 角色 may see and do what: gathered from the pages, acts and kinds of proposals, seeded as groups.

Nothing is listed here. A page says who sees it (``seen_by``), an act who may do it (``roles``), a kind of proposal who
proposes and who approves. After every migration the six groups have exactly that; a company that wants it otherwise
makes groups of its own beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from paymentplatform.console.models import Proposal
from paymentplatform.console.proposals.table import KINDS
from paymentplatform.kernel.roles import Role

Rights = dict[str, tuple[Role, ...]]
PROPOSE: Final = "console.propose_"
APPROVE: Final = "console.approve_"


def list_rights() -> Rights:
    """Map each permission (``app.codename``) to the roles that have it, in the order of the roles.

    Raises ImproperlyConfigured when two places name different roles for the same permission.
    """
    found: Rights = {}
    for permission, roles, where in (*_rights_of_pages(), *_rights_of_kinds()):
        ordered = tuple(role for role in Role if role in roles)
        if found.setdefault(permission, ordered) != ordered:
            message = f"{where}: others give {permission} to {found[permission]}, not {ordered}."
            raise ImproperlyConfigured(message)
    return found


def list_acts(page: Any) -> Iterator[tuple[str, str, str]]:
    """Yield name, address (its last part) and permission of each confirmed act of a page or its list."""
    for name in dir(type(page)):
        act = getattr(type(page), name, None)
        if callable(act) and hasattr(act, "permission") and hasattr(act, "roles"):
            yield name, str(getattr(act, "url_path", None) or name), act.permission


def seed_roles(*, using: str) -> None:
    """Bring the six groups to what is declared; starts its own transaction. Groups of other names are left alone."""
    for config in apps.get_app_configs():
        create_permissions(config, verbosity=0, using=using)
    with transaction.atomic(using=using):
        _make_kind_permissions(using)
        rights = list_rights()
        known = {
            f"{row.content_type.app_label}.{row.codename}": row
            for row in Permission.objects.using(using).select_related("content_type")
        }
        missing = sorted(set(rights) - set(known))
        if missing:
            message = f"No model declares the permission {', '.join(missing)}."
            raise ImproperlyConfigured(message)
        for role in Role:
            group, _made = Group.objects.using(using).get_or_create(name=role.value)
            wanted = [known[permission] for permission, roles in rights.items() if role in roles]
            group.permissions.set(wanted)


def _rights_of_pages() -> Iterator[tuple[str, tuple[Role, ...], str]]:
    for model, page in admin.site._registry.items():  # noqa: SLF001 - there is no public way to ask
        opts = model._meta  # noqa: SLF001 - Django's documented way to a model's names
        if hasattr(page, "seen_by"):
            yield f"{opts.app_label}.view_{opts.model_name}", page.seen_by, opts.label
        yield from (
            (permission, roles, opts.label)
            for permission, roles in getattr(page, "more_rights", {}).items()
        )
        for name, _path, permission in list_acts(page):
            if not permission.startswith(PROPOSE):
                yield permission, getattr(type(page), name).roles, f"{opts.label}.{name}"


def _rights_of_kinds() -> Iterator[tuple[str, tuple[Role, ...], str]]:
    for kind in KINDS.values():
        yield f"{PROPOSE}{kind.name}", kind.proposed_by, kind.name
        yield f"{APPROVE}{kind.name}", kind.approved_by, kind.name


def _make_kind_permissions(using: str) -> None:
    """Every kind has two permissions; a new kind needs no migration for them."""
    about = ContentType.objects.db_manager(using).get_for_model(Proposal)
    for kind in KINDS.values():
        for verb in ("propose", "approve"):
            Permission.objects.using(using).get_or_create(
                content_type=about,
                codename=f"{verb}_{kind.name}",
                defaults={"name": f"Can {verb}: {kind.name.replace('_', ' ')}"},
            )
