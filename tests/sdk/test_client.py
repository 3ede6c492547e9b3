"""The Python client does on the live platform what its page says, also when answers get lost."""

from __future__ import annotations

import ast
import re
import secrets
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from paymentplatform_client import (
    Action,
    ApiError,
    Client,
    Conflict,
    DeliveryStatus,
    ErrorCode,
    InvalidRequest,
    Method,
    NotFound,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ResultUnknown,
    Terminal,
    Unauthenticated,
    WebhookRefused,
    verify_webhook,
)
from paymentplatform_client.errors import build_error
from paymentplatform_client.objects import Order
from paymentplatform_client.parsing import parse
from standardwebhooks import Webhook

from tests.environment import ROOT
from tests.live import LiveMerchant
from tests.sdk.conftest import LossyConnection
from tests.waiting import wait_until

Lossy = Callable[[str, int], tuple[Client, LossyConnection]]
AGES_AGO = "2001-01-01T00:00:00Z"
PACKAGE = ROOT / "sdk" / "python" / "paymentplatform_client"


def new_order(client: Client, shop: LiveMerchant, **changes: object) -> Order:
    """An order with webhooks."""
    fields = {
        "merchant_order_no": f"SDK-{secrets.token_hex(6)}",
        "amount": 12_80,
        "currency": "CNY",
        "subject": "Green tea",
        "notify_url": shop.notify_url,
    }
    return client.create_order(**fields | changes)  # type: ignore[arg-type]


def orders_of(shop: LiveMerchant) -> int:
    """How many orders the merchant has."""
    (row,) = shop.platform.sql(
        "SELECT count(*) AS found FROM acquiring_trade_order WHERE merchant_no = %s",
        shop.merchant_no,
    )
    return int(row["found"])


def test_an_order_from_its_creation_to_a_refund(client: Client, shop: LiveMerchant):
    order = new_order(client, shop, metadata={"table": "7"}, allowed_methods=[Method.BALANCE])
    assert order.status is OrderStatus.INIT
    assert order.created_at.tzinfo is not None
    assert order.created_at.astimezone(UTC) < order.expires_at
    offers = client.list_payment_methods(order.order_no)
    assert [offer.code for offer in offers if offer.available] == [Method.BALANCE]

    token = shop.payer_token(shop.platform.payer())
    paid = client.pay_order(
        order.order_no, method=Method.BALANCE, options={"payer_token": token}, terminal=Terminal.APP
    )
    assert (paid.status, paid.action.type) == (PaymentStatus.PAID, "none")
    order = client.get_order(order.order_no)
    assert order.status is OrderStatus.SUCCESS
    assert order.is_final
    assert order.payment is not None
    assert [detail.amount for detail in order.payment.details] == [12_80]

    refund = client.create_refund(
        merchant_order_no=order.merchant_order_no, merchant_refund_no="R-1", amount=2_80
    )
    again = client.create_refund(
        merchant_order_no=order.merchant_order_no, merchant_refund_no="R-1", amount=2_80
    )
    assert refund.refund_no == again.refund_no
    assert refund.merchant_order_no == order.merchant_order_no
    assert client.get_refund(refund.refund_no).status is RefundStatus.SUCCESS
    assert client.list_refunds(order_no=order.order_no).data == (again,)
    assert client.list_refunds(created_from=AGES_AGO).data == (again,)
    assert client.list_refunds(created_to=AGES_AGO).data == ()
    (balance,) = client.get_balance()
    assert (balance.currency, balance.available, balance.in_transit) == ("CNY", 0, 0)
    assert 0 < balance.pending <= 10_00
    assert client.find_order(order.merchant_order_no) == client.get_order(order.order_no)

    events = wait_until(shop.webhooks, what="a webhook")
    received = events[0]
    event = verify_webhook(
        secrets=["whsec_" + "A" * 44, shop.webhook_secret],
        headers=received.headers,
        body=received.body,
    )
    assert event.type in {"order.success", "refund.success"}
    assert client.get_event(event.id).data == event.data
    assert event.id in {listed.id for listed in client.list_events(limit=10).data}
    again_sent = client.redeliver_event(event.id)
    assert {delivery.url for delivery in again_sent.deliveries} == {shop.notify_url}


def test_events_are_found_by_what_they_are_about(client: Client, shop: LiveMerchant):
    order = new_order(client, shop, notify_url=None)
    other = new_order(client, shop, notify_url=None)
    for made in (order, other):
        client.close_order(made.order_no)
    (event,) = client.list_events(object_no=order.order_no).data
    assert (event.type, event.order.order_no) == ("order.closed", order.order_no)
    assert [delivery.status for delivery in event.deliveries] == [DeliveryStatus.SKIPPED]
    assert client.list_events(delivery_status=DeliveryStatus.DEAD).data == ()
    assert len(client.list_events(delivery_status=DeliveryStatus.SKIPPED).data) == 2
    assert len(client.list_events(created_from=AGES_AGO).data) == 2
    assert client.list_events(created_to=AGES_AGO).data == ()
    with pytest.raises(Conflict) as caught:
        client.redeliver_event(event.id)
    assert caught.value.code == ErrorCode.NO_DELIVERY_TARGET
    assert client.get_balance() == ()


def test_closing_and_listing(client: Client, shop: LiveMerchant):
    made = [new_order(client, shop) for _ in range(3)]
    closed = client.close_order(made[0].order_no)
    assert closed.status is OrderStatus.CLOSED
    assert [order.order_no for order in client.iterate_orders()] == [
        order.order_no for order in reversed(made)
    ]
    page = client.list_orders(status=OrderStatus.INIT, limit=1)
    assert (page.data[0].order_no, page.has_more) == (made[2].order_no, True)
    following = client.list_orders(status=OrderStatus.INIT, limit=1, cursor=page.next_cursor)
    assert following.data[0].order_no == made[1].order_no
    assert client.find_order("NEVER-MADE") is None


def test_refusals_are_typed_and_change_nothing(client: Client, shop: LiveMerchant):
    with pytest.raises(InvalidRequest) as caught:
        new_order(client, shop, amount=0, currency="XXX")
    assert {fault.field for fault in caught.value.errors} == {"amount", "currency"}
    assert caught.value.action is Action.FIX_REQUEST
    assert caught.value.request_id.startswith("req_")
    assert orders_of(shop) == 0

    order = new_order(client, shop)
    with pytest.raises(Conflict) as conflict:
        new_order(client, shop, merchant_order_no=order.merchant_order_no, amount=1)
    assert conflict.value.code == ErrorCode.ORDER_CONFLICT
    with pytest.raises(NotFound):
        client.get_order("ord_" + "0" * 22)
    with pytest.raises(NotFound):
        client.get_order("../orders")
    stranger = Client(base_url=shop.platform.base_url, secret_key="sk_wrong")
    with stranger, pytest.raises(Unauthenticated):
        stranger.get_order(order.order_no)
    assert orders_of(shop) == 1


def test_a_lost_answer_to_a_creation_is_asked_for_with_the_same_number(
    lossy: Lossy, shop: LiveMerchant
):
    client, connection = lossy("/orders", 2)
    order = new_order(client, shop)
    assert connection.sent == ["POST /orders"] * 3
    assert order.status is OrderStatus.INIT
    assert orders_of(shop) == 1


def test_a_lost_answer_to_a_payment_is_asked_for_and_nothing_is_paid_twice(
    lossy: Lossy, shop: LiveMerchant
):
    client, connection = lossy("/pay", 1)
    order = new_order(client, shop)
    payer_no = shop.platform.payer()
    before = shop.platform.balance(f"L10:{payer_no}:CNY")
    paid = client.pay_order(
        order.order_no,
        method=Method.BALANCE,
        options={"payer_token": shop.payer_token(payer_no)},
    )
    assert paid.status is PaymentStatus.PAID
    path = f"/orders/{order.order_no}"
    assert connection.sent == ["POST /orders", f"POST {path}/pay", f"GET {path}"]
    assert shop.platform.balance(f"L10:{payer_no}:CNY") == before - 12_80


def test_a_lost_answer_to_a_close_is_asked_for(lossy: Lossy, shop: LiveMerchant):
    client, connection = lossy("/close", 1)
    order = new_order(client, shop)
    assert client.close_order(order.order_no).status is OrderStatus.CLOSED
    assert connection.sent[-1] == f"GET /orders/{order.order_no}"


def test_an_unclear_payment_beside_a_failed_one_is_never_started_again(
    lossy: Lossy, shop: LiveMerchant
):
    client, _connection = lossy("/pay", 1)
    order = new_order(client, shop, amount=9_99)
    poor = shop.payer_token(shop.platform.payer(balance=1))
    with pytest.raises(ResultUnknown):
        client.pay_order(order.order_no, method=Method.BALANCE, options={"payer_token": poor})
    (row,) = shop.platform.sql(
        "SELECT count(*) AS found FROM engine_payment_order WHERE order_no = %s", order.order_no
    )
    assert row["found"] == 1


def test_no_answer_at_all_is_unknown_and_says_so(lossy: Lossy, shop: LiveMerchant):
    client, connection = lossy("/orders", 100)
    with pytest.raises(ResultUnknown):
        new_order(client, shop)
    assert len(connection.sent) == 4
    assert orders_of(shop) == 1


@pytest.mark.parametrize(
    ("status", "said", "action"),
    [
        (503, "RETRY_SAME", Action.RETRY_SAME),
        (502, None, Action.QUERY),
        (500, "NEW_WORD", Action.QUERY),
        (418, "NEW_WORD", Action.FIX_REQUEST),
    ],
)
def test_what_a_proxy_answers_has_an_action_as_well(status: int, said: str | None, action: Action):
    error = build_error(status=status, problem={"action": said} if said else {})
    assert isinstance(error, ApiError)
    assert error.action is action


def test_it_knows_every_code_that_the_page_says_the_api_may_answer():
    """Those of the floors ``ledger`` and ``console`` are in no answer of the merchant API: the page says so."""
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| \d{3} \|.*\| `[A-Z_]+` \| (\w+) \|", page, re.MULTILINE)
    said = {code for code, floor in rows if floor not in {"ledger", "console"}}
    assert len(said) > 40
    assert {code.value for code in ErrorCode} == said


def test_a_newer_platform_does_not_break_it(client: Client, shop: LiveMerchant):
    order = new_order(client, shop)
    document = shop.order(order.order_no) | {"status": "PARKED", "brand_new": {"a": 1}}
    assert parse(Order, document).status is OrderStatus.UNKNOWN


class TestWebhooks:
    """Standard Webhooks by hand: what is not exactly right is refused."""

    SECRET = "whsec_" + "QUJD" * 8
    BODY = b'{"id":"evt_1","type":"order.success","timestamp":"2026-01-31T08:00:00Z","data":{}}'

    def headers(self, **changes: str) -> dict[str, str]:
        now = datetime.now(UTC)
        signature = Webhook(self.SECRET).sign("evt_1", now, self.BODY.decode())
        return {
            "Webhook-Id": "evt_1",
            "Webhook-Timestamp": str(int(now.timestamp())),
            "Webhook-Signature": f"v1,AAAA {signature}",
        } | changes

    def test_what_an_independent_signer_signed_is_taken(self):
        event = verify_webhook(secrets=self.SECRET, headers=self.headers(), body=self.BODY)
        assert (event.id, event.type) == ("evt_1", "order.success")

    @pytest.mark.parametrize(
        "changes",
        [
            {"Webhook-Id": "evt_2"},
            {"Webhook-Timestamp": str(int(time.time()) - 301)},
            {"Webhook-Timestamp": str(int(time.time()) + 400)},
            {"Webhook-Timestamp": "soon"},
            {"Webhook-Timestamp": ""},
            {"Webhook-Timestamp": "9" * 400},
            {"Webhook-Timestamp": "9" * 5000},
            {"Webhook-Timestamp": "٣" * 10},
            {"Webhook-Timestamp": f" {int(time.time())}"},
            {"Webhook-Timestamp": f"{int(time.time())}\n"},
            {"Webhook-Id": "evt_é"},
            {"Webhook-Id": "evt_\udcff"},
            {"Webhook-Signature": "x"},
            {"Webhook-Signature": "v1"},
            {"Webhook-Signature": "v1,é"},
            {"Webhook-Signature": "v1,\udcff"},
            {"Webhook-Signature": "v1,AAAA"},
            {"Webhook-Signature": ""},
        ],
    )
    def test_a_changed_header_is_refused(self, changes: dict[str, str]):
        with pytest.raises(WebhookRefused):
            verify_webhook(secrets=self.SECRET, headers=self.headers(**changes), body=self.BODY)

    def test_every_changed_byte_is_refused(self):
        headers = self.headers()
        for place in range(len(self.BODY)):
            body = bytearray(self.BODY)
            body[place] ^= 1
            with pytest.raises(WebhookRefused):
                verify_webhook(secrets=self.SECRET, headers=headers, body=bytes(body))

    def test_another_secret_is_refused(self):
        with pytest.raises(WebhookRefused):
            verify_webhook(secrets="whsec_" + "QUJE" * 8, headers=self.headers(), body=self.BODY)


def test_the_client_needs_httpx_and_for_signing_with_private_keys_cryptography():
    """The second is asked for inside the one function that needs it, so that it may be missing."""
    allowed = set(sys.stdlib_module_names) | {"httpx", "paymentplatform_client"}
    for path in PACKAGE.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            optional = path.name == "signing.py" and node not in tree.body
            wanted = allowed | ({"cryptography"} if optional else set())
            assert {name.partition(".")[0] for name in names} <= wanted, path.name
