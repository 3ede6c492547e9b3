"""An operator with a complaint in hand: the order's page says first what became of the money, the queue lets decide."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.utils import quote
from django.urls import reverse
from django.utils.html import strip_tags
from django.utils.translation import override

from acquiring.admin.summary import summarize
from acquiring.dossier import list_deliveries
from acquiring.models import TradeOrder
from engine import api as engine
from engine.channels.base import Outcome
from engine.models import Discrepancy
from paymentplatform.console.models import Proposal
from tests.console import trades
from tests.console.differences import a_day, bring, charge_back
from tests.console.proposals import proposed
from tests.console.test_admin import act_page, log_in, operator_with, page
from tests.makers import make_payer
from tests.statements import Line


def in_short(order_no: str) -> str:
    file = engine.get_trade_file(order_no=order_no)
    stated = engine.get_stated_file(order_no=order_no, file=file)
    order = TradeOrder.objects.get(pk=order_no)
    with override("en"):
        return re.sub(
            r"\s+", " ", strip_tags(summarize(order, file, stated, list_deliveries(event_ids=[])))
        )


@pytest.mark.parametrize(
    ("trade", "said"),
    [
        (trades.placed, "Nobody has paid yet."),
        (trades.paying, "A payment is under way"),
        (trades.paid_by_channel, "Paid at "),
        (trades.closed, "not paid."),
        (trades.paid_too_late, "Late money ltm_"),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_the_order_says_in_short_what_became_of_its_money(trade, said):
    assert said in in_short(trade().order)


def test_a_refund_says_where_it_is():
    trade = trades.refunded(trades.paid_by_channel())
    assert "under way, the channel has not confirmed it" in in_short(trade.order)


def test_a_refused_refund_is_not_promised_to_anybody():
    trade = trades.refund_answered(trades.refunded(trades.paid_by_channel()), Outcome.FAILED)
    assert "the payer gets nothing" in in_short(trade.order)


def test_what_the_bank_took_back_stands_on_the_orders_page():
    """And in its dossier, with what was booked; a file that says less than was charged is a difference that waits."""
    pulled, short = trades.paid_by_channel(), trades.paid_by_channel()
    charge_back(pulled, 400)
    bring(a_day(), Line(short.trade_no, short.attempt, trades.AMOUNT - 300))
    row = Discrepancy.objects.get(match_key=short.trade_no)
    assert "The channel pulled 4.00 CNY back" in in_short(pulled.order)
    assert f"Difference {row.pk}" in in_short(short.order)
    assert "(The channel says less, -3.00 CNY)" in in_short(short.order)
    viewer = log_in(operator_with("acquiring.view_tradeorder"))
    english = {"Accept-Language": "en"}
    shown = viewer.get(page(TradeOrder, "change", pulled.order), headers=english).content.decode()
    assert "Chargebacks" in shown
    assert re.search(r"Journal jnl_\w+ · Chargeback", shown)
    assert page(Discrepancy, "change", row.pk) in (
        viewer.get(page(TradeOrder, "change", short.order)).content.decode()
    )
    told = viewer.get(reverse("admin:dossier", args=[pulled.order]), headers=english)
    assert len(re.findall(r">\s*Chargeback\s*<", told.content.decode())) == 1
    assert "Chargeback: L21" in told.content.decode()


def test_the_address_that_the_queue_links_to_offers_the_decision():
    """The list quotes a number's underscore; the page behind that address once offered nothing to anybody."""
    checker = operator_with(
        "console.view_proposal", "console.approve_proposal", "console.approve_payer_top_up"
    )
    number = proposed(payer=make_payer(balance=0)).proposal_no
    client = log_in(checker)
    listed = client.get(page(Proposal, "changelist"), {"q": number}).content.decode()
    address = page(Proposal, "change", quote(number))
    assert address in listed
    assert act_page(Proposal, quote(number), "approve") in client.get(address).content.decode()
