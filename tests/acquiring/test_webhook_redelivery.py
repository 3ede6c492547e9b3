"""Sending an event once more: by service and by ``manage.py resend_notifications``."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from celery import current_app
from django.core.management import CommandError, call_command

from acquiring.contracts import NoDeliveryTarget
from acquiring.models import Delivery, WebhookEndpoint
from acquiring.services.merchants import create_merchant
from acquiring.services.notifications import deliver_due_notifications
from acquiring.services.redeliveries import redeliver_event, resend_deliveries
from acquiring.services.webhook_endpoints import disable_endpoint, enable_endpoint
from paymentplatform.kernel.errors import NotFound
from tests.acquiring.outbox import (
    DEAD,
    DELIVERED,
    REFUSED,
    end_deliveries,
    list_statuses,
    make_endpoint,
    record_event,
)
from tests.barrier import run_together
from tests.webhook_receiver import WebhookReceiver


@pytest.fixture(autouse=True)
def silent_doorbell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis is not there: whatever is promised here holds without it."""

    def fail(*_: Any, **__: Any) -> None:
        raise ConnectionError("no Redis")

    monkeypatch.setattr(current_app, "send_task", fail)


@pytest.fixture
def merchant_no() -> str:
    return create_merchant(name="Redelivery shop").merchant_no


def resend(*arguments: str) -> dict[str, Any]:
    output = StringIO()
    call_command("resend_notifications", *arguments, "--json", stdout=output)
    return dict(json.loads(output.getvalue()))


def test_redelivery_is_a_new_delivery_of_the_same_event(merchant_no: str) -> None:
    with WebhookReceiver() as receiver:
        event_id = record_event(merchant_no, receiver.url("/again"))
        end_deliveries(merchant_no, DEAD)
        (delivery_no,) = redeliver_event(event_id=event_id, merchant_no=merchant_no)
        assert list_statuses(event_id) == ["DEAD", "DUE"]
        deliver_due_notifications()
        (request,) = receiver.list_requests("/again")
    assert request.headers["webhook-id"] == event_id
    assert Delivery.objects.get(delivery_no=delivery_no).status == "DELIVERED"
    assert list_statuses(event_id) == ["DEAD", "DELIVERED"]


def test_each_target_once_however_often_it_was_redelivered(merchant_no: str) -> None:
    event_id = record_event(merchant_no, "https://shop.example.com/")
    for expected in (2, 3, 4):
        end_deliveries(merchant_no, DELIVERED)
        assert len(redeliver_event(event_id=event_id)) == 1
        assert len(redeliver_event(event_id=event_id)) == 1
        assert len(list_statuses(event_id)) == expected


def test_dead_letter_of_a_disabled_endpoint_is_reported(merchant_no: str) -> None:
    """It goes to where the endpoint is now, and nowhere once it is disabled."""
    endpoint_id = make_endpoint(merchant_no, "https://old.example.com/")
    event_id = record_event(merchant_no, None)
    end_deliveries(merchant_no, REFUSED)
    endpoint = WebhookEndpoint.objects.filter(endpoint_id=endpoint_id)
    endpoint.update(url="https://new.example.com/")
    assert resend_deliveries(status="DEAD", merchant_no=merchant_no).resent == [event_id]
    due = Delivery.objects.get(event_id=event_id, status="DUE")
    assert (due.url, due.endpoint_id) == ("https://new.example.com/", endpoint_id)
    end_deliveries(merchant_no, REFUSED)
    endpoint.update(enabled=False, disabled_reason="gone", disabled_at="2026-01-01T00:00:00Z")
    report = resend_deliveries(status="DEAD", merchant_no=merchant_no)
    assert (report.resent, report.failures) == ([], [(event_id, "no_delivery_target")])
    assert list_statuses(event_id) == ["DEAD", "DEAD"]


def test_foreign_and_unknown_events_are_absent(merchant_no: str) -> None:
    event_id = record_event(merchant_no, "https://shop.example.com/")
    with pytest.raises(NotFound):
        redeliver_event(event_id=event_id, merchant_no="mch_other")
    with pytest.raises(NotFound):
        redeliver_event(event_id="evt_unknown")
    assert list_statuses(event_id) == ["DUE"]


def test_event_without_address_cannot_be_redelivered(merchant_no: str) -> None:
    event_id = record_event(merchant_no, None)
    with pytest.raises(NoDeliveryTarget):
        redeliver_event(event_id=event_id)
    assert list_statuses(event_id) == ["SKIPPED"]


def test_command_resends_what_died_and_only_once(merchant_no: str) -> None:
    dead = [record_event(merchant_no, "https://shop.example.com/") for _ in range(3)]
    end_deliveries(merchant_no, DEAD)
    fine = record_event(merchant_no, "https://shop.example.com/")
    end_deliveries(merchant_no, DELIVERED)
    arguments = ("--status", "DEAD", "--merchant", merchant_no)

    tried = resend(*arguments, "--dry-run")
    assert (tried["dry_run"], sorted(tried["resent"])) == (True, sorted(dead))
    assert [list_statuses(event_id) for event_id in dead] == [["DEAD"]] * 3

    done = resend(*arguments)
    assert (sorted(done["resent"]), done["failures"]) == (sorted(dead), [])
    assert [list_statuses(event_id) for event_id in dead] == [["DEAD", "DUE"]] * 3
    assert list_statuses(fine) == ["DELIVERED"]
    assert resend(*arguments)["resent"] == []


def test_command_resends_what_was_skipped_while_an_endpoint_was_off(merchant_no: str) -> None:
    endpoint_id = make_endpoint(merchant_no, "https://x.example.com/", events=("order.success",))
    other = make_endpoint(merchant_no, "https://y.example.com/", events=("refund.success",))
    queued = record_event(merchant_no, None)
    gone = record_event(merchant_no, None, kind="refund.success")
    endpoints = WebhookEndpoint.objects.filter(merchant_id=merchant_no)
    for endpoint in endpoints:
        disable_endpoint(endpoint_id=endpoint.endpoint_id)
    missed = record_event(merchant_no, None)
    unwanted = record_event(merchant_no, None, kind="order.failed")
    enable_endpoint(endpoint_id=endpoint_id)
    arguments = ("--status", "SKIPPED", "--merchant", merchant_no)
    for extra, statuses in ((("--dry-run",), ["SKIPPED"]), ((), ["SKIPPED", "DUE"])):
        output = StringIO()
        with pytest.raises(SystemExit):
            call_command("resend_notifications", *arguments, *extra, "--json", stdout=output)
        done = json.loads(output.getvalue())
        assert sorted(done["resent"]) == sorted([queued, missed])
        assert done["failures"] == [{"event_id": gone, "code": "no_delivery_target"}]
        assert done["passed_over"] == {"endpoint_off": 1, "no_target": 3}
        assert [list_statuses(event) for event in (queued, missed)] == [statuses] * 2
    assert [list_statuses(event) for event in (gone, unwanted)] == [["SKIPPED"]] * 2
    output = StringIO()
    with pytest.raises(SystemExit):
        call_command("resend_notifications", *arguments, stdout=output)
    assert output.getvalue() == (
        "0 new deliveries made.\nPassed over: 1 endpoint_off.\nPassed over: 3 no_target.\n"
        f"Passed over: 1 sent_since.\n{gone}: no_delivery_target\n"
    )
    enable_endpoint(endpoint_id=other)
    assert resend(*arguments)["resent"] == [gone]


def test_resending_at_once_resends_once(merchant_no: str) -> None:
    def resend_dead() -> int:
        return len(resend_deliveries(status="DEAD", merchant_no=merchant_no).resent)

    for _round in range(8):
        event_id = record_event(merchant_no, "https://shop.example.com/")
        end_deliveries(merchant_no, DEAD)
        assert sorted(run_together([resend_dead] * 6)) == [0, 0, 0, 0, 0, 1]
        assert list_statuses(event_id) == ["DEAD", "DUE"]
        end_deliveries(merchant_no, DELIVERED)


def test_command_resends_chosen_events_and_reports_the_others(merchant_no: str) -> None:
    event_id = record_event(merchant_no, "https://shop.example.com/")
    output = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(
            "resend_notifications", "--event", event_id, "--event", "evt_x", "--json", stdout=output
        )
    assert ended.value.code == 1
    assert json.loads(output.getvalue()) == {
        "dry_run": False,
        "resent": [event_id],
        "failures": [{"event_id": "evt_x", "code": "not_found"}],
        "passed_over": {},
    }
    assert list_statuses(event_id) == ["DUE"]


def test_command_speaks_to_people_too(merchant_no: str) -> None:
    event_id = record_event(merchant_no, "https://shop.example.com/")
    output = StringIO()
    call_command("resend_notifications", "--event", event_id, "--dry-run", stdout=output)
    assert output.getvalue() == "1 new delivery would be made.\n"
    with pytest.raises(SystemExit):
        call_command("resend_notifications", "--event", "evt_x", stdout=output)
    assert "evt_x: not_found" in output.getvalue()
    assert list_statuses(event_id) == ["DUE"]


@pytest.mark.parametrize(
    "arguments",
    [(), ("--event", "evt_x", "--status", "DEAD"), ("--status", "DUE"), ("--status", "nonsense")],
)
def test_wrong_use_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises((CommandError, SystemExit)) as refused:
        call_command("resend_notifications", *arguments)
    if isinstance(
        refused.value, SystemExit
    ):  # what the parser refuses ends with 2 on the command line
        assert refused.value.code == 2
