"""``manage.py certify_merchant``: a proper receiver passes all twelve cases, a sloppy one fails the right ones."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from acquiring.services.certification import certify_receiver
from acquiring.services.merchants import rotate_webhook_secret
from paymentplatform.demo.models import ReceivedWebhook, ShopOrder
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.acquiring.outbox import make_endpoint
from tests.inside_addresses import REFUSED_URLS
from tests.listening import PatientServer
from tests.makers import make_merchant
from tests.trading import rows

CASES = [
    "correct",
    "duplicate",
    "out_of_order",
    "bad_signature",
    "foreign_secret",
    "stale_timestamp",
    "future_timestamp",
    "altered_body",
    "missing_headers",
    "unknown_type",
    "two_signatures",
    "burst",
]
FORGED = set(CASES[3:9])

Receive = Callable[[Mapping[str, str], bytes], int]


@pytest.fixture(scope="module")
def shop() -> dict[str, str]:
    return make_merchant()


@contextmanager
def receiving(receive: Receive) -> Iterator[str]:
    """A receiver that answers with what ``receive`` returns; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                status = receive(headers, body)
            finally:
                connections.close_all()
            self.send_response(status)
            if 300 <= status <= 399:
                self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep the test output clean."""

    server = PatientServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        server.server_close()


def proper(secret: str) -> Receive:
    """What the standard's own library makes of it."""

    def receive(headers: Mapping[str, str], body: bytes) -> int:
        try:
            Webhook(secret).verify(body, dict(headers))
        except (WebhookVerificationError, ValueError):
            return 401
        return 204

    return receive


def certify(shop: dict[str, str], receive: Receive, **options: Any) -> dict[str, bool]:
    """Whether each case passed."""
    with receiving(receive) as url:
        certificate = certify_receiver(merchant_no=shop["merchant_no"], url=url, **options)
    return {case.name: case.passed for case in certificate.cases}


def failed(shop: dict[str, str], receive: Receive, **options: Any) -> set[str]:
    return {name for name, passed in certify(shop, receive, **options).items() if not passed}


def run(*arguments: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    output = StringIO()
    try:
        call_command("certify_merchant", *arguments, stdout=output, stderr=output)
    except SystemExit as ended:
        return int(ended.code or 0), output.getvalue()
    return 0, output.getvalue()


def test_a_proper_receiver_passes_all_twelve(shop: dict[str, str]):
    assert certify(shop, proper(shop["webhook_secret"])) == dict.fromkeys(CASES, True)


def test_the_demo_shop_passes_all_twelve(
    shop: dict[str, str], settings: Any, tmp_path: Path
) -> None:
    """It is an example to others. What it was told by forgers it has not stored."""
    settings.DEMO_SHOP_WEBHOOK_SECRET = shop["webhook_secret"]
    settings.DEMO_SHOP_SECRET_KEY = shop["secret_key"]
    settings.DEMO_SHOP_FILE = str(tmp_path / "none.json")
    known = set(ReceivedWebhook.objects.values_list("pk", flat=True))
    sold = ShopOrder.objects.count()

    def receive(headers: Mapping[str, str], body: bytes) -> int:
        return Client().generic("POST", "/demo/webhook", body, headers=dict(headers)).status_code

    assert failed(shop, receive) == set()
    stored = ReceivedWebhook.objects.exclude(pk__in=known)
    types = Counter(stored.values_list("event_type", flat=True))
    assert types == {"order.success": 10, "order.closed": 1, "order.not_invented_yet": 1}
    assert sorted(stored.values_list("times_received", flat=True))[-2:] == [1, 2]
    assert ShopOrder.objects.count() == sold


class TestSloppyReceivers:
    def test_who_believes_everything(self, shop: dict[str, str]):
        assert failed(shop, lambda *_: 200) == FORGED

    def test_who_believes_nothing(self, shop: dict[str, str]):
        assert failed(shop, lambda *_: 401) == set(CASES) - FORGED

    def test_who_crashes_instead_of_refusing(self, shop: dict[str, str]):
        """A 500 is no refusal: it says that a forger found a hole."""
        receive = proper(shop["webhook_secret"])
        assert failed(shop, lambda h, b: 500 if receive(h, b) == 401 else 200) == FORGED

    def test_who_drops_the_connection_at_a_signature_without_form(self, shop: dict[str, str]):
        """What the library's own exception alone leaves open."""

        def receive(headers: Mapping[str, str], body: bytes) -> int:
            try:
                Webhook(shop["webhook_secret"]).verify(body, dict(headers))
            except WebhookVerificationError:
                return 401
            except ValueError:
                raise ConnectionAbortedError from None
            return 204

        assert failed(shop, receive) == {"bad_signature"}

    def test_who_says_gone(self, shop: dict[str, str]):
        assert failed(shop, lambda *_: 410) == set(CASES)

    def test_who_redirects(self, shop: dict[str, str]):
        with receiving(lambda *_: 307) as url:
            certificate = certify_receiver(merchant_no=shop["merchant_no"], url=url)
        assert {case.came for case in certificate.cases} == {"307"}
        assert not any(case.passed for case in certificate.cases)
        assert "Redirects" in certificate.cases[0].mend

    def test_who_does_not_look_at_the_clock(self, shop: dict[str, str]):
        def receive(headers: Mapping[str, str], body: bytes) -> int:
            signed = b"%s.%s.%s" % (
                headers.get("webhook-id", "").encode(),
                headers.get("webhook-timestamp", "").encode(),
                body,
            )
            mac = signature(shop["webhook_secret"], signed)
            return 200 if mac in headers.get("webhook-signature", "").split() else 401

        assert failed(shop, receive) == {"stale_timestamp", "future_timestamp"}

    def test_who_knows_one_signature_only(self, shop: dict[str, str]):
        receive = proper(shop["webhook_secret"])

        def first_only(headers: Mapping[str, str], body: bytes) -> int:
            first, *_more = headers.get("webhook-signature", "").split()[:1] or [""]
            return receive({**headers, "webhook-signature": first}, body)

        assert failed(shop, first_only) == {"two_signatures"}

    def test_who_signs_what_he_has_parsed(self, shop: dict[str, str]):
        """Written anew, this JSON is not what was signed; an alteration is seen all the same."""
        receive = proper(shop["webhook_secret"])
        compact = json.JSONEncoder(separators=(",", ":"))
        wrong = failed(shop, lambda h, b: receive(h, compact.encode(json.loads(b)).encode()))
        assert wrong == set(CASES) - FORGED

    def test_who_refuses_what_comes_twice_or_is_unknown(self, shop: dict[str, str]):
        receive, seen = proper(shop["webhook_secret"]), set[str]()

        def strict(headers: Mapping[str, str], body: bytes) -> int:
            status = receive(headers, body)
            event = json.loads(body)
            if status == 401:
                return status
            if event["id"] in seen or event["type"] == "order.not_invented_yet":
                return 400
            seen.add(event["id"])
            return 500 if "a_field_not_invented_yet" in event else 200

        assert failed(shop, strict) == {"duplicate", "unknown_type", "burst"}

    def test_who_acts_before_he_answers(self, shop: dict[str, str]):
        receive, waited = proper(shop["webhook_secret"]), threading.Event()

        def slow(headers: Mapping[str, str], body: bytes) -> int:
            status = receive(headers, body)
            if status == 204 and b"order.closed" in body:
                waited.wait(20)
            return status

        with receiving(slow) as url:
            certificate = certify_receiver(merchant_no=shop["merchant_no"], url=url, timeout_s=3.0)
            waited.set()
        (late,) = [case for case in certificate.cases if not case.passed]
        assert (late.name, late.came, late.status_code) == ("out_of_order", "timeout", None)
        assert 3000 <= late.duration_ms < 15_000
        assert "at once" in late.mend


def signature(secret: str, signed: bytes) -> str:
    key = b64decode(secret.removeprefix("whsec_"))
    return "v1," + b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


class TestCommand:
    def test_table_and_exit_code(self, shop: dict[str, str]):
        with receiving(proper(shop["webhook_secret"])) as url:
            code, shown = run("--merchant", shop["merchant_no"], "--url", url)
        assert (code, "12 passed, 0 failed." in shown) == (0, True)
        with receiving(lambda *_: 200) as url:
            code, shown = run("--merchant", shop["merchant_no"], "--url", url)
        assert (code, "6 passed, 6 failed." in shown) == (1, True)
        assert "stale_timestamp: Refuse a webhook-timestamp" in shown

    def test_json_is_one_document(self, shop: dict[str, str]):
        with receiving(lambda *_: 200) as url:
            code, shown = run("--merchant", shop["merchant_no"], "--url", url, "--json")
        document = json.loads(shown)
        assert (code, document["passed"], document["url"]) == (1, False, url)
        assert [case["name"] for case in document["cases"]] == CASES
        (case,) = [case for case in document["cases"] if case["name"] == "bad_signature"]
        assert (case["passed"], case["expected"], case["came"], case["status_code"]) == (
            False,
            "4xx, and no effect within 15 s",
            "200",
            200,
        )
        assert case["mend"]

    def test_endpoint_is_tried_with_its_own_secret(self, shop: dict[str, str]):
        merchant = make_merchant()
        with receiving(proper(merchant["webhook_secret"])) as url:
            endpoint_id = make_endpoint(merchant["merchant_no"], url)
            code, shown = run("--merchant", merchant["merchant_no"], "--json")
            assert (code, json.loads(shown)["endpoint_id"]) == (1, endpoint_id)
            assert run("--merchant", merchant["merchant_no"], "--endpoint", endpoint_id)[0] == 1
            assert run("--merchant", shop["merchant_no"], "--endpoint", endpoint_id)[0] == 2
            assert run("--merchant", merchant["merchant_no"], "--url", url)[0] == 0

    def test_old_secret_passes_during_rotation(self):
        merchant = make_merchant()
        rotate_webhook_secret(merchant_no=merchant["merchant_no"])
        assert failed(merchant, proper(merchant["webhook_secret"])) == set()

    def test_nobody_there_ends_early(self, shop: dict[str, str]):
        with receiving(lambda *_: 200) as url:
            pass
        code, shown = run("--merchant", shop["merchant_no"], "--url", url, "--json")
        cases = json.loads(shown)["cases"]
        assert (code, cases[0]["came"]) == (1, "connect_failed")
        assert {case["came"] for case in cases[1:]} == {"not_sent"}

    @pytest.mark.parametrize(
        "arguments",
        [
            ("--merchant", "mch_nobody", "--url", "https://shop.example.com/"),
            ("--merchant", "SHOP"),
            ("--merchant", "SHOP", "--endpoint", "wep_nobody"),
            ("--merchant", "SHOP", "--url", "https://shop.example.com/", "--endpoint", "wep_x"),
            ("--merchant", "SHOP", "--url", "https://127.0.0.1/"),
            ("--merchant", "SHOP", "--url", "http://169.254.169.254/latest/meta-data/"),
            ("--merchant", "SHOP", "--url", "https://shop.example.com/", "--timeout", "0"),
            ("--merchant", "SHOP", "--url", "https://shop.example.com/", "--timeout", "16"),
            ("--merchant", "SHOP", "--url", "https://shop.example.com/", "--timeout", "nan"),
        ],
    )
    def test_wrong_use(self, shop: dict[str, str], arguments: tuple[str, ...]):
        named = [shop["merchant_no"] if word == "SHOP" else word for word in arguments]
        assert run(*named)[0] == 2

    def test_merchant_must_be_named(self):
        with pytest.raises(CommandError):
            call_command("certify_merchant", "--url", "https://shop.example.com/")


def test_nothing_is_changed(shop: dict[str, str]):
    """No order, no event, no delivery, no journal, whatever comes back."""
    tables = (
        "acquiring_trade_order",
        "acquiring_merchant_event",
        "acquiring_delivery",
        "acquiring_transition",
        "ledger_journal",
        "engine_payment_order",
    )

    def count() -> list[Any]:
        return [rows(f"SELECT count(*) FROM {table}") for table in tables]

    before = count()
    certify(shop, proper(shop["webhook_secret"]))
    assert count() == before


def test_no_inside_address_is_asked(shop: dict[str, str], settings: Any):
    for url in REFUSED_URLS:
        with pytest.raises(InvalidRequest):
            certify_receiver(merchant_no=shop["merchant_no"], url=url)
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    with receiving(lambda *_: pytest.fail("was called")) as url, pytest.raises(InvalidRequest):
        certify_receiver(merchant_no=shop["merchant_no"], url=url)


def test_not_inside_a_transaction(shop: dict[str, str]):
    from django.db import transaction

    with transaction.atomic(), pytest.raises(TransactionMisuse):
        certify_receiver(merchant_no=shop["merchant_no"], url="https://shop.example.com/")
