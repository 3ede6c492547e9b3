"""No webhook reaches the inside: the whole corpus at registration and at send, through the real API and sender."""

from __future__ import annotations

import json
import socket
from typing import Any

import psycopg
import pytest
from django.test import Client

from acquiring.contracts import CreateOrder
from acquiring.endpoint_contracts import CreateWebhookEndpoint
from acquiring.models import Delivery, DeliveryTry, TradeOrder, WebhookEndpoint
from acquiring.services import notifications
from acquiring.services.callers import authenticate_bearer
from acquiring.services.notifications import deliver_due_notifications
from acquiring.services.orders import create_order
from acquiring.services.webhook_endpoints import create_endpoint
from paymentplatform.kernel import numbers
from paymentplatform.kernel.destinations import UrlRefused, check_url
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.http import SendPolicy
from tests.acquiring.outbox import make_endpoint, record_event
from tests.clock import VirtualClock
from tests.inside_addresses import INSIDE_ADDRESSES, REFUSED_URLS, url_of
from tests.makers import make_merchant, order_body
from tests.webhook_receiver import WebhookReceiver

CORPUS = [*REFUSED_URLS, *map(url_of, INSIDE_ADDRESSES)]
SAMPLE = CORPUS[:: len(CORPUS) // 20]
STORABLE = [url for url in CORPUS if "\x00" not in url]

LOOPBACK = [
    "http://127.0.0.1/",
    "http://127.0.0.0:1/",
    "http://127.255.255.255:65535/",
    "http://127.8.9.1:22/hook?x=1",
    "http://[::1]:8000/",
    "http://[0:0:0:0:0:0:0:1]/",
]
"""All that the demo switch opens."""

BESIDE_LOOPBACK = [
    "http://126.255.255.255/",
    "http://128.0.0.0/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://169.254.169.254/",
    "http://192.168.0.1/",
    "http://[::]/",
    "http://[::2]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://localhost/",
    "http://localhost:8000/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f.0.0.1/",
    "http://127.0.0.1./",
    "http://127.0.0.1.example.com/",
    "http://user@127.0.0.1/",
    "http://8.8.8.8/",
    "http://shop.example.com/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:6379/_",
]


class Network:
    """Where names lead, and what was really connected to. Nothing leaves this process."""

    def __init__(self) -> None:
        self.names: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []
        self.connected: list[str] = []

    def policy(self, *, allow_loopback_http: bool = False) -> SendPolicy:
        return SendPolicy(
            allow_loopback_http=allow_loopback_http, resolve=self._resolve, connect=self._connect
        )

    def _resolve(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        answers = self.names[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _connect(self, address: str, port: int, timeout_s: float) -> socket.socket:
        self.connected.append(address)
        raise ConnectionRefusedError


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(notifications, "SendPolicy", made.policy)
    return made


@pytest.fixture
def shop() -> dict[str, str]:
    return make_merchant()


@pytest.fixture
def empty_outbox(owner_connection: psycopg.Connection) -> None:
    """Put what other tests have left far into the future."""
    owner_connection.execute(
        "UPDATE acquiring_delivery SET due_at = due_at + interval '100 years'"
        " WHERE due_at < platform_now() + interval '50 years'"
    )


def call(shop: dict[str, str], method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    answer = Client().generic(
        method,
        f"/api/v1{path}",
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {shop['secret_key']}"},
    )
    return answer.status_code, answer.json()


def store_raw(
    owner: psycopg.Connection, merchant_no: str, urls: list[str], *, endpoint: bool = False
) -> list[str]:
    """Write due deliveries as somebody would who has got at the table itself; returns their numbers."""
    made = []
    for url in urls:
        event_id, delivery_no = numbers.new_number(numbers.EVENT), numbers.new_number("dlv")
        endpoint_id = make_endpoint(merchant_no, url) if endpoint else None
        owner.execute(
            "INSERT INTO acquiring_merchant_event (event_id, merchant_no, type, object_no, payload)"
            " VALUES (%s, %s, 'order.success', %s, '{}')",
            [event_id, merchant_no, event_id],
        )
        owner.execute(
            "INSERT INTO acquiring_delivery"
            " (delivery_no, event_id, merchant_no, target, endpoint_id, url, status)"
            " VALUES (%s, %s, %s, %s, %s, %s, 'DUE')",
            [
                delivery_no,
                event_id,
                merchant_no,
                "ENDPOINT" if endpoint else "ORDER_NOTIFY",
                endpoint_id,
                url,
            ],
        )
        made.append(delivery_no)
    return made


def try_each(delivery_nos: list[str]) -> None:
    """Run the sender until each has been tried: one run ends by its clock, however busy the machine is."""
    for _run in range(20):
        deliver_due_notifications()
        if not Delivery.objects.filter(delivery_no__in=delivery_nos, tries=0).exists():
            return


def ends_of(delivery_nos: list[str]) -> set[tuple[str, str, int, str]]:
    found = Delivery.objects.filter(delivery_no__in=delivery_nos)
    return set(found.values_list("status", "reason", "tries", "last_error"))


def test_corpus_is_as_large_as_promised():
    assert len(set(CORPUS)) >= 200
    assert len(set(STORABLE)) > len(set(CORPUS)) - 5


class TestRegistration:
    """The whole corpus through the services, a part of it through HTTP: there is no third way in."""

    def test_no_order_takes_it(self, shop: dict[str, str]):
        merchant = authenticate_bearer(secret=shop["secret_key"])
        for url in CORPUS:
            with pytest.raises(InvalidRequest) as refused:
                create_order(body=CreateOrder(**order_body(notify_url=url)), merchant=merchant)
            assert [error.field for error in refused.value.errors] == ["notify_url"], url
        for url in SAMPLE:
            status, problem = call(shop, "POST", "/orders", order_body(notify_url=url))
            assert (status, problem["code"]) == (400, "invalid_request"), url
        assert not TradeOrder.objects.filter(merchant_no=shop["merchant_no"]).exists()

    def test_no_endpoint_takes_it(self, shop: dict[str, str]):
        merchant_no = shop["merchant_no"]
        for url in CORPUS:
            with pytest.raises(InvalidRequest):
                create_endpoint(merchant_no=merchant_no, body=CreateWebhookEndpoint(url=url))
        for url in SAMPLE:
            assert call(shop, "POST", "/webhook-endpoints", {"url": url})[0] == 400, url
        assert not WebhookEndpoint.objects.filter(merchant_id=merchant_no).exists()

    def test_no_endpoint_is_moved_there(self, shop: dict[str, str]):
        good = "https://shop.example.com/hook"
        endpoint_id = make_endpoint(shop["merchant_no"], good)
        for url in SAMPLE:
            assert call(shop, "PATCH", f"/webhook-endpoints/{endpoint_id}", {"url": url})[0] == 400
        assert WebhookEndpoint.objects.get(endpoint_id=endpoint_id).url == good


@pytest.mark.usefixtures("empty_outbox")
class TestSending:
    @pytest.mark.parametrize("endpoint", [False, True])
    def test_stored_all_the_same_it_is_never_connected(
        self,
        shop: dict[str, str],
        network: Network,
        owner_connection: psycopg.Connection,
        endpoint: bool,
    ):
        urls = STORABLE[:: 5 if endpoint else 1]
        made = store_raw(owner_connection, shop["merchant_no"], urls, endpoint=endpoint)
        try_each(made)
        assert ends_of(made) == {("DEAD", "url_refused", 1, "url_refused")}
        assert (network.asked, network.connected) == ([], [])

    def test_name_that_leads_inside_is_never_connected(
        self, shop: dict[str, str], network: Network, owner_connection: psycopg.Connection
    ):
        """Alone, and among public ones: one inside answer refuses them all."""
        urls = []
        for number, address in enumerate(INSIDE_ADDRESSES):
            network.names[f"a{number}.example.com"] = [[address]]
            network.names[f"b{number}.example.com"] = [["8.8.8.8", address, "1.1.1.1"]]
            urls += [f"https://a{number}.example.com/", f"https://b{number}.example.com/"]
        made = store_raw(owner_connection, shop["merchant_no"], urls)
        try_each(made)
        assert ends_of(made) == {("DUE", "", 1, "address_refused")}
        assert sorted(network.asked) == sorted(network.names)
        assert network.connected == []

    @pytest.mark.parametrize(
        "nonsense", ["", "not an address", "8.8.8.8 ", "127.0.0.1%lo", "::1%1"]
    )
    def test_answer_that_is_no_address_is_never_connected(
        self, shop: dict[str, str], network: Network, nonsense: str
    ):
        network.names["shop.example.com"] = [["8.8.8.8", nonsense]]
        event_id = record_event(shop["merchant_no"], "https://shop.example.com/")
        deliver_due_notifications()
        assert DeliveryTry.objects.get(delivery__event=event_id).error == "address_refused"
        assert network.connected == []

    def test_rebinding_reaches_the_checked_address_only(
        self, shop: dict[str, str], network: Network, clock: VirtualClock
    ):
        """Public at the first question, inside at the second: each try asks once and connects to what it checked."""
        network.names["shop.example.com"] = [["93.184.216.34"], ["127.0.0.1"]]
        event_id = record_event(shop["merchant_no"], "https://shop.example.com/")
        deliver_due_notifications()
        assert (network.asked, network.connected) == (["shop.example.com"], ["93.184.216.34"])
        clock.advance(60)
        deliver_due_notifications()
        assert network.asked == ["shop.example.com"] * 2
        assert network.connected == ["93.184.216.34"]
        tries = DeliveryTry.objects.filter(delivery__event=event_id).order_by("number")
        errors = list(tries.values_list("error", flat=True))
        assert errors == ["connect_failed", "address_refused"]


class TestDemoSwitch:
    """WEBHOOK_ALLOW_LOOPBACK opens http to literal loopback addresses, and not one address more."""

    @pytest.mark.parametrize("url", LOOPBACK)
    def test_it_opens_loopback(self, url: str):
        check_url(url, allow_loopback_http=True)

    @pytest.mark.parametrize("url", [*BESIDE_LOOPBACK, *CORPUS])
    def test_it_opens_nothing_else(self, url: str):
        with pytest.raises(UrlRefused):
            check_url(url, allow_loopback_http=True)

    @pytest.mark.parametrize("url", [*LOOPBACK, *BESIDE_LOOPBACK])
    def test_without_it_nothing_is_open(self, url: str):
        with pytest.raises(UrlRefused):
            check_url(url, allow_loopback_http=False)

    @pytest.mark.usefixtures("empty_outbox")
    def test_in_production_loopback_is_refused_at_both_ends(
        self, shop: dict[str, str], settings: Any, owner_connection: psycopg.Connection
    ):
        settings.WEBHOOK_ALLOW_LOOPBACK = False
        with WebhookReceiver() as receiver:
            url = receiver.url("/hook")
            status, problem = call(shop, "POST", "/orders", order_body(notify_url=url))
            assert (status, problem["errors"][0]["field"]) == (400, "notify_url")
            assert call(shop, "POST", "/webhook-endpoints", {"url": url})[0] == 400
            made = store_raw(owner_connection, shop["merchant_no"], [url])
            try_each(made)
            assert ends_of(made) == {("DEAD", "url_refused", 1, "url_refused")}
            assert receiver.list_requests() == []
        assert not TradeOrder.objects.filter(merchant_no=shop["merchant_no"]).exists()
