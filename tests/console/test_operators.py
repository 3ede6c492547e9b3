"""Operators: accounts, second factor, sessions. Nobody gets in by half, nobody makes himself a helper."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client, override_settings
from django.urls import reverse
from django_otp.oath import hotp

from paymentplatform.console.models import AuditLog, Proposal, SecondFactor
from paymentplatform.console.services.operators import issue_password
from paymentplatform.console.services.second_factor import (
    SecondFactorLocked,
    SecondFactorWrong,
    begin_enrolment,
    verify_second_factor,
)
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import Conflict
from paymentplatform.kernel.roles import Role
from tests.console.test_admin import act_page, log_in, page

WORD = "a-long-Word-7-enough"
ASKS = reverse("admin:second_factor")


def make_operator(*roles: Role) -> User:
    user = User.objects.create_user(username=numbers.new_number("op"), password=WORD, is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user


def code_of(secret: str, *, later: int = 0) -> str:
    step = int(database_now().timestamp()) // 30 + later
    return f"{hotp(base64.b32decode(secret), step):06d}"


def enrolled(user: User) -> str:
    secret = begin_enrolment(user=user)
    verify_second_factor(user=user, code=code_of(secret, later=-1))
    return secret


def by_password(user: User, *, password: str = WORD) -> tuple[Client, Any]:
    client = Client()
    answer = client.post(
        reverse("admin:login"),
        {"username": user.username, "password": password, "next": "/admin/"},
        REMOTE_ADDR="198.51.100.7",
    )
    return client, answer


def is_in(client: Client) -> bool:
    return client.get(page(Proposal, "changelist")).status_code == 200


class TestSecondFactor:
    def test_a_code_is_good_once_and_only_about_now(self):
        user = make_operator()
        secret = enrolled(user)
        for code in (code_of(secret, later=-1), code_of(secret, later=-3), "12345", "abcdef", ""):
            with pytest.raises(SecondFactorWrong):
                verify_second_factor(user=user, code=code)
            SecondFactor.objects.filter(user=user).update(wrong_tries=0)
        verify_second_factor(user=user, code=code_of(secret))
        with pytest.raises(SecondFactorWrong):
            verify_second_factor(user=user, code=code_of(secret))

    def test_guessing_waits_longer_and_longer(self, clock):
        user = make_operator()
        secret = enrolled(user)
        for _ in range(3):
            with pytest.raises(SecondFactorWrong):
                verify_second_factor(user=user, code="000000")
        with pytest.raises(SecondFactorLocked):
            verify_second_factor(user=user, code=code_of(secret))
        clock.advance(31)
        with pytest.raises(SecondFactorWrong):
            verify_second_factor(user=user, code="000000")
        clock.advance(31)
        with pytest.raises(SecondFactorLocked):
            verify_second_factor(user=user, code=code_of(secret))
        clock.advance(31)
        verify_second_factor(user=user, code=code_of(secret))
        assert SecondFactor.objects.get(user=user).wrong_tries == 0

    def test_the_secret_is_stored_encrypted_and_a_confirmed_one_is_not_replaced(self):
        user = make_operator()
        secret = enrolled(user)
        stored = SecondFactor.objects.get(user=user)
        assert secret not in stored.secret
        with pytest.raises(Conflict):
            begin_enrolment(user=user)
        assert SecondFactor.objects.get(user=user).secret == stored.secret
        line = AuditLog.objects.get(object_no=user.username)
        assert (line.action, secret in str(line.after)) == ("enrol_second_factor", False)

    def test_who_has_one_is_asked_even_where_none_is_required(self):
        user = make_operator(Role.VIEWER)
        secret = enrolled(user)
        client, answer = by_password(user)
        assert answer["Location"].startswith(ASKS)
        assert not is_in(client)
        assert client.get(reverse("admin:login"))["Location"].startswith(ASKS)
        wrong = client.post(ASKS, {"code": "000000"})
        assert (wrong.status_code, is_in(client)) == (200, False)
        right = client.post(ASKS, {"code": code_of(secret), "next": "https://evil.example/"})
        assert (right["Location"], is_in(client)) == ("/admin/", True)

    @override_settings(OPERATOR_SECOND_FACTOR_REQUIRED=True)
    def test_where_it_is_required_one_enrols_before_anything_else(self):
        user = make_operator(Role.VIEWER)
        client, answer = by_password(user)
        assert answer["Location"].startswith(ASKS)
        assert not is_in(client)
        client.get(ASKS)
        assert not SecondFactor.objects.filter(user=user).exists()
        shown = client.post(ASKS, {"begin": "yes"})
        assert "no-store" in shown["Cache-Control"]
        (secret,) = re.findall(r'id="secret">([A-Z2-7]{32})<', shown.content.decode())
        assert "<svg" in shown.content.decode()
        assert not is_in(client)
        assert secret not in client.get(ASKS).content.decode()
        assert client.post(ASKS, {"code": code_of(secret)}).status_code == 302
        assert is_in(client)
        by_cookie_alone = log_in(make_operator(Role.VIEWER))
        assert not is_in(by_cookie_alone)

    def test_the_page_asks_nobody_who_has_not_given_a_password(self):
        assert Client().get(ASKS)["Location"] == reverse("admin:login")
        assert Client(enforce_csrf_checks=True).post(ASKS, {"code": "1"}).status_code == 403


class TestSessions:
    def test_it_ends_by_idleness_and_by_age(self):
        for name, second in (("seen_at", "OPERATOR_IDLE_S"), ("opened_at", "OPERATOR_SESSION_S")):
            client, _ = by_password(make_operator(Role.VIEWER))
            assert is_in(client)
            session = client.session
            session[name] -= getattr(settings, second) - 5
            session.save()
            assert is_in(client)
            session = client.session
            session[name] -= getattr(settings, second) + 10
            session.save()
            assert not is_in(client)
            assert "_auth_user_id" not in client.session

    def test_one_too_many_ends_the_oldest(self):
        user = make_operator(Role.VIEWER)
        clients = [by_password(user)[0] for _ in range(settings.OPERATOR_SESSIONS_MAX + 1)]
        assert [is_in(client) for client in clients] == [False, *[True] * (len(clients) - 1)]

    def test_log_in_is_throttled(self):
        user = make_operator(Role.VIEWER)
        for _ in range(5):
            by_password(user, password="wrong")
        client, answer = by_password(user)
        assert (answer.status_code, is_in(client)) == (429, False)

    def test_passwords_are_argon2(self):
        assert make_operator().password.startswith("argon2")


class TestAccounts:
    @pytest.fixture
    def admins(self) -> tuple[Client, Client]:
        return log_in(make_operator(Role.ADMIN)), log_in(make_operator(Role.ADMIN))

    def create(self, client: Client, username: str) -> Any:
        address = f"{page(User, 'changelist')}create/"
        return client.post(address, {"username": username, "name": "Anna", "reason": "joins"})

    def test_an_account_is_made_without_rights_and_gets_them_from_two(self, admins):
        first, second = admins
        username = numbers.new_number("op")
        shown = self.create(first, username)
        (password,) = re.findall(r"<dd[^>]*>([^<]+)</dd>", shown.content.decode())
        made = User.objects.get(username=username)
        assert (made.is_superuser, list(made.groups.all())) == (False, [])
        assert made.check_password(password)
        assert password not in str(list(AuditLog.objects.filter(object_no=username).values()))

        first.post(
            act_page(User, made.pk, "propose-access"),
            {"roles": ["support"], "is_active": "on", "reason": "support desk"},
        )
        proposal = Proposal.objects.get(subject_no=username)
        assert list(made.groups.all()) == []
        approve = act_page(Proposal, proposal.pk, "approve")
        answers = {"reason": "ok", "preview_hash": proposal.preview_hash}
        first.post(approve, answers)
        assert list(made.groups.all()) == []
        second.post(approve, answers)
        assert [group.name for group in made.groups.all()] == ["support"]

    def test_a_lost_factor_is_forgotten_by_two_and_ends_the_sessions(self, admins):
        first, second = admins
        user = make_operator(Role.VIEWER)
        client, _ = by_password(user)
        enrolled(user)
        first.post(
            act_page(User, user.pk, "propose-access"),
            {
                "roles": ["viewer"],
                "is_active": "on",
                "forget_second_factor": "on",
                "reason": "phone lost",
            },
        )
        proposal = Proposal.objects.get(subject_no=user.username)
        second.post(
            act_page(Proposal, proposal.pk, "approve"),
            {"reason": "ok", "preview_hash": proposal.preview_hash},
        )
        assert SecondFactor.objects.get(user=user).confirmed_at is None
        assert not is_in(client)

    def test_switching_off_is_at_once_and_not_oneself(self, admins):
        first, _ = admins
        user = make_operator(Role.VIEWER)
        client, _answer = by_password(user)
        first.post(act_page(User, user.pk, "disable"), {"reason": "left"})
        assert not User.objects.get(pk=user.pk).is_active
        assert not is_in(client)
        me = User.objects.get(pk=first.session["_auth_user_id"])
        said = first.post(act_page(User, me.pk, "disable"), {"reason": "x"}, follow=True)
        assert "conflict" in said.content.decode()
        assert User.objects.get(pk=me.pk).is_active

    def test_a_new_password_is_shown_once_and_ends_sessions(self, admins):
        first, _ = admins
        user = make_operator(Role.VIEWER)
        client, _answer = by_password(user)
        shown = first.post(act_page(User, user.pk, "new-password"), {"reason": "forgotten"})
        (password,) = re.findall(r"<dd[^>]*>([^<]+)</dd>", shown.content.decode())
        assert User.objects.get(pk=user.pk).check_password(password)
        assert not is_in(client)

    def test_one_admin_alone_does_not_become_somebody_who_has_no_second_factor(
        self, admins, settings
    ):
        user = make_operator(Role.ACCOUNTANT)
        admin, before = User.objects.get(pk=admins[0].session["_auth_user_id"]), user.password
        settings.OPERATOR_SECOND_FACTOR_REQUIRED = True
        with pytest.raises(Conflict):
            issue_password(username=user.username, operator=admin, reason="forgotten")
        assert User.objects.get(pk=user.pk).password == before
        user.groups.clear()
        assert issue_password(username=user.username, operator=admin, reason="forgotten")

    def test_a_name_is_refused_that_is_taken_or_none(self, admins):
        first, _ = admins
        count = User.objects.count()
        for name in (first.session and User.objects.latest("id").username.upper(), "a b", "x"):
            assert self.create(first, name).status_code == 200
        assert User.objects.count() == count

    def test_there_is_no_form_that_edits_an_account(self, admins):
        user = make_operator(Role.VIEWER)
        first, _ = admins
        for address in (page(User, "change", user.pk), page(User, "add"), page(Group, "add")):
            first.post(address, {"username": "other", "is_superuser": "on", "name": "x"})
        kept = User.objects.get(pk=user.pk)
        assert (kept.username, kept.is_superuser) == (user.username, False)
        assert not Group.objects.filter(name="x").exists()


def test_a_page_speaks_of_acts_and_not_of_forms_that_are_not_there():
    """The theme would show a red "0" where nothing waits, and Django its advice for editing users."""
    admin = make_operator(Role.ADMIN)
    client = log_in(admin)
    english = {"Accept-Language": "en"}
    shown = client.get(page(User, "change", admin.pk), headers=english).content.decode()
    assert admin.username in shown
    for advice in ("Designates", "Raw passwords", "150 characters"):
        assert advice not in shown
    assert not re.search(r"min-w-\[18px\][^>]*>\s*0\s*<", shown)
    nothing = client.get(page(User, "changelist"), {"q": "nobody at all"}, headers=english)
    assert "Nothing has this number or name" in nothing.content.decode()
