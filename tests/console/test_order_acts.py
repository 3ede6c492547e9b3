"""What operators do with an order: close, ask the channel, refund alone or with a second person, undo a top-up."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.urls import reverse

from acquiring.contracts import SecondOperatorRequired
from acquiring.models import RefundAllowance, TradeOrder
from acquiring.services.lone_refunds import refund_alone
from checkout.models import PayerWallet
from engine.models import Refund
from ledger import api as ledger
from ledger.models import Account, Journal
from paymentplatform.console.models import AuditLog, Proposal
from paymentplatform.console.proposals.journal_reversal import JournalNotReversible
from paymentplatform.console.services.proposals import NewProposal, make_proposal
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.roles import Role
from tests.barrier import failures, run_together
from tests.console import proposals, trades
from tests.console.test_admin import act_page, log_in, page
from tests.makers import make_payer


def person(*roles: Role) -> Client:
    return log_in(User.objects.get(username=proposals.operator(*roles)))


def press(client: Client, model: Any, key: object, path: str, **answers: Any) -> str:
    done = client.post(act_page(model, key, path), {"reason": "because"} | answers, follow=True)
    return done.content.decode()


def lines(object_no: str) -> list[str]:
    return list(
        AuditLog.objects.filter(object_no=object_no).order_by("id").values_list("action", flat=True)
    )


def books(order_no: str) -> tuple[Any, ...]:
    """Everything that a refund would touch."""
    order = TradeOrder.objects.filter(pk=order_no).values().get()
    return order, list(Refund.objects.filter(order_no=order_no).values()), lines(order_no)


class TestClosing:
    def test_an_unpaid_order_is_closed_between_two_audit_lines(self):
        order_no = trades.placed().order
        support = person(Role.SUPPORT)
        press(support, TradeOrder, order_no, "close")
        order = TradeOrder.objects.get(pk=order_no)
        assert (order.status, order.close_reason) == ("CLOSED", "OPERATOR")
        assert lines(order_no) == ["close", "close_result"]
        result = AuditLog.objects.get(object_no=order_no, action="close_result")
        assert (result.before["status"], result.after["status"]) == ("INIT", "CLOSED")
        before = books(order_no)
        assert act_page(TradeOrder, order_no, "close") not in (
            support.get(page(TradeOrder, "change", order_no)).content.decode()
        )
        press(support, TradeOrder, order_no, "close")
        assert books(order_no) == before


class TestRefunding:
    @pytest.fixture
    def order_no(self) -> str:
        return str(trades.paid_by_channel().order)

    def test_a_small_one_is_done_by_one_operator(self, order_no):
        press(person(Role.SUPPORT), TradeOrder, order_no, "refund", amount=300)
        (refund,) = Refund.objects.filter(order_no=order_no)
        assert (refund.amount, refund.status) == (300, "PROCESSING")
        assert "because" not in refund.reason
        assert refund.next_try_at is not None
        assert lines(order_no) == ["refund"]
        assert TradeOrder.objects.get(pk=order_no).refunding_amount == 300

    @override_settings(OPERATOR_REFUND_LIMIT={"CNY": 500})
    def test_what_went_back_counts_toward_the_limit(self, order_no):
        support = person(Role.SUPPORT)
        press(support, TradeOrder, order_no, "refund", amount=300)
        before = books(order_no)
        said = press(support, TradeOrder, order_no, "refund", amount=201)
        assert "second_operator_required" in said
        for amount in (0, -1, "x", 10**13):
            press(support, TradeOrder, order_no, "refund", amount=amount)
        assert books(order_no) == before

    @override_settings(OPERATOR_REFUND_DAY_LIMIT={"CNY": 500})
    def test_a_day_has_a_limit_over_all_orders_for_each_operator(self, order_no, clock):
        support, other = person(Role.SUPPORT), str(trades.paid_by_channel().order)
        press(support, TradeOrder, order_no, "refund", amount=300)
        before = books(other), list(RefundAllowance.objects.values())
        said = press(support, TradeOrder, other, "refund", amount=201)
        assert "second_operator_required" in said
        assert "Propose this refund instead" in said
        assert act_page(TradeOrder, other, "propose-refund") in (
            support.get(page(TradeOrder, "change", other)).content.decode()
        )
        assert (books(other), list(RefundAllowance.objects.values())) == before
        press(person(Role.SUPPORT), TradeOrder, other, "refund", amount=201)
        press(support, TradeOrder, other, "refund", amount=200)
        clock.advance(86_400)
        press(support, TradeOrder, other, "refund", amount=99)
        amounts = Refund.objects.filter(order_no=other).order_by("refund_no")
        assert list(amounts.values_list("amount", flat=True)) == [201, 200, 99]

    @override_settings(OPERATOR_REFUND_DAY_LIMIT={"CNY": 700})
    def test_refunds_at_once_cannot_share_what_is_left_of_a_day(self):
        orders = [str(trades.paid_by_channel().order) for _ in range(4)]
        who = proposals.operator(Role.SUPPORT)
        alone = transactions.start(refund_alone)
        ended = run_together(
            [partial(alone, order_no=one, amount=300, operator=who) for one in orders]
        )
        refused = failures(ended)
        assert [type(one) for one in refused] == [SecondOperatorRequired] * 2
        refunds = Refund.objects.filter(order_no__in=orders)
        assert sorted(refunds.values_list("refund_no", flat=True)) == sorted(
            one for one in ended if isinstance(one, str)
        )
        (row,) = RefundAllowance.objects.filter(operator=who)
        assert row.spent_amount == 600
        for order_no, outcome in zip(orders, ended, strict=True):
            if not isinstance(outcome, str):
                assert TradeOrder.objects.get(pk=order_no).refunding_amount == 0

    @pytest.mark.parametrize("setting", ["OPERATOR_REFUND_LIMIT", "OPERATOR_REFUND_DAY_LIMIT"])
    def test_a_currency_that_is_not_named_always_needs_two(self, order_no, setting):
        who, before = proposals.operator(Role.SUPPORT), books(order_no)
        with (
            override_settings(**{setting: {"USD": 10_000}}),
            pytest.raises(SecondOperatorRequired, match=r"at most 0\.00 CNY"),
        ):
            transactions.start(refund_alone)(order_no=order_no, amount=1, operator=who)
        assert books(order_no) == before
        assert not RefundAllowance.objects.filter(operator=who).exists()

    @override_settings(OPERATOR_REFUND_LIMIT={"CNY": 500}, OPERATOR_REFUND_DAY_LIMIT={"CNY": 600})
    def test_the_form_begins_with_what_one_may_refund_alone(self, order_no, clock):
        """And says the limits and where more is asked for; who may refund no more today is not offered it."""
        support, other = person(Role.SUPPORT), str(trades.paid_by_channel().order)
        for one, left, most in ((order_no, 10_00, 5_00), (other, 10_00, 1_00)):
            form = support.get(
                act_page(TradeOrder, one, "refund"), headers={"Accept-Language": "en"}
            ).content.decode()
            assert re.search(rf'name="amount" value="{most}"', form)
            said = re.sub(r"\s+", " ", form)
            assert f"{left / 100:.2f} CNY is left to refund" in said
            assert f"at most {most / 100:.2f} CNY now" in said
            assert "5.00 CNY of one order and 6.00 CNY on one day" in said
            assert "Propose a refund" in said
            press(support, TradeOrder, one, "refund", amount=most)
        before = books(other)
        shown = support.get(page(TradeOrder, "change", other)).content.decode()
        assert act_page(TradeOrder, other, "refund") not in shown
        assert act_page(TradeOrder, other, "propose-refund") in shown
        press(support, TradeOrder, other, "refund", amount=1)
        assert books(other) == before
        clock.advance(86_400)
        assert act_page(TradeOrder, other, "refund") in (
            support.get(page(TradeOrder, "change", other)).content.decode()
        )

    def test_while_one_waits_no_other_is_begun(self, order_no):
        """On the order's page and its dossier stands what it waits for; neither way to refund is offered."""
        support = person(Role.SUPPORT)
        press(support, TradeOrder, order_no, "propose-refund", amount=700)
        proposal = Proposal.objects.get(subject_no=order_no)
        before = books(order_no)
        link = page(Proposal, "change", proposal.pk)
        shown = support.get(page(TradeOrder, "change", order_no)).content.decode()
        assert link in shown
        for path in ("refund", "propose-refund"):
            assert act_page(TradeOrder, order_no, path) not in shown
            assert proposal.pk in press(support, TradeOrder, order_no, path, amount=100)
        assert link in support.get(reverse("admin:dossier", args=[order_no])).content.decode()
        assert books(order_no) == before
        assert Proposal.objects.filter(subject_no=order_no).count() == 1
        press(support, Proposal, proposal.pk, "withdraw")
        shown = support.get(page(TradeOrder, "change", order_no)).content.decode()
        assert link not in shown
        assert act_page(TradeOrder, order_no, "refund") in shown

    def test_a_proposed_one_happens_when_another_one_approves(self, order_no):
        support, checker = person(Role.SUPPORT), person(Role.OPERATOR)
        before = books(order_no)
        press(support, TradeOrder, order_no, "propose-refund", amount=700)
        proposal = Proposal.objects.get(subject_no=order_no)
        assert books(order_no) == before
        (posting, *_fees) = proposal.preview["journal"]["postings"]
        assert (posting["amount"], posting["credit"]) == (700, "L30:sandbox:CNY")
        answers = {"preview_hash": proposal.preview_hash}
        assert "403" in press(support, Proposal, proposal.pk, "approve", **answers) or (
            books(order_no) == before
        )
        press(checker, Proposal, proposal.pk, "approve", **answers)
        (refund,) = Refund.objects.filter(order_no=order_no)
        assert (refund.refund_no, refund.amount) == (proposal.payload["refund_no"], 700)
        assert Proposal.objects.get(pk=proposal.pk).result == refund.refund_no
        journal = ledger.find_journal(event_type="refund_accepted", event_id=refund.refund_no)
        assert journal is not None

    def test_what_has_changed_since_is_not_approved(self, order_no):
        press(person(Role.SUPPORT), TradeOrder, order_no, "propose-refund", amount=700)
        proposal = Proposal.objects.get(subject_no=order_no)
        transactions.start(refund_alone)(order_no=order_no, amount=700, operator="somebody")
        before = books(order_no)
        said = press(
            person(Role.OPERATOR),
            Proposal,
            proposal.pk,
            "approve",
            preview_hash=proposal.preview_hash,
        )
        assert "refund_exceeds_paid" in said
        assert (books(order_no), Proposal.objects.get(pk=proposal.pk).status) == (before, "OPEN")

    def test_more_than_was_paid_cannot_be_proposed(self, order_no):
        before = books(order_no)
        said = press(person(Role.SUPPORT), TradeOrder, order_no, "propose-refund", amount=10**9)
        assert "refund_exceeds_paid" in said
        assert books(order_no) == before
        assert not Proposal.objects.filter(subject_no=order_no).exists()


class TestBooks:
    def test_a_top_up_is_proposed_on_the_payers_page_and_reversed_by_two(self):
        payer, account = make_payer(balance=0), None
        maker, checker = person(Role.ACCOUNTANT), person(Role.ACCOUNTANT)
        press(
            maker, PayerWallet, payer, "propose-top-up", amount=500, currency="CNY", reference=payer
        )
        account = ledger.payer_balance(payer_no=payer, currency="CNY")

        def approve_last(subject: str) -> Proposal:
            proposal = Proposal.objects.filter(subject_no=subject).latest("proposal_no")
            press(checker, Proposal, proposal.pk, "approve", preview_hash=proposal.preview_hash)
            proposal.refresh_from_db(fields=["result"])
            return proposal

        journal_no = approve_last(payer).result
        assert ledger.get_balance(account_code=account).balance == 500
        press(maker, Journal, journal_no, "propose-reversal")
        approve_last(str(journal_no))
        assert ledger.get_balance(account_code=account).balance == 0
        assert act_page(Journal, journal_no, "propose-reversal") not in (
            maker.get(page(Journal, "change", journal_no)).content.decode()
        )

    def test_the_platforms_own_money_is_proposed_above_the_accounts_and_reversed_by_two(self):
        maker, checker = person(Role.ACCOUNTANT), person(Role.ACCOUNTANT)
        reference = numbers.new_number("ref")
        address = reverse("admin:ledger_account_propose_funding")
        typed = {"amount": 9_00, "currency": "EUR", "reference": reference, "reason": "capital"}
        assert address in maker.get(page(Account, "changelist")).content.decode()
        for who in (person(Role.OPERATOR), person(Role.ADMIN)):
            assert address not in who.get(page(Account, "changelist")).content.decode()
            assert who.post(address, typed).status_code == 403
        assert "9.00 EUR" not in maker.post(address, typed | {"amount": 0}).content.decode()
        assert not Proposal.objects.filter(reference=reference).exists()

        def both() -> list[int]:
            codes = ("A20:platform:EUR", "E10:platform:EUR")
            return [ledger.get_balance(account_code=code).balance for code in codes]

        def approve(reference: str) -> str:
            proposal = Proposal.objects.get(reference=reference)
            press(checker, Proposal, proposal.pk, "approve", preview_hash=proposal.preview_hash)
            return str(Proposal.objects.get(pk=proposal.pk).result)

        bank, capital = both()
        maker.post(address, typed)
        assert both() == [bank, capital]
        journal_no = approve(reference)
        assert both() == [bank + 9_00, capital + 9_00]
        press(maker, Journal, journal_no, "propose-reversal")
        approve(journal_no)
        assert both() == [bank, capital]

    def test_what_an_order_stands_on_is_not_reversed_by_hand(self):
        paid = trades.paid_by_balance()
        journal = ledger.find_journal(event_type="payment_paid", event_id=paid.payment)
        accountant = person(Role.ACCOUNTANT)
        shown = accountant.get(page(Journal, "change", journal.journal_no)).content.decode()
        assert act_page(Journal, journal.journal_no, "propose-reversal") not in shown
        press(accountant, Journal, journal.journal_no, "propose-reversal")
        new = NewProposal(
            kind="journal_reversal",
            payload={"journal_no": journal.journal_no},
            operator=proposals.operator(Role.ACCOUNTANT),
            reason="because",
        )
        with pytest.raises(JournalNotReversible):
            make_proposal(new)
        assert not Proposal.objects.filter(subject_no=journal.journal_no).exists()
