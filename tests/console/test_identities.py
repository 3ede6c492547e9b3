"""One administrator is not two people: an account that he made works only once another one knows whose it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from paymentplatform.console.contracts import PersonNotConfirmed, SecondPersonRequired
from paymentplatform.console.models import AuditLog, OperatorIdentity, Proposal
from paymentplatform.console.proposals import operator_access
from paymentplatform.console.services.identities import (
    build_word,
    choose_password,
    confirm_operator,
)
from paymentplatform.console.services.operators import (
    change_access,
    create_operator,
    issue_password,
)
from paymentplatform.console.services.proposals import NewProposal, approve_proposal, make_proposal
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.errors import Conflict
from paymentplatform.kernel.roles import Role
from tests.console.proposals import proposed, wish
from tests.console.test_admin import act_page, log_in, page
from tests.console.test_operators import by_password, code_of, enrolled, is_in, make_operator
from tests.makers import make_payer

OWN = "his-own-Word-nobody-knows"
CHOOSE, ASKS, WORD = (
    reverse(f"admin:{name}") for name in ("own_password", "second_factor", "introduction")
)


@pytest.fixture
def giver() -> User:
    return make_operator(Role.ADMIN)


@pytest.fixture
def other() -> User:
    return make_operator(Role.ADMIN)


def made_by(giver: User, *roles: Role) -> tuple[User, str]:
    """An account made by an administrator, with roles that two have agreed on, and its first password."""
    name = numbers.new_number("op")
    password = create_operator(username=name, name="Anna", operator=giver, reason="joins")
    user = User.objects.get(username=name)
    user.groups.set(Group.objects.filter(name__in=roles))
    return user, password


def introduce(user: User, *, by: User) -> None:
    user.refresh_from_db()
    confirm_operator(username=user.username, word=build_word(user), operator=by, reason="seen him")


def state_of(user: User) -> Any:
    """Everything that a refusal must leave as it is."""
    user.refresh_from_db()
    lines = AuditLog.objects.filter(object_no=user.username).count()
    return OperatorIdentity.objects.filter(user=user).values().first(), user.password, lines


def word_on(client: Client) -> str:
    (word,) = re.findall(r'id="word">([A-Z0-9-]+)<', client.get(WORD).content.decode())
    return str(word)


def test_from_the_first_password_to_the_first_page(giver, other, settings):
    """Own password, own second factor, and a word that another administrator hears."""
    settings.OPERATOR_SECOND_FACTOR_REQUIRED = True
    user, given = made_by(giver, Role.VIEWER)
    client, answer = by_password(user, password=given)
    assert answer["Location"].startswith(CHOOSE)
    assert client.get(ASKS)["Location"].startswith(CHOOSE), "no factor before an own password"
    before = state_of(user)
    for wrong, again in (("short", "short"), (OWN, OWN + "x"), (given, given), ("1" * 14,) * 2):
        assert client.post(CHOOSE, {"password": wrong, "again": again}).status_code == 200
    assert (state_of(user), is_in(client)) == (before, False)

    step = client.post(CHOOSE, {"password": OWN, "again": OWN})
    assert step["Location"].startswith(ASKS)
    assert client.get(WORD)["Location"].startswith(ASKS), "no word before the factor"
    shown = client.post(ASKS, {"begin": "yes"}).content.decode()
    (secret,) = re.findall(r'id="secret">([A-Z2-7]{32})<', shown)
    step = client.post(ASKS, {"code": code_of(secret), "next": page(Proposal, "changelist")})
    assert step["Location"].startswith(WORD)
    assert not is_in(client)
    word = word_on(client)
    assert giver.username in client.get(WORD).content.decode()

    introduce(user, by=other)
    assert client.get(WORD)["Location"] == "/admin/"
    assert is_in(client)
    assert word == build_word(user)
    line = AuditLog.objects.get(object_no=user.username, action="confirm_operator")
    assert (line.operator, line.after) == (other.username, {"made_by": giver.username})
    assert given not in str(list(AuditLog.objects.filter(object_no=user.username).values()))


def test_the_act_stands_on_the_accounts_page(giver, other, settings):
    settings.OPERATOR_SECOND_FACTOR_REQUIRED = False
    user, _given = made_by(giver, Role.VIEWER)
    act = act_page(User, user.pk, "confirm-person")
    first, second = log_in(giver), log_in(other)
    assert act not in second.get(page(User, "change", user.pk)).content.decode(), "not ready yet"
    choose_password(user=user, password=OWN)
    user.refresh_from_db()
    assert act in second.get(page(User, "change", user.pk)).content.decode()
    before = state_of(user)
    answers = {"word": build_word(user).lower().replace("-", " "), "reason": "met him"}
    assert "second_person_required" in first.post(act, answers, follow=True).content.decode()
    assert "ABCD" in second.post(act, answers | {"word": "ABCD-EFGH"}).content.decode()
    assert log_in(make_operator(Role.SUPPORT)).post(act, answers).status_code == 403
    assert state_of(user) == before
    assert second.post(act, answers).status_code == 302
    assert OperatorIdentity.objects.get(user=user).confirmed_by == other.username
    assert other.username in second.get(page(User, "change", user.pk)).content.decode()
    assert act not in second.get(page(User, "change", user.pk)).content.decode()


def test_who_decides_on_roles_reads_whether_the_owner_is_known(giver, other, settings):
    settings.OPERATOR_SECOND_FACTOR_REQUIRED = False
    user, _given = made_by(giver)
    payload = operator_access.build_payload(
        username=user.username, roles=[Role.VIEWER], is_active=True, forget_second_factor=False
    )
    made = NewProposal("operator_access", payload, giver.username, "joins")
    proposal = make_proposal(made).proposal
    second = log_in(other)
    second.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    pages = (
        page(Proposal, "change", proposal.proposal_no),
        act_page(Proposal, proposal.proposal_no, "approve"),
    )
    for address in pages:
        shown = second.get(address).content.decode()
        assert f"{giver.username} gave it a password; its owner has not chosen his own" in shown
    choose_password(user=user, password=OWN)
    for address in pages:
        assert "Waits: another administrator must confirm" in second.get(address).content.decode()
    introduce(user, by=other)
    for address in pages:
        assert f"Confirmed by {other.username}" in second.get(address).content.decode()


def test_an_administrator_with_two_accounts_of_his_making_decides_nothing(giver, settings):
    """He chose their passwords himself: neither proposes nor approves, and he cannot confirm them."""
    settings.OPERATOR_SECOND_FACTOR_REQUIRED = False
    payer = make_payer(balance=0)
    maker, checker = (made_by(giver, Role.ACCOUNTANT)[0] for _ in range(2))
    for user in (maker, checker):
        choose_password(user=user, password=OWN)
        user.refresh_from_db()
        before = state_of(user)
        for by in (giver, user, checker):
            with pytest.raises((SecondPersonRequired, PersonNotConfirmed)):
                confirm_operator(username=user.username, word="x", operator=by, reason="me")
        with pytest.raises(SecondPersonRequired):
            introduce(user, by=giver)
        assert state_of(user) == before
    with pytest.raises(PersonNotConfirmed):
        make_proposal(wish(payer=payer, maker=maker.username))
    waits = proposed(payer=payer)
    with pytest.raises(PersonNotConfirmed):
        approve_proposal(
            proposal_no=waits.proposal_no,
            operator=checker.username,
            preview_hash=waits.preview_hash,
            reason="agreed",
        )
    row = Proposal.objects.get(subject_no=payer)
    assert (row.status, row.checker) == ("OPEN", None)


def test_an_unconfirmed_administrator_confirms_nobody(giver, other, settings):
    settings.OPERATOR_SECOND_FACTOR_REQUIRED = False
    puppet, _ = made_by(giver, Role.ADMIN)
    user, _ = made_by(other, Role.ACCOUNTANT)
    for one in (puppet, user):
        choose_password(user=one, password=OWN)
        one.refresh_from_db()
    before = state_of(user)
    with pytest.raises(PersonNotConfirmed):
        introduce(user, by=puppet)
    assert state_of(user) == before


def test_a_given_password_lasts_three_days(giver, clock):
    user, given = made_by(giver)
    clock.advance(3 * 86_400 + 1)
    before = state_of(user)
    client, _answer = by_password(user, password=given)
    assert client.post(CHOOSE, {"password": OWN, "again": OWN}).status_code == 200
    with pytest.raises(Conflict):
        choose_password(user=user, password=OWN)
    assert (state_of(user), is_in(client)) == (before, False)


def test_what_brings_an_account_into_doubt_again(giver, other, settings):
    """A new password where no second factor stands before it, and a forgotten factor; else he stays confirmed."""
    settings.OPERATOR_SECOND_FACTOR_REQUIRED = False
    user = make_operator(Role.VIEWER)
    enrolled(user)

    def confirmed() -> bool:
        row = OperatorIdentity.objects.filter(user=user).first()
        return row is None or row.confirmed_at is not None

    issue_password(username=user.username, operator=giver, reason="forgotten")
    assert OperatorIdentity.objects.get(user=user).chosen_at is None
    user.refresh_from_db()
    choose_password(user=user, password=OWN)
    user.refresh_from_db()
    introduce(user, by=other)
    issue_password(username=user.username, operator=giver, reason="forgotten again")
    assert confirmed(), "the factor stands"
    user.refresh_from_db()
    choose_password(user=user, password=OWN + "2")
    transactions.start(change_access)(
        username=user.username, roles=[Role.VIEWER], is_active=True, forget_second_factor=True
    )
    assert not confirmed()
    user.refresh_from_db()
    with pytest.raises(SecondPersonRequired):
        introduce(user, by=giver)
    introduce(user, by=other)
    assert confirmed()
    issue_password(username=user.username, operator=giver, reason="forgotten")
    assert not confirmed(), "no factor stands"
    client, _ = by_password(make_operator(Role.VIEWER))
    assert is_in(client), "who was made on the server is trusted"
