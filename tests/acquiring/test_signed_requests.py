"""Signed requests through the merchant API: who is let in, what counts once, and what never has an effect."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from importlib import import_module
from io import BytesIO
from typing import Any

import httpx
import pytest
import redis
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import DatabaseError, connection

from acquiring.models import Merchant
from acquiring.services import callers
from acquiring.services.credentials import issue_credential, revoke_credential
from acquiring.tasks import sweep_used_nonces_task
from paymentplatform.api_handler import ApiHandler
from tests.barrier import racers, run_together
from tests.clock import VirtualClock
from tests.makers import make_merchant, make_payer, make_payer_token, order_body
from tests.paymentplatform.calling import Answer, call
from tests.roundtrips import counting_round_trips
from tests.signing import SIGNING, Algorithm, Signer, at_home, make_signer, send
from tests.trading import rows

API = ApiHandler()
NEUTRAL = "Valid credentials are required. The server's time is "


@pytest.fixture
def merchant() -> dict[str, str]:
    return make_merchant()


@pytest.fixture
def signer(merchant: dict[str, str]) -> Signer:
    return make_signer(merchant["merchant_no"])


def create(signer: Signer, *, body: dict[str, Any] | None = None, **options: Any) -> httpx.Request:
    """A signed request that would make an order."""
    text = json.dumps(body or order_body()).encode()
    return signer.sign("POST", at_home("orders"), text, **options)


def orders_of(merchant: dict[str, str]) -> int:
    return len(
        rows("SELECT 1 FROM acquiring_trade_order WHERE merchant_no = %s", merchant["merchant_no"])
    )


def nonces_of(signer: Signer) -> int:
    return len(rows("SELECT 1 FROM acquiring_used_nonce WHERE key_id = %s", signer.key_id))


def assert_refused(answer: Answer) -> None:
    """401, with the one body that every cause gets, and our clock."""
    assert answer.status == 401, answer
    said = answer.json
    said.pop("request_id")
    stamp = said.pop("detail")
    assert stamp.startswith(NEUTRAL)
    assert abs(int(stamp.rpartition("(")[2].rstrip(").")) - time.time()) < 5
    assert said == {
        "type": f"{settings.BASE_URL}/api/errors#unauthenticated",
        "title": "Valid credentials are required",
        "status": 401,
        "code": "unauthenticated",
        "action": "FIX_REQUEST",
        "errors": [],
    }
    assert answer.headers["Date"].endswith("GMT")


@pytest.mark.parametrize("algorithm", SIGNING)
def test_an_independent_client_gets_through(merchant: dict[str, str], algorithm: str):
    signer = make_signer(merchant["merchant_no"], algorithm)
    answer = send(API, create(signer))
    assert answer.status == 201, answer
    order_no = answer.json["order_no"]
    asked = send(API, signer.sign("GET", at_home(f"orders/{order_no}")))
    assert asked.json == answer.json
    listed = send(
        API,
        signer.sign("GET", at_home("orders?limit=1"), covered=("@method", "@path", "@query")),
    )
    assert [order["order_no"] for order in listed.json["data"]] == [order_no]
    closed = send(API, signer.sign("POST", at_home(f"orders/{order_no}/close")))
    assert closed.json["status"] == "CLOSED"
    assert nonces_of(signer) == 4


def test_a_signed_hot_call_costs_one_statement_more(merchant: dict[str, str], signer: Signer):
    earlier = send(API, create(signer)).json["order_no"]
    send(API, signer.sign("GET", at_home(f"orders/{earlier}")))
    token = make_payer_token(payer_no=make_payer(), merchant_no=merchant["merchant_no"])
    with counting_round_trips() as seen:
        order_no = send(API, create(signer)).json["order_no"]
    assert (len(seen), seen.on_the_wire) == (2, 2), seen
    with counting_round_trips() as seen:
        assert send(API, signer.sign("GET", at_home(f"orders/{order_no}"))).status == 200
    assert (len(seen), seen.on_the_wire) == (2, 2), seen
    body = json.dumps({"method": "BALANCE", "options": {"payer_token": token}}).encode()
    for number in (earlier, order_no):  # the first one fills the caches of what is configured
        pay = signer.sign("POST", at_home(f"orders/{number}/pay"), body)
        with counting_round_trips() as seen:
            assert send(API, pay).json["status"] == "PAID"
    # Once in a while a process asks whether the catalogue is still the one that it knows.
    hot = [statement for statement in seen.statements if "catalogue_stamp" not in statement]
    assert len(hot) == 3, seen


# -- every bit ------------------------------------------------------------------------------------------------


_VARIABLES = {
    "method": "REQUEST_METHOD",
    "path": "PATH_INFO",
    "query": "QUERY_STRING",
    "content-digest": "HTTP_CONTENT_DIGEST",
    "content-type": "CONTENT_TYPE",
    "signature-input": "HTTP_SIGNATURE_INPUT",
    "signature": "HTTP_SIGNATURE",
}
_PREFIX = b"/api/v1/"
"""Outside it there is no merchant API: such a path is a page's, or nobody's."""


def every_bit(request: httpx.Request) -> Iterator[tuple[str, bytes]]:
    """Each single-bit change of what is signed and of the signature: (part, its changed value)."""
    parts = {
        "method": request.method.encode(),
        "path": request.url.raw_path.partition(b"?")[0],
        "query": request.url.query,
        "body": request.content,
    } | {name: request.headers[name].encode() for name in list(_VARIABLES)[3:]}
    for part, value in parts.items():
        for bit in range(len(_PREFIX) * 8 if part == "path" else 0, len(value) * 8):
            changed = bytearray(value)
            changed[bit // 8] ^= 1 << bit % 8
            yield part, bytes(changed)


def test_no_single_bit_can_change(merchant: dict[str, str], signer: Signer):
    """Method, path, query, every header that is covered, the signature's own headers, the body."""
    body = order_body(description="A description, so that there are many bits. ")
    request = signer.sign("POST", at_home("orders?trace=1"), json.dumps(body).encode())
    seen: Counter[str] = Counter()
    for part, value in every_bit(request):
        if part == "body":
            answer = send(API, request, **{"wsgi.input": BytesIO(value)})
        else:
            answer = send(API, request, **{_VARIABLES[part]: value.decode("latin-1")})
        assert answer.status == 401, (part, value, answer)
        seen[part] += 1
    assert seen.total() >= 4_000, seen
    assert set(seen) == {*_VARIABLES, "body"}
    assert (orders_of(merchant), nonces_of(signer)) == (0, 0)
    assert send(API, request).status != 401


# -- once -----------------------------------------------------------------------------------------------------


def test_a_request_counts_once_whatever_redis_forgets(merchant: dict[str, str], signer: Signer):
    request = create(signer)
    assert send(API, request).status == 201

    def repeat() -> list[int]:
        return [send(API, request).status for _ in range(25)]

    assert run_together([repeat, repeat]) == [[401] * 25] * 2
    redis.Redis.from_url(settings.REDIS_URL).flushdb()
    callers._signing_keys.forget()
    assert_refused(send(API, request))
    assert (orders_of(merchant), nonces_of(signer)) == (1, 1)


def test_of_two_at_once_one_passes(merchant: dict[str, str], signer: Signer):
    order_no = send(API, create(signer)).json["order_no"]
    with racers(2) as two:
        for _ in range(10):
            request = signer.sign("GET", at_home(f"orders/{order_no}"))
            statuses = [a.status for a in two.run([lambda r=request: send(API, r)] * 2)]
            assert sorted(statuses) == [200, 401]


def test_a_nonce_belongs_to_its_key(merchant: dict[str, str], signer: Signer):
    other = make_signer(merchant["merchant_no"])
    for key in (signer, other):
        assert send(API, create(key, nonce="the same")).status == 201
    assert_refused(send(API, create(signer, nonce="the same")))


def test_a_forger_cannot_use_up_a_nonce(merchant: dict[str, str], signer: Signer):
    forger = Signer(signer.key_id, signer.algorithm, Ed25519PrivateKey.generate())
    assert_refused(send(API, create(forger, nonce="mine")))
    assert_refused(send(API, create(signer, nonce="mine", created=int(time.time()) - 400)))
    assert nonces_of(signer) == 0
    assert send(API, create(signer, nonce="mine")).status == 201


def test_one_too_many_keeps_its_nonce(merchant: dict[str, str], signer: Signer):
    Merchant.objects.filter(pk=merchant["merchant_no"]).update(rate_limit_per_s=1)
    made = [create(signer) for _ in range(10)]
    statuses = [send(API, request).status for request in made]
    assert set(statuses) == {201, 429}
    assert nonces_of(signer) == orders_of(merchant) == statuses.count(201)


def test_old_nonces_are_swept_in_batches_and_young_ones_kept(signer: Signer, settings: Any):
    settings.SWEEP_BATCH = 2
    assert send(API, create(signer)).status == 201
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO acquiring_used_nonce SELECT %s, 'old-' || n, now() - interval '11 minutes'"
            " FROM generate_series(1, 5) n UNION ALL SELECT %s, 'resting', now() - interval '9 minutes'",
            [signer.key_id, signer.key_id],
        )
    sweep_used_nonces_task()
    assert nonces_of(signer) == 2
    with pytest.raises(DatabaseError, match="stay until their time"), connection.cursor() as cursor:
        cursor.execute("DELETE FROM acquiring_used_nonce WHERE key_id = %s", [signer.key_id])
    assert nonces_of(signer) == 2


# -- the clock ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offset", "status"), [(-301, 401), (-300, 200), (0, 200), (300, 200), (301, 401)]
)
def test_the_clock_decides_by_the_second(signer: Signer, offset: int, status: int):
    now = int(time.time())
    request = signer.sign("GET", at_home("orders"), created=now + offset)
    with time_machine.travel(now, tick=False):
        answer = send(API, request)
        assert answer.status == status
        if status == 401:
            assert_refused(answer)
            assert f"({now})" in answer.json["detail"]
    assert nonces_of(signer) == (status == 200)


def test_a_client_can_set_its_clock_by_the_refusal(signer: Signer):
    answer = send(API, signer.sign("GET", at_home("orders"), created=1))
    told = int(answer.json["detail"].rpartition("(")[2].rstrip(")."))
    assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - told) <= 1
    assert send(API, signer.sign("GET", at_home("orders"), created=told)).status == 200


# -- keys -----------------------------------------------------------------------------------------------------


def get(signer: Signer) -> int:
    return send(API, signer.sign("GET", at_home("orders"))).status


def test_a_revoked_key_is_dead_at_once_and_its_successor_lives(
    merchant: dict[str, str], signer: Signer
):
    successor = make_signer(merchant["merchant_no"], Algorithm.HMAC_SHA256)
    assert (get(signer), get(successor)) == (200, 200)
    revoke_credential(key_id=signer.key_id)
    assert_refused(send(API, create(signer)))
    assert (get(signer), get(successor)) == (401, 200)
    assert orders_of(merchant) == 0


def test_an_expired_key_is_dead_at_once(merchant: dict[str, str], clock: VirtualClock):
    issued = issue_credential(
        merchant_no=merchant["merchant_no"], algorithm=Algorithm.HMAC_SHA256, lifetime_s=60
    )
    signer = Signer(issued.key_id, Algorithm.HMAC_SHA256, issued.secret.encode())
    assert get(signer) == 200
    clock.advance(61)
    assert_refused(send(API, create(signer)))
    assert orders_of(merchant) == 0


def test_a_disabled_merchants_keys_are_dead_at_once(merchant: dict[str, str], signer: Signer):
    assert get(signer) == 200
    Merchant.objects.filter(pk=merchant["merchant_no"]).update(status="DISABLED")
    assert_refused(send(API, create(signer)))
    assert orders_of(merchant) == 0


def test_a_key_sees_only_its_own_merchants_orders(signer: Signer):
    other = make_signer(make_merchant()["merchant_no"])
    order_no = send(API, create(other)).json["order_no"]
    for method, path in (("GET", ""), ("POST", "/close"), ("POST", "/payment-methods")):
        answer = send(API, signer.sign(method, at_home(f"orders/{order_no}{path}")))
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    answer = send(API, create(signer, key_id=other.key_id))
    assert_refused(answer)


@pytest.mark.parametrize(
    "key_id", ["", "key_", "nobody", "key_01k00000000000000000000", "KEY", "key_\x00"]
)
def test_unknown_keys(signer: Signer, key_id: str):
    request = create(signer)
    changed = request.headers["signature-input"].replace(signer.key_id, key_id)
    assert_refused(send(API, request, HTTP_SIGNATURE_INPUT=changed))


def test_a_bearer_key_signs_nothing(merchant: dict[str, str]):
    for secret in (merchant["secret_key"].encode(), b""):
        forger = Signer(merchant["key_id"], Algorithm.HMAC_SHA256, secret or b"x")
        assert_refused(send(API, create(forger)))


def test_an_hmac_secret_is_no_bearer_key(merchant: dict[str, str]):
    issued = issue_credential(merchant_no=merchant["merchant_no"], algorithm=Algorithm.HMAC_SHA256)
    assert_refused(call(API, "GET", "/api/v1/orders", HTTP_AUTHORIZATION=f"Bearer {issued.secret}"))


# -- what else a request carries ------------------------------------------------------------------------------


def test_a_signature_alone_decides(merchant: dict[str, str], signer: Signer):
    bearer = f"Bearer {merchant['secret_key']}"
    request = create(signer)
    assert_refused(send(API, request, HTTP_AUTHORIZATION=bearer, HTTP_SIGNATURE="sig=:AAAA:"))
    assert_refused(send(API, request, HTTP_AUTHORIZATION=bearer, HTTP_SIGNATURE_INPUT=""))
    assert orders_of(merchant) == 0
    assert send(API, request, HTTP_AUTHORIZATION="Bearer rubbish").status == 201


def test_an_idempotency_key_answers_a_request_that_is_signed_again(
    merchant: dict[str, str], signer: Signer
):
    covered = ("@method", "@target-uri", "idempotency-key")
    body, header = order_body(), {"Idempotency-Key": "once"}
    first, again = (
        send(API, create(signer, body=body, headers=header, covered=covered)) for _ in range(2)
    )
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    changed = create(signer, body=body, headers=header, covered=covered)
    assert_refused(send(API, changed, HTTP_IDEMPOTENCY_KEY="another"))
    assert orders_of(merchant) == 1


def test_half_a_signature_is_none(merchant: dict[str, str]):
    for name in ("HTTP_SIGNATURE", "HTTP_SIGNATURE_INPUT"):
        half = {name: "x", "HTTP_AUTHORIZATION": f"Bearer {merchant['secret_key']}"}
        assert_refused(call(API, "GET", "/api/v1/orders", **half))


def test_the_host_header_means_nothing(signer: Signer):
    assert send(API, create(signer), HTTP_HOST="evil.example").status == 201
    elsewhere = signer.sign("GET", "http://evil.example/api/v1/orders")
    assert_refused(send(API, elsewhere))
    assert_refused(send(API, elsewhere, HTTP_X_FORWARDED_HOST="evil.example"))


def test_a_published_path_before_ours_is_part_of_the_address(signer: Signer, settings: Any):
    settings.BASE_URL = "https://pay.example/platform"
    url = "https://pay.example/platform/api/v1/orders"
    request = signer.sign("GET", url)
    assert send(API, request, PATH_INFO="/api/v1/orders").status == 200


def test_a_path_that_must_be_encoded_is_read_in_its_one_form(signer: Signer):
    request = signer.sign("GET", at_home("orders/%E4%B8%AD%20%7C"))
    path = "/api/v1/orders/\u4e2d |".encode().decode("latin-1")
    assert send(API, request, PATH_INFO=path).status == 404
    assert_refused(send(API, request, PATH_INFO=path.replace("|", "\xff")))


def test_every_route_refuses_a_wrong_signature(signer: Signer):
    forger = Signer(signer.key_id, signer.algorithm, Ed25519PrivateKey.generate())
    routes = list(list_merchant_routes())
    assert len(routes) > 10
    for path, methods in routes:
        for method in methods:
            assert_refused(send(API, forger.sign(method.upper(), at_home(path))))
            assert_refused(call(API, method.upper(), f"/api/v1/{path}"))
    assert_refused(send(API, forger.sign("GET", at_home("nothing/here"))))
    assert_refused(send(API, forger.sign("PATCH", at_home("orders"))))
    assert send(API, signer.sign("GET", at_home("nothing/here"))).status == 404
    assert send(API, signer.sign("PATCH", at_home("orders"))).status == 405


def list_merchant_routes() -> Iterator[tuple[str, list[str]]]:
    """The calls of the merchant API, with a number of the right form where one belongs."""
    for module in ("acquiring.urls", "checkout.api_urls"):
        for route in import_module(module).urlpatterns:
            view = route.callback.cls
            methods = [name for name in ("get", "post", "patch", "delete") if hasattr(view, name)]
            yield re.sub(r"<[^>]+>", "ord_01k00000000000000000000", str(route.pattern)), methods


# -- signed only ----------------------------------------------------------------------------------------------


def test_signed_only_ends_bearer_keys_at_once(merchant: dict[str, str], signer: Signer):
    bearer = {"HTTP_AUTHORIZATION": f"Bearer {merchant['secret_key']}"}
    token = make_payer_token(payer_no=make_payer(), merchant_no=merchant["merchant_no"])

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> Answer:
        text = json.dumps(body).encode() if body else b""
        return call(API, method, f"/api/v1/{path}", text, **bearer)

    order_no = ask("POST", "orders", order_body()).json["order_no"]
    pay = {"method": "BALANCE", "options": {"payer_token": token}}
    Merchant.objects.filter(pk=merchant["merchant_no"]).update(signed_only=True)
    for known_before in (True, False):
        assert (
            callers._identities.holds(callers.hash_secret(merchant["secret_key"])) == known_before
        )
        assert_refused(ask("POST", "orders", order_body()))
        assert_refused(ask("GET", f"orders/{order_no}"))
        assert_refused(ask("GET", "orders"))
        assert_refused(ask("POST", f"orders/{order_no}/pay", pay))
        assert_refused(ask("POST", f"orders/{order_no}/payment-methods"))
        assert_refused(ask("POST", f"orders/{order_no}/close"))
        callers._identities.forget()
    assert orders_of(merchant) == 1
    assert send(API, signer.sign("GET", at_home(f"orders/{order_no}"))).json["status"] == "INIT"
    Merchant.objects.filter(pk=merchant["merchant_no"]).update(signed_only=False)
    assert ask("GET", f"orders/{order_no}").status == 200
