"""The dossier: everything about an order in time order, signed, without secrets."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import override_settings
from django.urls import reverse
from django.utils.translation import override

from acquiring.models import Delivery, MerchantEvent, TradeOrder
from checkout.models import RouteDecision
from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.models import Case, ChannelCallback, LateMoney
from engine.services.calls import make_call
from engine.services.outcomes import apply_attempt_outcome
from ledger import api as ledger
from paymentplatform.console.dossier import NoDossier, build_dossier, sign_dossier, verify_dossier
from paymentplatform.console.models import AuditLog
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.roles import Role
from tests.console import proposals, trades
from tests.console.test_admin import log_in
from tests.makers import make_merchant


@pytest.fixture(scope="module")
def late(unit_database: str) -> Any:
    """An order with late money, a case, a callback with a card number in it, and notices to its merchant."""
    trade = trades.paid_too_late(merchant=make_merchant(late_money_policy="HOLD"))
    ChannelCallback.objects.create(
        channel_code="sandbox",
        headers={"X-Signature": "abc"},
        body=b'{"card_number": "4111111111111111"}',
        attempt_no=trade.attempt,
    )
    return trade


def person(*roles: Role) -> Any:
    return log_in(User.objects.get(username=proposals.operator(*roles)))


def test_everything_is_in_it_oldest_first(late):
    dossier = build_dossier(number=late.order)
    kinds = {entry.kind for entry in dossier.entries}
    assert kinds >= {
        *("order", "payment", "detail", "attempt", "callback", "late_money", "case"),
        *("move", "journal"),
    }
    assert [entry.at for entry in dossier.entries] == sorted(entry.at for entry in dossier.entries)
    known = {entry.number for entry in dossier.entries}
    money = LateMoney.objects.get(order_no=late.order)
    journal = ledger.find_journal(event_type="late_money", event_id=money.pk)
    assert journal is not None
    assert known >= {
        *(late.order, late.payment, late.attempt, money.pk, journal.journal_no),
        Case.objects.get(object_no=money.pk).pk,
    }


def test_what_the_merchant_was_told_is_in_it(unit_database):
    order_no = trades.paid_by_balance(notify_url="https://shop.example/hook").order
    known = {entry.number for entry in build_dossier(number=order_no).entries}
    event = MerchantEvent.objects.get(object_no=order_no)
    assert known >= {event.pk, Delivery.objects.get(event=event).pk}


def test_decisions_stand_where_they_were_made_and_states_as_they_were(unit_database):
    trade = trades.paid_by_balance()
    about = {
        "merchant_no": trade.merchant["merchant_no"],
        "method": "QR_CODE",
        "amount": trades.AMOUNT,
        "currency": "CNY",
    }
    RouteDecision.objects.create(
        payment_no=trade.payment,
        order_no=trade.order,
        **about,
        book_version=1,
        strategy="PRIORITY",
        channel_code="sandbox",
        facts={**about, "seed": trade.payment, "channels": []},  # rehearsals read it, too
        candidates=[],
    )
    document = sign_dossier(build_dossier(number=trade.order))["dossier"]
    told = document["entries"]
    kinds = [entry["kind"] for entry in told]
    assert kinds.index("order") < kinds.index("risk_decision")
    assert kinds[-1] == "route_decision", "made last, told last"
    by_number = {(entry["kind"], entry["number"]): entry for entry in told}
    order = by_number["order", trade.order]
    payment = by_number["payment", trade.payment]
    for entry, began, ended in ((order, "INIT", "SUCCESS"), (payment, "INIT", "PAID")):
        assert entry["data"]["status"] == began
        assert entry["says"].startswith(f"{began}, ")
        assert ended not in entry["says"]
        assert entry["data"]["as_it_stands_now"]["status"] == ended
        moves = [e for e in told if e["kind"] == "move" and e["number"] == entry["number"]]
        assert moves[-1]["data"]["to_status"] == ended
    judged = by_number["risk_decision", trade.payment]
    assert judged["says"].startswith("ALLOW")
    assert judged["data"]["facts"]["method"] == "BALANCE"


def test_inquiries_that_changed_nothing_stand_between_the_moves(unit_database):
    trade = trades.paying()
    for outcome in (Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.PENDING):
        said = ChannelAnswer(outcome, raw='{"card_number": "4111111111111111"}')
        call = make_call("query", lambda said=said: said, object_no=trade.attempt)  # type: ignore[misc]
        apply_attempt_outcome(
            attempt_no=trade.attempt, answer=said, cause=Cause.INQUIRY, calls=[call]
        )
    with override("en"):
        told = sign_dossier(build_dossier(number=trade.attempt))["dossier"]["entries"]
    about = [
        entry["says"] if entry["kind"] == "channel_call" else entry["data"]["to_status"]
        for entry in told
        if entry["number"] == trade.attempt and entry["kind"] in {"channel_call", "move"}
    ]
    assert about == [
        "sandbox, Inquiry: UNKNOWN",
        "UNKNOWN",
        "sandbox, Inquiry: UNKNOWN",
        "sandbox, Inquiry: PENDING",
        "PENDING",
    ]
    support = person(Role.SUPPORT)
    for address in (
        reverse("admin:dossier", args=[trade.order]),
        reverse("admin:engine_channelattempt_change", args=[trade.attempt]),
    ):
        shown = support.get(address, HTTP_ACCEPT_LANGUAGE="zh-hans").content.decode()
        assert "渠道调用" in shown
        assert shown.count("查询") >= 3
        assert "4111111111111111" not in shown


def test_it_is_found_by_any_number(late):
    money = LateMoney.objects.get(order_no=late.order)
    for number in (late.order, late.payment, late.attempt, money.pk, late.trade_no):
        assert build_dossier(number=number).order_no == late.order
    for number in ("ord_x", "pay_x", "nothing"):
        with pytest.raises(NotFound):
            build_dossier(number=number)


def test_no_secret_is_in_it(late):
    text = json.dumps(sign_dossier(build_dossier(number=late.order)))
    assert TradeOrder.objects.get(pk=late.order).cashier_secret not in text
    assert "4111111111111111" not in text
    assert "card_number" in text


def test_the_signature_holds_for_this_document_alone(late, settings, tmp_path):
    signed = json.loads(json.dumps(sign_dossier(build_dossier(number=late.order))))
    assert verify_dossier(signed) == late.order
    with override_settings(SECRET_KEY="another " * 10, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert verify_dossier(signed) == late.order
    with override_settings(SECRET_KEY="another " * 10), pytest.raises(NoDossier):
        verify_dossier(signed)
    changed = copy.deepcopy(signed)
    changed["dossier"]["entries"][0]["says"] += " "
    for wrong in (changed, {}, [], {"dossier": {}, "signature": {}}, None):
        with pytest.raises(NoDossier):
            verify_dossier(wrong)
    file = tmp_path / "dossier.json"
    file.write_text(json.dumps(signed))
    call_command("verify_dossier", str(file), "--json")
    file.write_text(json.dumps(changed))
    with pytest.raises(SystemExit) as end:
        call_command("verify_dossier", str(file), "--json")
    assert end.value.code == 1


def test_the_page_shows_it_and_an_export_is_written_down(late):
    address = reverse("admin:dossier", args=[late.payment])
    support = person(Role.SUPPORT)
    shown = support.get(address).content.decode()
    for text in (late.attempt, "L90:sandbox:CNY", late.trade_no):
        assert text in shown
    (on_paper,) = re.findall(r'<div class="only-print.*?</div>', shown, flags=re.DOTALL)
    assert late.order in on_paper, "paper has no title bar"
    assert "4111111111111111" not in shown
    assert support.post(address, {"reason": " "}).status_code == 200
    assert not AuditLog.objects.filter(action="export_dossier", object_no=late.order).exists()
    answer = support.post(address, {"reason": "asked by the court"})
    assert verify_dossier(json.loads(answer.content)) == late.order
    line = AuditLog.objects.get(action="export_dossier", object_no=late.order)
    assert (line.reason, len(line.after["sha256"])) == ("asked by the court", 64)


def test_the_page_speaks_the_operators_language_and_the_document_english(late):
    address = reverse("admin:dossier", args=[late.order])
    support = person(Role.SUPPORT)
    chinese = {"HTTP_ACCEPT_LANGUAGE": "zh-hans"}
    shown = support.get(address, **chinese).content.decode()
    for text in (
        "订单: INIT → PAYING",
        "迟到资金: A10:sandbox:CNY",
        "OPEN, 迟到资金",
        "付款: INIT → PAYING",
    ):
        assert text in shown, text
    for text in ("trade_order", "late_money:"):
        assert text not in re.sub(r"<pre.*?</pre>", "", shown, flags=re.DOTALL), text
    document = json.loads(support.post(address, {"reason": "for the court"}, **chinese).content)
    assert verify_dossier(document) == late.order
    said = [entry["says"] for entry in document["dossier"]["entries"]]
    assert not re.search("[\u4e00-\u9fff]", "".join(said))
    assert any(line.startswith("Order: INIT → PAYING") for line in said)


def test_who_may_not_export_or_look_does_not(late):
    address = reverse("admin:dossier", args=[late.order])
    viewer = person(Role.VIEWER)
    assert viewer.get(address).status_code == 200
    assert viewer.post(address, {"reason": "curious"}).status_code == 403
    nobody = log_in(User.objects.create_user(username=late.order, is_staff=True))
    assert nobody.get(address).status_code == 403
    assert not AuditLog.objects.filter(reason="curious").exists()
    assert viewer.get(reverse("admin:dossier", args=["ord_x"])).status_code == 404
