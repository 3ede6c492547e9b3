"""The benchmark's own parts: what it sends, replays, counts and refuses. No servers of its own."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from xml.etree import ElementTree as ET

import pytest

from bench import wrk
from bench.budgets import judge
from bench.chart import draw
from bench.cpu import read_usage
from bench.generator import Job, Load, Refused, request, run
from bench.measuring import Plan, Row
from bench.paths import PATHS, PAY, steps_of
from bench.reference import Sent, write_script
from bench.report import heading, line
from bench.seed import PAYERS, Shop, order_number, token_of
from bench.stress import press
from checkout.services.wallets import hash_token
from paymentplatform.kernel import numbers
from paymentplatform.kernel.hotsql import encode_array
from tests.listening import PatientServer

SHOP = Shop("mch_x", "key_x", "sk_secret")
PUBLISHED = {
    *("path", "tps", "reference_tps", "ratio", "cv"),
    *("p50_ms", "p99_ms", "web_cpu_ms", "pg_cpu_ms"),
}


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Answer each request on one connection with the next of these, the last one again and again."""
    listening = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def serve() -> None:
        link, _ = listening.accept()
        with link:
            while received := link.recv(65536):
                seen.append(received)
                link.sendall(answers[min(len(seen), len(answers)) - 1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], seen
    finally:
        listening.close()
        thread.join(5)


def answer(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_a_life_goes_through_its_steps_with_the_order_that_its_first_answer_names():
    number = numbers.new_number(numbers.ORDER)
    with server(answer(f'{{"order_no":"{number}"}}'.encode()), answer(b"{}")) as (port, seen):
        steps = [
            request("POST", "/a", port=port, body='{"n":"%(n)022d","p":"%(p)06d"}'),
            request("GET", "/b/%(o)s", port=port, secret="sk_x"),
        ]
        load = run(Job(port, 1, 60.0, first=PAYERS + 7, count=1, steps=steps))
    assert load.lives == 1
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert json.loads(body) == {"n": f"{PAYERS + 7:022d}", "p": "000007"}
    assert f"Content-Length: {len(body)}".encode() in head
    assert seen[1].startswith(f"GET /b/{number} ".encode())
    assert b"Authorization: Bearer sk_x" in seen[1]


@pytest.mark.parametrize("status", ["409 Conflict", "500 Oops", "302 Found"])
def test_one_answer_that_is_not_2xx_ends_the_run(status: str):
    with server(answer(b"{}"), answer(b"no", status)) as (port, _):
        steps = [request("GET", "/a", port=port)]
        with pytest.raises(Refused, match=status[:3]):
            run(Job(port, 1, 60.0, first=0, count=5, steps=steps))


def test_every_path_has_requests_whose_length_is_right():
    for path in PATHS:
        for step in steps_of(path, port=1, shop=SHOP):
            words = {b"w0": b"a", b"w1": b"b", b"w2": b"c"}
            values = {b"n": 12, b"p": 12, b"o": order_number(12).encode()} | words
            head, _, body = (step.encode() % values).partition(b"\r\n\r\n")
            said = [part for part in head.split(b"\r\n") if part.startswith(b"Content-Length")]
            assert said == ([f"Content-Length: {len(body)}".encode()] if body else [])


def test_the_reference_replays_the_statement_with_other_numbers_each_time():
    sent = Sent(
        "pay",
        "SELECT f($1::text, $2::text, $3::text, $4::bigint, $5::text, $1::text)",
        (order_number(3), numbers.new_number(numbers.PAYMENT), hash_token(token_of(3)), 100, None),
    )
    script = write_script([sent], payer=3)
    assert script.text.splitlines()[-1] == (
        "SELECT f(('ord_' || lpad(:n::text, 22, '0'))::text, ('pay_' || lpad(:n::text, 22, '0'))::text, "
        "encode(sha256(convert_to('pt_bench_' || lpad(:p::text, 6, '0'), 'UTF8')), 'hex')::text, "
        ":c0::bigint, NULL::text, ('ord_' || lpad(:n::text, 22, '0'))::text);"
    )
    assert script.constants == {"c0": "100"}


def test_a_payment_that_pays_alone_is_replayed_as_a_set_of_one():
    sent = Sent(
        "pay_together",
        "SELECT f($1::text[], $2::text[], $3::bigint[], $4::text[])",
        tuple(encode_array([value]) for value in (order_number(3), None, 100, "")),
    )
    script = write_script([sent], payer=3)
    assert script.text.splitlines()[-1] == (
        "SELECT f(ARRAY[('ord_' || lpad(:n::text, 22, '0'))]::text[], ARRAY[NULL]::text[], "
        "ARRAY[:c0]::bigint[], ARRAY['']::text[]);"
    )


@pytest.mark.parametrize(
    ("tps", "ratio", "p99_ms", "verdict"),
    [
        (1_700.0, 0.9, 40.0, "aim"),
        (1_400.0, None, None, "must"),
        (900.0, 0.3, 140.0, "TPS<1300 ratio<0.45 p99>100"),
    ],
)
def test_a_row_is_judged_by_what_its_path_must_hold(
    tps: float, ratio: float | None, p99_ms: float | None, verdict: str
):
    assert judge("balance_payment", tps=tps, ratio=ratio, p99_ms=p99_ms) == verdict
    assert judge("order_list", tps=1.0, ratio=None, p99_ms=None) == ""


@pytest.mark.parametrize(
    ("path", "connections", "verdict"),
    [
        ("balance_payment", 32, "p99>100"),
        ("balance_payment", 33, "aim"),
        ("cashier_page", 50, "p99>100"),
        ("cashier_status", 50, "p99>100"),
        ("consult", 50, "p99>100"),
        ("consult", 51, "aim"),
    ],
)
def test_a_tail_is_promised_to_so_many_connections(path: str, connections: int, verdict: str):
    for p99_ms, expected in ((100.1, verdict), (99.9, "aim")):
        said = judge(path, tps=9_999.0, ratio=None, p99_ms=p99_ms, connections=connections)
        assert said == expected


def test_the_picture_is_one():
    row = Row("create_order", 32, 10.0, None, None, None, 1.0, 2.0, 0.5, 0.6, 0.1, None, 0.0)
    root = ET.fromstring(draw([row], title="a < b"))
    assert root.tag.endswith("svg")
    assert any(text.text == "create_order, 32 conn." for text in root.iter() if text.text)


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    retry_after = True

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        is_even = int(self.path.split("ord_")[1][:22]) % 2 == 0
        self.send_response(200 if is_even else 503)
        if self.retry_after:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_args: object) -> None:
        pass


@pytest.mark.parametrize("says_when", [True, False])
def test_a_crowd_counts_what_was_accepted_and_what_was_refused_politely(says_when: bool):
    handler = type("Handler", (_Answering,), {"retry_after": says_when})
    with PatientServer(("127.0.0.1", 0), handler) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        port = serving.server_address[1]
        try:
            if not says_when:
                with pytest.raises(Refused):
                    press(port, SHOP, first=0, count=10, rate=200, connections=4)
                return
            step, run = press(port, SHOP, first=0, count=40, rate=400, connections=4)
        finally:
            serving.shutdown()
    assert (step.asked, step.accepted, step.refused, step.unanswered) == (40, 20, 20, 0)
    assert sorted(run.paid_numbers) == list(range(0, 40, 2))
    assert 0 < step.p50_ms <= step.p99_ms


@pytest.mark.skipif(not wrk.is_installed(), reason="wrk is not installed")
def test_wrk_numbers_its_requests_and_refuses_what_is_refused():
    with PatientServer(("127.0.0.1", 0), _Answering) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        port = serving.server_address[1]
        steps = [request("POST", "/orders/ord_%(n)022d/pay", port=port, body=PAY)]
        with pytest.raises(Refused, match="not 2xx"):
            wrk.generate(Job(port, 2, 1.0, first=0, count=10**6, steps=steps))
        serving.shutdown()


def test_a_row_has_the_published_names_and_is_shown_even_without_a_reference():
    row = Row("whole_life", 32, 10.0, None, None, None, 1.0, 2.0, 0.5, 0.6, 0.1, None, 0.0)
    assert set(row.as_json()) >= PUBLISHED
    assert "whole_life" in line(row)
    assert "others" in heading(Plan(pairs=2, web_s=1.0, reference_s=1.0, quick=True))


def test_cpu_is_counted_for_a_process_and_the_machine():
    before = read_usage(postgres_pid=os.getpid(), web_pid=-1)
    while read_usage(postgres_pid=os.getpid(), web_pid=-1).since(before).postgres < 0.05:
        sum(range(100_000))
    used = read_usage(postgres_pid=os.getpid(), web_pid=-1).since(before)
    assert used.web == 0.0
    assert used.machine > 0


def test_speed_is_lives_a_second():
    assert Load(lives=30, seconds=1.5, cpu_s=0.1, latencies_ms=[]).tps == 20
