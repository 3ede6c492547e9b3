"""The matrix model × act × role: every cell is tried in a browser's place, and compared with docs/roles.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ImproperlyConfigured

from paymentplatform.console.models import AuditLog
from paymentplatform.console.proposals.table import KINDS
from paymentplatform.console.services.roles import list_acts, list_rights, seed_roles
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import ReadOnlyAdmin
from paymentplatform.kernel.roles import EVERYBODY, Role
from tests.console.test_admin import OURS, act_page, book, every_row, log_in, page  # noqa: F401

DOCS = Path(__file__).parents[2] / "docs" / "roles.md"
LINE = re.compile(r"^\| (?P<first>[^|]+?) \|(?P<cells>(?: ?●? ?\|){6})$", re.MULTILINE)
LOOKED_AT = [model for model in admin.site._registry if model in {*OURS, User, Group}]


def documented() -> dict[tuple[str, str], set[Role]]:
    """What docs/roles.md says, by page and act (empty for the page itself)."""
    found: dict[tuple[str, str], set[Role]] = {}
    page_name = ""
    for line in LINE.finditer(DOCS.read_text(encoding="utf-8")):
        cells = line["cells"].split("|")[:-1]
        roles = {role for role, cell in zip(Role, cells, strict=True) if "●" in cell}
        first = line["first"]
        if first.startswith("**"):
            page_name, act = first.strip("*"), ""
        elif first.startswith("· "):
            act = first.removeprefix("· ").strip("`")
        else:
            page_name, act = "proposal", first
        found[page_name, act] = roles
    return found


MATRIX = documented()


@pytest.fixture(scope="module")
def people(book: dict[Any, Any]) -> dict[Role, User]:  # noqa: F811
    """One person for each role, and nothing but that role."""
    found = {}
    for role in Role:
        user = User.objects.create_user(username=numbers.new_number("op"), is_staff=True)
        user.groups.set([Group.objects.get(name=role.value)])
        found[role] = user
    return found


@pytest.mark.parametrize("role", list(Role))
def test_every_cell_is_as_documented(book, people, role):  # noqa: F811
    client = log_in(people[role])
    subjects = book | {User: people[role].pk, Group: people[role].groups.get().pk}
    before = len(every_row(AuditLog))
    for model in LOOKED_AT:
        label, model_page = model._meta.label, admin.site._registry[model]
        may_look = role in MATRIX[label, ""]
        for address in (page(model, "changelist"), page(model, "change", subjects[model])):
            assert (client.get(address).status_code != 403) is may_look, (label, address)
        for name, path, permission in list_acts(model_page):
            address = act_page(model, subjects[model], path)
            if getattr(type(model_page), name).on_list:
                address = f"{page(model, 'changelist')}{path}/"
            shown, pressed = client.get(address), client.post(address, {"reason": " "})
            may_act = role in MATRIX[label, name]
            assert (shown.status_code != 403) is may_act, (label, name)
            assert (pressed.status_code != 403) is may_act, (label, name)
            assert people[role].has_perm(permission) is may_act, (label, name)
    for kind in KINDS:
        for verb, words in (("propose", "propose"), ("approve", "approve or refuse")):
            allowed = role in MATRIX["proposal", f"`{kind}`: {words}"]
            assert people[role].has_perm(f"console.{verb}_{kind}") is allowed, (kind, verb)
    assert len(every_row(AuditLog)) == before


def test_no_role_can_do_more_than_the_matrix_says():
    """What a group has beside the matrix would be a cell that nobody asserts."""
    rights = list_rights()
    for role in Role:
        has = Permission.objects.filter(group__name=role.value).values_list(
            "content_type__app_label", "codename"
        )
        wanted = {permission for permission, roles in rights.items() if role in roles}
        assert {f"{app}.{code}" for app, code in has} == wanted


def test_a_viewer_only_looks_and_an_admin_moves_no_money():
    acts = {cell: roles for cell, roles in MATRIX.items() if cell[1]}
    assert not [cell for cell, roles in acts.items() if Role.VIEWER in roles]
    money = {"payer_top_up", "platform_funding", "late_money_decision"}
    for (place, act), roles in acts.items():
        if place == "proposal" and act.split("`")[1] in money:
            assert not roles & {Role.ADMIN, Role.VIEWER}, act


def test_seeding_again_brings_a_group_back_and_leaves_others_alone(unit_database):
    own = Group.objects.create(name=numbers.new_number("grp"))
    stray = Permission.objects.get(codename="change_user")
    viewer = Group.objects.get(name=Role.VIEWER.value)
    viewer.permissions.add(stray)
    own.permissions.add(stray)
    seed_roles(using="owner")
    assert stray not in viewer.permissions.all()
    assert list(own.permissions.all()) == [stray]


def test_a_permission_has_one_set_of_roles(monkeypatch):
    page_of = admin.site._registry[AuditLog]
    monkeypatch.setattr(page_of, "more_rights", {"console.view_proposal": (Role.RISK,)})
    with pytest.raises(ImproperlyConfigured, match=r"console\.view_proposal"):
        list_rights()


def test_pages_show_to_everybody_only_what_they_say():
    """An act without roles is the admins' alone: forgetting to say who may do it opens nothing."""
    assert ReadOnlyAdmin.seen_by == EVERYBODY
    rights = list_rights()
    assert rights["acquiring.change_credential"] == (Role.ADMIN,)
