"""Lists: by key and never counted, exported with a reason, harmless to a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from acquiring.models import Delivery, Merchant, TradeOrder
from checkout.models import AgreementRequest, PayerWallet, RiskDecision
from engine.models import Case, ChannelAttempt, Discrepancy, LateMoney, PaymentOrder, Refund
from ledger import api as ledger
from ledger.models import Journal
from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from paymentplatform.kernel.admin_lists import is_keyset_order
from paymentplatform.kernel.roles import Role
from paymentplatform.kernel.spreadsheets import make_harmless
from tests.console import proposals, trades
from tests.console.test_admin import OURS, log_in, page
from tests.makers import make_merchant

NUMBER = re.compile(r">\s*(ord_[0-9a-z]{22})\s*</a>")
BY_KEY = [model for model in OURS if is_keyset_order(model, admin.site._registry[model].ordering)]


def person(*roles: Role):
    return log_in(User.objects.get(username=proposals.operator(*roles)))


def numbers_on(text: str) -> list[str]:
    return list(dict.fromkeys(NUMBER.findall(text)))


def test_pages_follow_one_another_without_gap_or_repetition(monkeypatch):
    merchant = make_merchant()
    mine = sorted((trades.placed(merchant=merchant).order for _ in range(7)), reverse=True)
    monkeypatch.setattr(admin.site._registry[TradeOrder], "list_per_page", 3)
    client, seen = person(Role.VIEWER), []
    address = f"{page(TradeOrder, 'changelist')}?q={merchant['merchant_no']}"
    there = []
    while address:
        there.append(address)
        text = client.get(address).content.decode()
        seen.append(numbers_on(text))
        older = re.search(r'rel="next"[^>]*href="([^"]+)"', text)
        address = older and page(TradeOrder, "changelist") + older[1].replace("&amp;", "&")
    assert seen == [mine[:3], mine[3:6], mine[6:]]
    newer = re.search(r'rel="prev"[^>]*href="([^"]+)"', client.get(there[-1]).content.decode())
    back = page(TradeOrder, "changelist") + newer[1].replace("&amp;", "&")
    assert numbers_on(client.get(back).content.decode()) == mine[3:6]


@pytest.mark.parametrize("model", BY_KEY, ids=lambda model: model._meta.label)
def test_nothing_is_counted_and_nothing_skipped(model):
    client = log_in(User.objects.create_superuser(username=numbers.new_number("op")))
    client.get(page(model, "changelist"))
    with CaptureQueriesContext(connection) as asked:
        assert client.get(page(model, "changelist"), {"o": "1"}).status_code == 200
    table = model._meta.db_table
    about = [query["sql"] for query in asked if f'"{table}"' in query["sql"]]
    assert about
    assert not [sql for sql in about if "COUNT(" in sql or "OFFSET" in sql or "DISTINCT" in sql]
    for odd in ("x", "0", "ord_", "%27", "9" * 30):
        assert client.get(page(model, "changelist"), {"after": odd}).status_code == 200


def test_a_period_is_a_range_of_keys():
    order_no = trades.placed().order
    client = person(Role.VIEWER)
    with CaptureQueriesContext(connection) as asked:
        text = client.get(page(TradeOrder, "changelist"), {"made": "hour"}).content.decode()
    assert order_no in text
    assert any('"order_no" >= ' in query["sql"] for query in asked)
    assert client.get(page(TradeOrder, "changelist"), {"made": "century"}).status_code == 200


def test_a_filter_alone_reads_no_more_than_a_day_of_a_long_list():
    client = person(Role.VIEWER)
    for chosen, bounded in (({}, True), ({"q": "x"}, False)):
        with CaptureQueriesContext(connection) as asked:
            client.get(page(TradeOrder, "changelist"), {"status__exact": "FAILED"} | chosen)
        assert any('"order_no" >= ' in query["sql"] for query in asked) is bounded, chosen


def test_what_no_index_finds_is_looked_for_step_by_step(monkeypatch):
    """At any time, too: a page looks through so many rows, says so, and its links go on from there, both ways."""
    merchant = make_merchant()
    listed = admin.site._registry[TradeOrder]
    monkeypatch.setattr(listed, "scanned_rows", 3)
    rare = trades.placed(merchant=merchant).order
    TradeOrder.objects.filter(pk=rare).update(closing=True)
    for _ in range(7):
        trades.placed(merchant=merchant)
    client, address = person(Role.VIEWER), page(TradeOrder, "changelist")
    query, presses, seen = "?closing__exact=1&made=ever", 0, []
    while rare not in seen:
        with CaptureQueriesContext(connection) as asked:
            text = client.get(address + query, headers={"Accept-Language": "en"}).content.decode()
        (sql,) = [
            one["sql"] for one in asked if '"closing" ' in one["sql"] and "LIMIT 51" in one["sql"]
        ]
        assert '"order_no" >= ' in sql
        seen, presses = numbers_on(text), presses + 1
        assert presses <= 4
        if rare not in seen:
            assert "Looked through 3 rows" in text
            (older,) = re.findall(r'rel="next"[^>]*href="([^"]+)"', text)
            query = older.replace("&amp;", "&")
    assert presses == 2, "eight rows, four at a time: three and the one it stops at"
    back = re.findall(r'rel="prev"[^>]*href="([^"]+)"', text)[0].replace("&amp;", "&")
    shown = client.get(address + back, headers={"Accept-Language": "en"}).content.decode()
    assert rare not in numbers_on(shown)
    assert "Looked through 3 rows" in shown
    monkeypatch.setattr(listed, "scanned_rows", 100_000)
    shown = client.get(address, {"closing__exact": "1", "made": "hour"}).content.decode()
    assert rare in numbers_on(shown)


def test_a_day_of_the_books_is_found_by_the_key(clock):
    """Not while the clock is moved: numbers tell real time, and then the date alone narrows the list."""
    journal = ledger.find_journal(
        event_type="payment_paid", event_id=trades.paid_by_balance().payment
    )
    client, address = person(Role.ACCOUNTANT), page(Journal, "changelist")
    for moved, on_that_day in ((0, True), (3 * 86_400, True)):
        clock.advance(moved)
        for days, shown in ((0, on_that_day), (-2, False), (2, False)):
            first = journal.accounting_date + timedelta(days=days)
            chosen = {
                "accounting_date__gte": str(first),
                "accounting_date__lt": str(first + timedelta(days=1)),
                "event_type__exact": "payment_paid",
            }
            with CaptureQueriesContext(connection) as asked:
                text = client.get(address, chosen).content.decode()
            assert (journal.journal_no in text) is shown, (moved, days)
            bounded = any('"journal_no" < ' in one["sql"] for one in asked)
            assert bounded is (moved == 0), (moved, days)


@pytest.mark.parametrize(
    ("model", "rare", "common", "condition"),
    [
        (Case, "OPEN", "RESOLVED", '"resolved_at" IS NULL'),
        (Discrepancy, "OPEN", "RESOLVED", '"resolved_at" IS NULL'),
        (LateMoney, "OPEN", "REFUNDED", '"resolved_at" IS NULL'),
        (Delivery, "DUE", "DELIVERED", '"due_at" IS NOT NULL'),
    ],
)
def test_a_rare_state_is_found_by_its_own_index(model, rare, common, condition):
    client = log_in(User.objects.create_superuser(username=numbers.new_number("op")))
    for status, known in ((rare, True), (common, False)):
        with CaptureQueriesContext(connection) as asked:
            client.get(page(model, "changelist"), {"status__exact": status})
        about = [one["sql"] for one in asked if f'FROM "{model._meta.db_table}"' in one["sql"]]
        assert any(condition in sql for sql in about) is known, status


def test_no_list_offers_counts_beside_its_filters():
    """Django's own would count every row once for each choice."""
    client = log_in(User.objects.create_superuser(username=numbers.new_number("op")))
    for model in OURS:
        address = page(model, "changelist")
        assert "_facets" not in client.get(address).content.decode(), model
        with CaptureQueriesContext(connection) as asked:
            client.get(address, {"_facets": "True"})
        assert not [one for one in asked if "COUNT(" in one["sql"] and "FILTER" in one["sql"]]


def test_a_list_is_planned_for_what_it_is_asked_for():
    """A plan for any value cannot know that a rare state has an index of its own: it would read every row."""
    client = person(Role.VIEWER)
    with CaptureQueriesContext(connection) as asked:
        client.get(page(RiskDecision, "changelist"), {"outcome__exact": "BLOCK"})
    sql = [query["sql"] for query in asked]
    (at,) = [n for n, one in enumerate(sql) if 'FROM "checkout_risk_decision"' in one]
    assert "SET plan_cache_mode = force_custom_plan" in sql[:at]
    with connection.cursor() as cursor:
        cursor.execute("SHOW plan_cache_mode")
        assert cursor.fetchone() == ("auto",), "payments keep their plans"


def test_what_no_index_finds_is_looked_for_in_a_day():
    client = person(Role.VIEWER)
    for asked_for, bounded in (("pyr_" + "0" * 22, True), ("ord_" + "0" * 22, False)):
        with CaptureQueriesContext(connection) as asked:
            client.get(page(PaymentOrder, "changelist"), {"q": asked_for})
        assert any('"payment_no" >= ' in query["sql"] for query in asked) is bounded, asked_for
    for status, bounded in (("UNKNOWN", False), ("SUCCEEDED", True)):
        with CaptureQueriesContext(connection) as asked:
            client.get(page(ChannelAttempt, "changelist"), {"status__exact": status})
        assert any('"attempt_no" >= ' in query["sql"] for query in asked) is bounded, status


@pytest.mark.parametrize(
    ("model", "key", "asked_for", "bounded"),
    [
        (Delivery, "delivery_no", {"status__exact": "SKIPPED"}, True),
        (Delivery, "delivery_no", {"status__exact": "SKIPPED", "age": "older"}, False),
        (Delivery, "delivery_no", {"status__exact": "DEAD", "resent": "no"}, False),
        (Journal, "journal_no", {"event_type__exact": "reversal"}, True),
    ],
)
def test_a_list_is_not_cut_to_a_day_where_its_filter_names_a_time(
    unit_database, model, key, asked_for, bounded
):
    client = person(Role.VIEWER)
    with CaptureQueriesContext(connection) as asked:
        assert client.get(page(model, "changelist"), asked_for).status_code == 200
    assert any(f'"{key}" >= ' in query["sql"] for query in asked) is bounded


def test_an_attempt_is_found_by_its_order_and_by_the_channels_number():
    trade = trades.paid_by_channel()
    client = person(Role.VIEWER)
    for number in (trade.order, trade.trade_no, trade.attempt, trade.payment):
        shown = client.get(page(ChannelAttempt, "changelist"), {"q": number}).content.decode()
        assert trade.attempt in shown, number


def test_a_refund_is_found_by_all_it_is_of_through_its_order():
    trade = trades.refunded(trades.paid_by_channel())
    other = trades.refunded(trades.paid_by_channel())
    refund, another = (Refund.objects.get(order_no=one.order).pk for one in (trade, other))
    client = person(Role.VIEWER)
    for number in (trade.order, trade.payment, trade.attempt, refund):
        with CaptureQueriesContext(connection) as asked:
            shown = client.get(page(Refund, "changelist"), {"q": number}).content.decode()
        assert (refund in shown, another in shown) == (True, False), number
        (sql,) = [
            one["sql"]
            for one in asked
            if 'FROM "engine_refund" ' in one["sql"] and "LIMIT 51" in one["sql"]
        ]
        assert '"order_no" = ' in sql or number in {refund, trade.payment}
    assert (
        refund
        not in client.get(page(Refund, "changelist"), {"q": "att_" + "0" * 22}).content.decode()
    )


def test_an_export_is_streamed_and_written_down():
    merchant = make_merchant()
    mine = sorted((trades.placed(merchant=merchant).order for _ in range(3)), reverse=True)
    TradeOrder.objects.filter(pk=mine[0]).update(description='=HYPERLINK("http://evil")')
    address = f"{page(TradeOrder, 'changelist')}export/?q={merchant['merchant_no']}"
    accountant = person(Role.ACCOUNTANT)
    assert accountant.post(address, {"reason": " "}).status_code == 200
    answer = accountant.post(address, {"reason": "month end"})
    assert answer.streaming
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["order_no"] for row in rows] == mine
    assert rows[0]["description"] == '\'=HYPERLINK("http://evil")'
    assert "cashier_secret" not in rows[0]
    line = AuditLog.objects.filter(action="export_list").latest("id")
    assert (line.object_no, line.reason) == ("acquiring.tradeorder", "month end")
    assert line.after["filters"] == {"q": merchant["merchant_no"]}


def test_who_may_not_export_does_not():
    before = AuditLog.objects.filter(action="export_list").count()
    address = f"{page(Merchant, 'changelist')}export/"
    for role in (Role.VIEWER, Role.SUPPORT):
        client = person(role)
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": "curious"}).status_code == 403
        assert address not in client.get(page(Merchant, "changelist")).content.decode()
    assert AuditLog.objects.filter(action="export_list").count() == before


def test_secrets_are_in_no_export():
    make_merchant()
    client = log_in(User.objects.create_superuser(username=numbers.new_number("op")))
    for model in OURS:
        answer = client.post(f"{page(model, 'changelist')}export/?q=nothing", {"reason": "look"})
        assert answer.status_code == 200, (model._meta.label, answer.headers)
        heading = b"".join(answer.streaming_content).decode("utf-8-sig").split("\n", 1)[0]
        for word in ("secret", "token", "password", "cashier"):
            assert word not in heading, model._meta.label


def test_documents_lose_their_secrets_in_an_export():
    trade = trades.paying()
    PaymentOrder.objects.filter(pk=trade.payment).update(
        context={
            "options": {"card_token": "tok_of_the_channel"},
            "return_url": "https://pay.example/cashier/secretaddress/return",
        }
    )
    address = f"{page(PaymentOrder, 'changelist')}export/?q={trade.payment}"
    answer = person(Role.ACCOUNTANT).post(address, {"reason": "month end"})
    text = b"".join(answer.streaming_content).decode()
    assert trade.payment in text
    assert "of_the_channel" not in text
    assert "secretaddress" not in text


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        (PayerWallet, "password_hash__startswith"),
        (AgreementRequest, "page_secret__startswith"),
        (TradeOrder, "cashier_secret__startswith"),
        (Merchant, "no_such_column"),
    ],
)
def test_nobody_asks_how_a_secret_begins(model, lookup):
    make_merchant()
    client = person(Role.VIEWER)
    answer = client.get(page(model, "changelist"), {lookup: "$argon2"})
    assert answer.status_code in {302, 400}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        *((f"{sign}1", f"'{sign}1") for sign in "\uff1d\uff0b\uff0d\uff20"),
        (-1, "-1"),
        (12.5, "12.5"),
        (None, ""),
        ("ord_1", "ord_1"),
    ],
)
def test_no_cell_is_a_formula(value, shown):
    assert make_harmless(value) == shown


def test_a_view_is_saved_for_oneself_and_forgotten():
    mine, other = person(Role.VIEWER), person(Role.VIEWER)
    address = page(TradeOrder, "changelist")
    saved = {"name": "failed today", "query": "status__exact=FAILED&made=day&after=ord_x"}
    went = mine.post(f"{address}save-view/", saved)
    assert went["Location"].startswith(f"{address}?status__exact=FAILED")
    link = 'href="?status__exact=FAILED&amp;made=day"'
    assert link in mine.get(address).content.decode()
    assert link not in other.get(address).content.decode()
    assert mine.get(f"{address}save-view/").status_code == 403
    mine.post(f"{address}save-view/", {"name": " ", "query": "q=x"})
    mine.post(f"{address}save-view/", {"name": "failed today", "query": ""})
    assert link not in mine.get(address).content.decode()
    nobody = log_in(User.objects.create_user(username=numbers.new_number("op"), is_staff=True))
    assert nobody.post(f"{address}save-view/", saved).status_code == 403
