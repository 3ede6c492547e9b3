"""Operators' pages: a look changes nothing, and an act needs a POST with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path
from unfold.sites import UnfoldAdminSite

from paymentplatform.console.models import AuditLog
from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin import (
    COUNTED_ROWS,
    BoundedPaginator,
    ReadOnlyAdmin,
    confirmed_action,
)
from paymentplatform.kernel.errors import Conflict

acts: list[tuple[str, str, str]] = []


class ActingAdmin(ReadOnlyAdmin):
    actions_detail = ("touch", "refuse")

    @confirmed_action(description="Touch", permission="console.view_auditlog")
    def touch(self, *, operator: User, object_no: str, reason: str) -> str:
        acts.append((operator.username, object_no, reason))
        return "Touched."

    @confirmed_action(description="Refuse", permission="console.nobody_has_this")
    def refuse(self, *, operator: User, object_no: str, reason: str) -> str:
        raise Conflict("not now")


site = UnfoldAdminSite(name="admin")
site.register(AuditLog, ActingAdmin)
site.register(User)
urlpatterns = [path("admin/", site.urls)]


@pytest.fixture
def operator() -> User:
    return User.objects.create_user(
        username=numbers.new_number("tst"), password=None, is_staff=True, is_superuser=True
    )


@pytest.fixture
def client(operator: User) -> Iterator[Client]:
    with override_settings(ROOT_URLCONF=__name__, UNFOLD={}):  # the sidebar leads to other pages
        client = Client(enforce_csrf_checks=True)
        client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
        yield client


@pytest.fixture
def line(operator: User) -> AuditLog:
    with transaction.atomic():
        return record_operator_action(
            operator=operator, action="x", object_no=numbers.new_number("tst"), reason="because"
        )


def address(line: AuditLog, name: str) -> str:
    return f"/admin/console/auditlog/{line.pk}/{name}/"


def csrf(client: Client, page: Any) -> str:
    text = page.content.decode()
    return text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]


def test_get_asks_and_does_nothing(client: Client, line: AuditLog) -> None:
    acts.clear()
    page = client.get(address(line, "touch"))
    assert page.status_code == 200
    assert 'method="post"' in page.content.decode()
    assert acts == []


def test_post_with_a_reason_acts_once(client: Client, line: AuditLog, operator: User) -> None:
    acts.clear()
    token = csrf(client, client.get(address(line, "touch")))
    without = client.post(address(line, "touch"), {"csrfmiddlewaretoken": token, "reason": "  "})
    assert (without.status_code, acts) == (200, [])
    forged = client.post(address(line, "touch"), {"reason": "because"})
    assert (forged.status_code, acts) == (403, [])
    done = client.post(address(line, "touch"), {"csrfmiddlewaretoken": token, "reason": "because"})
    assert done.status_code == 302
    assert done.headers["Location"] == address(line, "change")
    assert acts == [(operator.username, str(line.pk), "because")]


def test_an_operator_without_the_permission_does_nothing(
    client: Client, line: AuditLog, operator: User
) -> None:
    acts.clear()
    operator.is_superuser = False
    operator.save()
    assert client.get(address(line, "touch")).status_code == 403
    assert client.post(address(line, "touch"), {"reason": "because"}).status_code == 403
    assert acts == []


def test_a_refusal_becomes_a_message(client: Client, line: AuditLog) -> None:
    token = csrf(client, client.get(address(line, "refuse")))
    fields = {"csrfmiddlewaretoken": token, "reason": "because"}
    page = client.post(address(line, "refuse"), fields, follow=True)
    assert "not now (conflict)" in page.content.decode()


def test_rows_can_be_looked_at_and_nothing_else(client: Client, line: AuditLog) -> None:
    assert client.get("/admin/console/auditlog/").status_code == 200
    assert client.get(address(line, "change")).status_code == 200
    assert client.get("/admin/console/auditlog/add/").status_code == 403
    assert client.get(address(line, "delete")).status_code == 403
    assert client.post(address(line, "change"), {"reason": "other"}).status_code == 403
    assert AuditLog.objects.get(pk=line.pk).reason == "because"


def test_a_list_counts_no_more_than_it_shows() -> None:
    with CaptureQueriesContext(connection) as queries:
        assert BoundedPaginator(AuditLog.objects.order_by("-id"), 50).count >= 0
    (query,) = queries
    assert f"LIMIT {COUNTED_ROWS}" in query["sql"].replace("'", "")


def test_the_console_itself_opens(operator: User, line: AuditLog) -> None:
    client = Client()
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    for target in (
        "/admin/",
        "/admin/console/auditlog/",
        f"/admin/console/auditlog/{line.pk}/change/",
    ):
        assert client.get(target).status_code == 200, target


@pytest.mark.parametrize("password", ["short-1a", "password1234", "928374650192"])
def test_a_weak_password_of_an_operator_is_refused(password: str):
    with pytest.raises(ValidationError):
        validate_password(password)
