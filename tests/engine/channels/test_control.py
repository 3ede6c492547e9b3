"""The control endpoints, the registry, and the walls around the institution."""

from __future__ import annotations

import http.client
import subprocess
import sys
from datetime import datetime
from urllib.parse import urlsplit

import pytest

from engine.channels import registry
from engine.channels.base import Capability, Channel, Outcome
from engine.channels.sandbox.adapter import api_url_of
from engine.channels.sandbox.institution.control import is_loopback
from engine.channels.sandbox.institution.statement import ZONE
from tests.engine.channels.conftest import Requests
from tests.environment import ROOT
from tests.institution_process import InstitutionProcess


def test_the_book_has_its_exact_shape(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request(token="tok_success")
    other = new_request(token="tok_success")
    sandbox.pay(request)
    sandbox.pay(other)
    expected = {
        "payment_no": request.payment_no,
        "order_no": request.order_no,
        "amount": 1234,
        "currency": "CNY",
        "status": "SUCCEEDED",
    }
    assert institution.book(order_no=request.order_no) == {"charges": [expected], "refunds": []}
    assert institution.book(payment_no=request.payment_no)["charges"] == [expected]
    assert institution.book(order_no=request.order_no, payment_no="x")["charges"] == []
    everything = institution.book()["charges"]
    assert expected in everything
    assert len(everything) >= 2


def test_confirming_what_is_not_there_is_an_error(institution: InstitutionProcess):
    assert institution.confirm("pay_nobody")["http_status"] == 404
    assert institution.confirm("pay_nobody", decision="maybe")["http_status"] == 400
    assert institution.control("nothing", {})["http_status"] == 404


def test_a_charge_is_taken_back_in_the_book_and_in_the_days_file(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess
):
    request, waiting = new_request(token="tok_success"), new_request()
    sandbox.pay(request)
    sandbox.pay(waiting)
    first = institution.control("chargeback", {"payment_no": request.payment_no, "amount": 1_000})
    rest = institution.control("chargeback", {"payment_no": request.payment_no})
    assert (first["amount"], rest["amount"], rest["order_no"]) == (1_000, 234, request.order_no)
    for body, status in [
        ({"payment_no": request.payment_no}, 409),  # nothing is left
        ({"payment_no": waiting.payment_no}, 409),  # nothing was charged
        ({"payment_no": "pay_nobody"}, 404),
        ({"payment_no": request.payment_no, "amount": 0}, 400),
        ({"payment_no": request.payment_no, "amount": "1"}, 400),
    ]:
        assert institution.control("chargeback", body)["http_status"] == status
    institution.kill()
    institution.start()
    kept = institution.book(order_no=request.order_no, full="1")["chargebacks"]
    assert [row["amount"] for row in kept] == [1_000, 234]
    today = datetime.now(ZONE).date()
    lines = sandbox.fetch_statement(statement_date=today).decode().splitlines()
    told = [line.split(",")[:6] for line in lines if line.startswith("CHARGEBACK,")]
    ours = [line for line in told if line[2] == request.request_no]
    assert [(line[1], line[5]) for line in ours] == [
        (first["chargeback_no"], "1000"),
        (rest["chargeback_no"], "234"),
    ]
    (total,) = (line for line in lines if line.startswith("#TOTAL,CNY,"))
    pulled = [int(line[5]) for line in told]
    assert total.split(",")[-2:] == [str(len(pulled)), str(sum(pulled))]


@pytest.mark.parametrize(
    "fault",
    [{}, {"mode": "down"}, {"mode": "slow", "seconds": "9"}, {"mode": "slow", "seconds": -1}],
)
def test_a_wrong_fault_changes_nothing(
    *,
    sandbox: Channel,
    new_request: Requests,
    institution: InstitutionProcess,
    fault: dict[str, object],
):
    assert institution.control("faults", fault)["http_status"] == 400
    assert sandbox.pay(new_request()).outcome is Outcome.PENDING


def test_web_pages_cannot_control_it(institution: InstitutionProcess):
    connection = http.client.HTTPConnection(urlsplit(institution.url).netloc, timeout=60)
    headers = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    connection.request("POST", "/control/faults", body='{"mode":"refuse"}', headers=headers)
    assert connection.getresponse().status == 403
    connection.close()


@pytest.mark.parametrize(
    ("client", "allowed"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.1", False),
        ("192.168.1.9", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_control_is_for_this_machine(client: str, allowed: bool):
    assert is_loopback(client) is allowed


def test_people_can_read_the_book(
    sandbox: Channel, new_request: Requests, institution: InstitutionProcess
):
    request = new_request()
    sandbox.pay(request)
    connection = http.client.HTTPConnection(urlsplit(institution.url).netloc, timeout=60)
    connection.request("GET", "/control/")
    answer = connection.getresponse()
    assert answer.status == 200
    assert request.payment_no in answer.read().decode()
    connection.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unsigned_call_is_turned_away(institution: InstitutionProcess, method: str):
    connection = http.client.HTTPConnection(urlsplit(institution.api_url).netloc, timeout=60)
    connection.request(method, "/api/sandbox/pay", body=b"{}")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (401, b"{}")
    assert answer.getheader("Sandbox-Signature") is None
    connection.close()


def test_a_channel_with_a_wrong_key_learns_nothing(
    institution: InstitutionProcess, sandbox: Channel, new_request: Requests
):
    stranger = type(sandbox)(code="sandbox", signing_key="guess", api_url=institution.api_url)
    request = new_request(token="tok_success")
    assert stranger.pay(request).outcome is Outcome.UNKNOWN
    assert institution.book(order_no=request.order_no)["charges"] == []


def test_the_registry_knows_the_configured_channels():
    assert [channel.code for channel in registry.list_channels()] == ["sandbox", "sandbox2"]
    assert registry.get_channel("sandbox").code == "sandbox"
    assert registry.get_channel("sandbox") is registry.find_channel("sandbox")
    assert len(registry.list_channels(Capability.QR_CODE)) == 2
    assert registry.find_channel("nobody") is None
    with pytest.raises(registry.UnknownChannel):
        registry.get_channel("nobody")


@pytest.mark.parametrize(
    ("sandbox_url", "api_url"),
    [
        ("http://127.0.0.1:8100", "http://127.0.0.1:8101"),
        ("http://[::1]:8100/", "http://[::1]:8101"),
        ("https://sandbox.example", "https://sandbox.example:444"),
    ],
)
def test_the_api_is_one_port_up(sandbox_url: str, api_url: str):
    assert api_url_of(sandbox_url) == api_url


def test_the_institution_knows_nothing_of_the_platform():
    program = (
        "import sys, engine.channels.sandbox.institution.__main__ as m;"
        "ours = {'django', 'psycopg', 'httpx', 'paymentplatform', 'acquiring', 'ledger', 'checkout'};"
        "assert not ours & set(sys.modules), ours & set(sys.modules);"
        "known = [n for n in sys.modules if n.startswith('engine.')];"
        "allowed = ('engine.channels.sandbox.institution', 'engine.channels.sandbox.codec');"
        "packages = ('engine.channels', 'engine.channels.sandbox');"
        "assert all(n in packages or n.startswith(allowed) for n in known), known"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_nobody_else_knows_scenarios():
    words = ("sandbox_scenario", "decline_retriable", "unknown_then", "refund_unknown", "tok_")
    folders = ("engine", "acquiring", "checkout", "ledger", "paymentplatform", "templates")
    found = [
        path.relative_to(ROOT)
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if "channels/sandbox" not in str(path) and any(word in path.read_text() for word in words)
    ]
    assert found == []
