"""The Python client's calls beside orders and refunds, and signed requests, against the application in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as make_ec_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from django.conf import settings
from paymentplatform_client import (
    AgreementStatus,
    BrokenStatement,
    Client,
    Conflict,
    LateMoneyDecision,
    LateMoneyStatus,
    Method,
    NotFound,
    OrderStatus,
    PaymentStatus,
    RetryPolicy,
    SigningKey,
    StatementKind,
    Terminal,
    Unauthenticated,
    iterate,
)
from paymentplatform_client.book_calls import _read_statement

from acquiring.models import Credential
from checkout.services.consent import give_consent
from paymentplatform.wsgi import application
from tests.clock import VirtualClock
from tests.console import trades
from tests.environment import ROOT
from tests.makers import PASSWORD, RETURN_ORIGIN, make_merchant, make_payer, make_payer_token
from tests.signing import SIGNING, make_signer
from tests.trading import rows

LIMITS: dict[str, Any] = {
    "max_per_payment": 50_00,
    "max_per_day": 80_00,
    "return_url": f"{RETURN_ORIGIN}/account",
}
SOON = RetryPolicy(tries=3, first_wait_s=0.01, longest_wait_s=0.02, give_up_after_s=30)
ADDRESS = "http://127.0.0.1:9/webhooks"


class Wire(httpx.BaseTransport):
    """The way into this process; loses the answers to the first ``losing`` calls and remembers all requests."""

    def __init__(self, losing: int = 0) -> None:
        self.inner = httpx.WSGITransport(app=application)
        self.losing = losing
        self.sent: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        answer = self.inner.handle_request(request)
        if self.losing:
            self.losing -= 1
            answer.read()
            message = "the answer got lost"
            raise httpx.ReadTimeout(message)
        return answer


def client_of(merchant: dict[str, str], wire: Wire | None = None, **given: Any) -> Client:
    """A client of a merchant, with its Bearer key unless told otherwise."""
    given = given or {"secret_key": merchant["secret_key"]}
    http = httpx.Client(transport=wire or Wire())
    return Client(base_url=settings.BASE_URL, retry=SOON, http=http, **given)


def create(client: Client, number: str) -> Any:
    """An order of 12.80 CNY."""
    return client.create_order(
        merchant_order_no=number, amount=12_80, currency="CNY", subject="绿茶"
    )


def key_of(merchant: dict[str, str], algorithm: str) -> SigningKey:
    """A signing key as a merchant's developer has it."""
    signer = make_signer(merchant["merchant_no"], algorithm)
    if algorithm == Credential.Algorithm.HMAC_SHA256:
        return SigningKey.from_secret(key_id=signer.key_id, secret=signer.private_key.decode())
    pem = signer.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SigningKey.from_pem(key_id=signer.key_id, pem=pem)


def day_of(merchant: dict[str, str]) -> Any:
    """The business day of what was booked for a merchant."""
    (found,) = rows(
        "SELECT max(j.accounting_date) AS day FROM ledger_journal j JOIN ledger_posting p USING (journal_no)"
        " JOIN ledger_account a ON a.id IN (p.debit_account_id, p.credit_account_id) WHERE a.owner = %s",
        merchant["merchant_no"],
    )
    return found["day"]


class TestSigning:
    @pytest.mark.parametrize("algorithm", SIGNING)
    def test_signed_requests_are_let_in_and_signed_anew_when_repeated(self, algorithm: str):
        merchant = make_merchant()
        wire = Wire(losing=1)
        with client_of(merchant, wire, signing_key=key_of(merchant, algorithm)) as client:
            order = create(client, f"SIGNED-{algorithm}")
            assert client.find_order(order.merchant_order_no) == order
            assert client.create_webhook_endpoint(ADDRESS).secret
        assert [request.method for request in wire.sent] == ["POST", "POST", "GET", "POST"]
        assert all("authorization" not in request.headers for request in wire.sent)
        nonces = {re.findall(r'nonce="(.+?)"', r.headers["signature-input"])[0] for r in wire.sent}
        assert len(nonces) == len(wire.sent)
        assert '"idempotency-key"' in wire.sent[-1].headers["signature-input"]

    def test_a_key_of_somebody_else_signs_nothing(self):
        merchant, other = make_merchant(), make_merchant()
        key = key_of(other, Credential.Algorithm.ED25519)
        wrong = SigningKey(
            key_id=key_of(merchant, Credential.Algorithm.ED25519).key_id, sign=key.sign
        )
        with client_of(merchant, signing_key=wrong) as client, pytest.raises(Unauthenticated):
            create(client, "FORGED-1")
        assert (
            rows(
                "SELECT 1 FROM acquiring_trade_order WHERE merchant_no = %s",
                merchant["merchant_no"],
            )
            == []
        )

    def test_what_is_no_key_is_refused_before_anything_is_sent(self):
        pem = make_ec_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        for given in (pem, pem.decode()):
            with pytest.raises(ValueError, match="Ed25519 and RSA"):
                SigningKey.from_pem(key_id="key_1", pem=given)
        for given in ("key.pem", b"", "", "\u5bc6"):
            with pytest.raises(ValueError, match="not its name"):
                SigningKey.from_pem(key_id="key_1", pem=given)
        with pytest.raises(ValueError, match=r"[Pp]assword"):
            SigningKey.from_pem(key_id="key_1", pem=pem, password="one too many")
        key = SigningKey.from_secret(key_id="key_1", secret="hk_secret")
        assert "hk_secret" not in repr(key)
        for given in ({}, {"secret_key": "sk_1", "signing_key": key}):
            with pytest.raises(ValueError, match="either"):
                Client(base_url="http://127.0.0.1:9", **given)


def test_a_pem_may_be_text_with_a_password_as_text():
    signer = make_signer(make_merchant()["merchant_no"], Credential.Algorithm.ED25519)
    pem = signer.private_key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open")
    ).decode()
    key = SigningKey.from_pem(key_id=signer.key_id, pem=pem, password="open")
    assert key.sign(b"base") == signer.private_key.sign(b"base")
    with pytest.raises(ValueError, match=r"[Pp]assword"):
        SigningKey.from_pem(key_id=signer.key_id, pem=pem)


def test_methods_are_asked_for_a_payer_on_a_terminal():
    merchant, payer = make_merchant(), make_payer(balance=0)
    token = make_payer_token(payer_no=payer, merchant_no=merchant["merchant_no"])
    wire = Wire()
    with client_of(merchant, wire) as client:
        order_no = create(client, "METHODS-1").order_no
        offers = client.list_payment_methods(
            order_no, locale="zh", terminal=Terminal.WAP, payer_token=token
        )
        assert {offer.code for offer in offers} >= {Method.QR_CODE}
        assert [json.loads(request.content) for request in wire.sent[1:]] == [
            {"locale": "zh", "terminal": "WAP", "payer_token": token}
        ]
        client.list_payment_methods(order_no)
        assert json.loads(wire.sent[-1].content) == {"locale": "en"}


def test_every_list_is_gone_through_page_by_page():
    with client_of(make_merchant()) as client:
        made = [create(client, f"PAGE-{number}").order_no for number in range(3)]
        found = iterate(client.list_orders, status=OrderStatus.INIT, limit=1)
        assert [order.order_no for order in found] == made[::-1]
        assert [order.order_no for order in client.iterate_orders()] == made[::-1]
        assert list(iterate(client.list_refunds)) == []


def test_an_agreement_from_the_request_to_its_end():
    merchant = make_merchant()
    wire = Wire(losing=2)
    with client_of(merchant, wire) as client:
        asked = client.create_payer_agreement(**LIMITS, payer_ref="ann")
        assert len(client.list_payer_agreements(payer_ref="ann").data) == 1, (
            "three tries, one request"
        )
        assert (asked.status, asked.payer_token) == (AgreementStatus.PENDING, None)
        give_consent(
            token=str(asked.agreement_url).rpartition("/")[2],
            payer_no=make_payer(),
            payment_password=PASSWORD,
        )
        agreed = client.get_payer_agreement(asked.agreement_no)
        assert agreed.status is AgreementStatus.ACTIVE
        assert str(agreed.payer_token) not in repr(agreed)
        paid = client.pay_order(
            create(client, "AGREED-1").order_no,
            method=Method.BALANCE,
            options={"payer_token": str(agreed.payer_token)},
        )
        assert paid.status is PaymentStatus.PAID
        (event,) = client.list_events(event_type="payer_agreement.active").data
        assert event.agreement.agreement_no == asked.agreement_no
        assert client.revoke_payer_agreement(asked.agreement_no).status is AgreementStatus.REVOKED
        (listed,) = client.list_payer_agreements(status=AgreementStatus.REVOKED).data
        assert (listed.agreement_no, listed.payer_token) == (asked.agreement_no, None)
        with pytest.raises(NotFound):
            client.get_payer_agreement("agr_" + "0" * 22)


def test_a_webhook_endpoint_from_its_making_to_its_end():
    wire = Wire(losing=1)
    with client_of(make_merchant(), wire) as client:
        made = client.create_webhook_endpoint(ADDRESS, events=["order.success"])
        assert made.secret
        assert made.secret not in repr(made)
        (listed,) = client.list_webhook_endpoints().data
        assert (listed.id, listed.secret) == (made.id, None)
        wire.losing = 1
        rotated = client.rotate_webhook_endpoint_secret(made.id)
        assert rotated.secret not in {None, made.secret}
        assert len({r.headers["idempotency-key"] for r in wire.sent[-2:]}) == 1
        event = client.get_event(client.test_webhook_endpoint(made.id))
        assert event.type == "webhook_endpoint.test"
        assert [delivery.endpoint_id for delivery in event.deliveries] == [made.id]
        off = client.change_webhook_endpoint(made.id, enabled=False)
        assert (off.enabled, off.disabled_reason) == (False, "merchant")
        assert (off.url, off.events) == (ADDRESS, ("order.success",))
        assert client.change_webhook_endpoint(made.id, events=[]).events == ()
        client.delete_webhook_endpoint(made.id)
        with pytest.raises(NotFound):
            client.get_webhook_endpoint(made.id)


def test_late_money_is_found_and_decided():
    merchant = make_merchant(late_money_policy="ASK")
    trade = trades.paid_too_late(merchant=merchant)
    with client_of(merchant) as client:
        (late,) = client.list_late_money(order_no=trade.order, status=LateMoneyStatus.OPEN).data
        assert (late.amount, late.policy, late.resolved_at) == (10_00, "ASK", None)
        (event,) = client.list_events(event_type="late_money.pending").data
        assert event.late_money.late_money_no == late.late_money_no
        kept = client.decide_late_money(late.late_money_no, LateMoneyDecision.HONOUR)
        assert kept == client.get_late_money(late.late_money_no)
        assert kept.status is LateMoneyStatus.HONOURED
        with pytest.raises(Conflict):
            client.decide_late_money(late.late_money_no, LateMoneyDecision.REFUND)


class TestStatements:
    def test_a_day_and_its_totals(self, clock: VirtualClock):
        trade = trades.refunded(trades.paid_by_balance())
        day = day_of(trade.merchant)
        with client_of(trade.merchant) as client:
            with pytest.raises(Conflict):
                list(client.get_statement(day))
            for wrong in ("yesterday", "2026-13-01", "", datetime(2026, 1, 31, tzinfo=UTC)):
                with pytest.raises(ValueError, match=r"day|iso|month"):
                    client.get_statement(wrong)
            clock.advance(timedelta(days=1, minutes=11).total_seconds())
            records = list(client.get_statement(day))
            lines = [record for record in records if record.record == "LINE"]
            assert {record.order_no for record in lines} == {trade.order}
            assert lines[0].time is not None
            assert list(client.get_statement(day.isoformat())) == records
            totals = list(client.get_statement(day, kind=StatementKind.SUMMARY))
            assert totals == [record for record in records if record.record == "TOTAL"]
            (balance,) = client.get_balance()
            assert (totals[-1].type, totals[-1].amount) == ("ALL", balance.pending)
            assert sum(line.amount for line in lines) == balance.pending

    LINES = re.search(r"```csv\n(.+?)```", (ROOT / "docs" / "api.md").read_text("utf-8"), re.DOTALL)

    def lines(self) -> list[str]:
        assert self.LINES is not None
        return self.LINES[1].splitlines()

    def test_the_example_of_the_guide_is_read(self):
        records = list(_read_statement(iter(self.lines())))
        assert [record.amount for record in records[:4]] == [1280, -8, -280, 2]
        assert records[0].refund_no is None

    def test_what_a_spreadsheet_must_not_calculate_is_what_it_was(self):
        made = [line.replace("TEA-1001", "'-17") for line in self.lines()]
        assert next(_read_statement(iter(made))).merchant_order_no == "-17"

    @pytest.mark.parametrize("missing", [-1, 2])
    def test_a_line_too_few_or_no_end_is_no_statement(self, missing: int):
        broken = self.lines()
        broken.pop(missing)
        with pytest.raises(BrokenStatement):
            list(_read_statement(iter(broken)))

    def test_a_connection_that_breaks_off_is_no_statement(self, clock: VirtualClock):
        class Cut(Wire):
            def handle_request(self, request: httpx.Request) -> httpx.Response:
                answer = super().handle_request(request)
                content = answer.read()
                return httpx.Response(200, content=_cut(content))

        def _cut(content: bytes) -> Any:
            yield content[:200]
            message = "connection reset"
            raise httpx.ReadError(message)

        trade = trades.paid_by_balance()
        day = day_of(trade.merchant)
        clock.advance(timedelta(days=1, minutes=11).total_seconds())
        with client_of(trade.merchant, Cut()) as client, pytest.raises(BrokenStatement):
            list(client.get_statement(day))


def test_every_operation_of_the_api_has_its_method():
    document = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text("utf-8"))
    operations = {
        operation["operationId"]
        for path in document["paths"].values()
        for name, operation in path.items()
        if name in {"get", "post", "patch", "put", "delete"}
    }
    assert len(operations) > 25
    missing = [name for name in operations if not isinstance(getattr(Client, name, None), Callable)]
    assert missing == []
