"""The dead letters of merchants: found by merchant, reason and age, delivered again only by a confirmed POST."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from acquiring.models import Delivery, WebhookEndpoint
from acquiring.services import letters, redeliveries
from acquiring.services.redeliveries import redeliver_event
from acquiring.services.webhook_endpoints import disable_endpoint, enable_endpoint
from acquiring.webhooks.schedule import Verdict
from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from tests.acquiring.outbox import (
    DEAD,
    DELIVERED,
    REFUSED,
    end_deliveries,
    list_statuses,
    make_endpoint,
    record_event,
)
from tests.clock import VirtualClock
from tests.console.test_admin import act_page, log_in, operator_with
from tests.makers import make_merchant

LIST = reverse("admin:acquiring_delivery_changelist")


@pytest.fixture(scope="module")
def operator(unit_database: str) -> User:
    return User.objects.create_superuser(username=numbers.new_number("op"), password=None)


@pytest.fixture
def client(operator: User) -> Client:
    client = log_in(operator)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def merchant_no() -> str:
    return make_merchant()["merchant_no"]


def dead_letters(merchant_no: str, count: int = 1, verdict: Any = DEAD) -> list[str]:
    """Make so many events whose only delivery is dead; returns their ids."""
    made = [record_event(merchant_no) for _ in range(count)]
    end_deliveries(merchant_no, verdict)
    return made


def delivery_of(event_id: str) -> str:
    return str(Delivery.objects.filter(event_id=event_id).latest("created_at", "delivery_no").pk)


def shown(client: Client, merchant_no: str, **query: str) -> list[str]:
    """The deliveries of this merchant that the list shows."""
    page = client.get(LIST, {"status__exact": "DEAD", "merchant": merchant_no} | query)
    assert page.status_code == 200
    return sorted(row.pk for row in page.context["cl"].result_list)


def choose(delivery_nos: list[str], **answers: str) -> dict[str, Any]:
    return {"action": "redeliver_chosen", "_selected_action": delivery_nos} | answers


def test_list_is_narrowed_by_merchant_reason_and_age(
    client: Client, merchant_no: str, clock: VirtualClock
):
    (old,) = dead_letters(merchant_no)
    clock.advance(2 * 86400)
    (young,) = dead_letters(merchant_no, verdict=REFUSED)
    dead_letters(make_merchant()["merchant_no"])
    record_event(merchant_no)
    both = sorted([delivery_of(old), delivery_of(young)])
    assert shown(client, merchant_no) == both
    assert shown(client, merchant_no, reason="exhausted") == [delivery_of(old)]
    assert shown(client, merchant_no, reason="url_refused") == [delivery_of(young)]
    assert shown(client, merchant_no, reason="gone") == []
    assert shown(client, merchant_no, age="week") == [delivery_of(old)]
    assert shown(client, merchant_no, age="hour") == [delivery_of(young)]
    assert shown(client, merchant_no, age="older") == []


def test_merchant_and_sidebar_lead_there(client: Client, merchant_no: str):
    again, _left = dead_letters(merchant_no, 2)
    dead_letters(merchant_no)
    redeliver_event(event_id=again)
    page = client.get(reverse("admin:acquiring_merchant_change", args=[merchant_no]))
    text = page.content.decode()
    dead = "status__exact=DEAD&resent=no"
    assert f'{LIST}?{dead}&merchant={merchant_no}">2</a>' in text.replace("&amp;", "&")
    assert f'href="{LIST}?{dead}"' in text.replace("&amp;", "&")
    assert reverse("admin:acquiring_webhookendpoint_changelist") in text
    assert len(shown(client, merchant_no)) == 3
    assert delivery_of(again) not in shown(client, merchant_no, resent="no")
    assert len(shown(client, merchant_no, resent="no")) == 2
    assert len(shown(client, merchant_no, resent="yes")) == 1


def test_chosen_ones_are_delivered_again_once_and_audited(
    client: Client, operator: User, merchant_no: str
):
    first, second, left = dead_letters(merchant_no, 3)
    chosen = [delivery_of(first), delivery_of(second)]

    asked = client.post(LIST, choose(chosen))
    assert asked.status_code == 200
    assert all(number in asked.content.decode() for number in chosen)
    assert "New deliveries that will be made: 2." in asked.content.decode()
    assert client.post(LIST, choose(chosen, confirmed="yes", reason=" ")).status_code == 200
    assert [list_statuses(event) for event in (first, second)] == [["DEAD"]] * 2

    confirmed = choose(chosen, confirmed="yes", reason="because")
    done = client.post(LIST, confirmed, follow=True)
    assert "2 new deliveries are due." in done.content.decode()
    again = client.post(LIST, confirmed, follow=True)
    assert "Passed over: 2 (sent again since: 2)." in again.content.decode()
    assert [list_statuses(event) for event in (first, second)] == [["DEAD", "DUE"]] * 2
    assert list_statuses(left) == ["DEAD"]
    lines = AuditLog.objects.filter(action="redeliver_chosen", object_no__in=[first, second])
    assert sorted(lines.values_list("object_no", "operator", "reason")) == sorted(
        (event, operator.username, "because") for event in (first, second)
    )


def test_only_dead_ones_are_sent(client: Client, merchant_no: str):
    fine = record_event(merchant_no)
    end_deliveries(merchant_no, DELIVERED)
    waiting = record_event(merchant_no)
    chosen = [delivery_of(fine), delivery_of(waiting)]
    done = client.post(LIST, choose(chosen, confirmed="yes", reason="because"), follow=True)
    assert "Passed over: 2 (neither dead nor skipped: 2)." in done.content.decode()
    assert (list_statuses(fine), list_statuses(waiting)) == (["DELIVERED"], ["DUE"])
    assert not AuditLog.objects.filter(object_no__in=[fine, waiting]).exists()


def test_nothing_happens_without_post_permission_and_token(client: Client, merchant_no: str):
    (event_id,) = dead_letters(merchant_no)
    confirmed = choose([delivery_of(event_id)], confirmed="yes", reason="because")
    viewer = log_in(operator_with("acquiring.view_delivery"))
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(
        operator_with("acquiring.add_delivery"), backend="django.contrib.auth.backends.ModelBackend"
    )
    client.get(LIST, confirmed)
    viewer.post(LIST, confirmed)
    assert careful.post(LIST, confirmed).status_code == 403
    assert Client().post(LIST, confirmed).status_code == 302
    assert "redeliver_chosen" not in viewer.get(LIST).content.decode()
    assert "redeliver_chosen" in client.get(LIST).content.decode()
    assert list_statuses(event_id) == ["DEAD"]
    assert not AuditLog.objects.filter(object_no=event_id).exists()


def test_merchants_dead_letters_go_out_in_batches(
    client: Client, merchant_no: str, monkeypatch: pytest.MonkeyPatch
):
    """Letters to an endpoint that is off do not stand in the way of the others."""
    monkeypatch.setattr(redeliveries, "BATCH", 2)
    endpoint_id = make_endpoint(merchant_no, "https://off.example.com/")
    stuck = record_event(merchant_no, None)
    end_deliveries(merchant_no, DEAD)
    assert not WebhookEndpoint.objects.get(endpoint_id=endpoint_id).enabled
    events = dead_letters(merchant_no, 3)

    address = act_page_of(merchant_no)
    asked = client.get(address).content.decode()
    assert "Sent again: 3 dead and 0 skipped" in asked
    assert "1 stays: its endpoint is off." in asked
    said = client.post(address, {"reason": "because"}, follow=True).content.decode()
    assert "2 new deliveries are due. 1 is left: press again. 1 stays: its endpoint is off." in said
    said = client.post(address, {"reason": "because"}, follow=True).content.decode()
    assert "1 new delivery is due. 1 stays: its endpoint is off." in said
    assert [list_statuses(event) for event in events] == [["DEAD", "DUE"]] * 3
    assert list_statuses(stuck) == ["DEAD"]
    assert address not in said
    said = client.post(address, {"reason": "because"}, follow=True).content.decode()
    assert "There is nothing to do" in said
    lines = AuditLog.objects.filter(action="redeliver_dead_letters", object_no=merchant_no)
    assert lines.count() == 2


def test_what_was_skipped_while_an_endpoint_was_off_goes_out(client: Client, merchant_no: str):
    """Once to each endpoint that wants it, with the dead letters; chosen from the list as well."""
    endpoint_id = make_endpoint(merchant_no, "https://off.example.com/", events=("order.success",))
    queued = record_event(merchant_no, None)
    disable_endpoint(endpoint_id=endpoint_id)
    first, second = record_event(merchant_no, None), record_event(merchant_no, None)
    unwanted = record_event(merchant_no, None, kind="order.failed")
    every = [queued, first, second, unwanted]
    assert [list_statuses(event) for event in every] == [["SKIPPED"]] * 4
    enable_endpoint(endpoint_id=endpoint_id)

    chosen = choose([delivery_of(first), delivery_of(unwanted)], confirmed="yes", reason="x")
    said = client.post(LIST, chosen, follow=True).content.decode()
    assert "1 new delivery is due. Passed over: 1 (there is nowhere to send it: 1)." in said
    address = act_page_of(merchant_no)
    assert "Sent again: 0 dead and 2 skipped" in client.get(address).content.decode()
    said = client.post(address, {"reason": "because"}, follow=True).content.decode()
    assert "2 new deliveries are due." in said
    assert [list_statuses(event) for event in every] == [["SKIPPED", "DUE"]] * 3 + [["SKIPPED"]]
    said = client.post(address, {"reason": "because"}, follow=True).content.decode()
    assert "There is nothing to do" in said
    due = Delivery.objects.filter(merchant_no=merchant_no, status="DUE")
    assert set(due.values_list("endpoint_id", flat=True)) == {endpoint_id}


def test_a_press_looks_at_so_many_newest_events_only(
    client: Client, merchant_no: str, monkeypatch: pytest.MonkeyPatch
):
    # Two numbers of one millisecond sort by chance: the newer one is the larger.
    _older, newer = sorted(record_event(merchant_no, None) for _each in range(2))
    make_endpoint(merchant_no, "https://later.example.com/")
    monkeypatch.setattr(letters, "MOST_EVENTS", 1)
    address = act_page_of(merchant_no)
    assert "0 dead and 1 skipped" in client.get(address).content.decode()
    client.post(address, {"reason": "because"})
    (sent,) = Delivery.objects.filter(merchant_no=merchant_no, status="DUE")
    assert sent.event_id == newer


def test_an_endpoints_page_leads_to_what_failed(client: Client, merchant_no: str):
    endpoint_id = make_endpoint(merchant_no, "https://off.example.com/")
    event_id = record_event(merchant_no, None)
    end_deliveries(merchant_no, Verdict("DEAD", "gone"), status_code=410, error="status")
    failed = delivery_of(event_id)
    record_event(merchant_no)
    end_deliveries(merchant_no, DEAD)
    where = reverse("admin:acquiring_webhookendpoint_change", args=[endpoint_id])
    text = client.get(where).content.decode().replace("&amp;", "&")
    assert f'{LIST}?status__exact=DEAD&resent=no&q={endpoint_id}">1</a>' in text
    assert "gone: the receiver answered 410" in text
    assert failed in text
    shown_there = client.get(LIST, {"status__exact": "DEAD", "resent": "no", "q": endpoint_id})
    assert [row.pk for row in shown_there.context["cl"].result_list] == [failed]
    delivery = reverse("admin:acquiring_delivery_change", args=[failed])
    assert "gone: the receiver answered 410" in client.get(delivery).content.decode()


def act_page_of(merchant_no: str) -> str:
    from acquiring.models import Merchant

    return act_page(Merchant, merchant_no, "redeliver-dead-letters")
