"""The Idempotency-Key of POSTs: what is kept, what is not, who may run a request, and who must not answer any more."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory

from acquiring.contracts import OrderNotPaid
from acquiring.idempotent_requests import answer_once
from acquiring.services.idempotency import (
    Claim,
    KeptAnswer,
    Scope,
    answer_claim,
    claim_key,
    current_claim,
    new_or_claimed_number,
    release_claim,
    running_under,
    sweep_idempotency_keys,
)
from paymentplatform.kernel.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    all_error_classes,
)
from tests.architecture.sources import import_everything
from tests.barrier import run_times
from tests.clock import VirtualClock
from tests.makers import make_merchant, order_body
from tests.roundtrips import counting_round_trips
from tests.trading import rows

LEASE_S = 60


@pytest.fixture
def merchant() -> dict[str, str]:
    return make_merchant()


def fresh_key() -> str:
    return f"k-{secrets.token_hex(8)}"


def post(
    merchant: dict[str, str], path: str, body: Any, *, key: str | None, **headers: str
) -> HttpResponse:
    """POST as a merchant does; a body of bytes goes as it is."""
    sent = {"Authorization": f"Bearer {merchant['secret_key']}"} | headers
    if key is not None:
        sent["Idempotency-Key"] = key
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client(headers=sent).post(f"/api/v1/{path}", data=data, content_type="application/json")


def keys_of(merchant: dict[str, str]) -> list[dict[str, Any]]:
    return rows(
        "SELECT * FROM acquiring_idempotency_key WHERE merchant_no = %s", merchant["merchant_no"]
    )


def orders_of(merchant: dict[str, str]) -> int:
    return len(
        rows(
            "SELECT 1 AS one FROM acquiring_trade_order WHERE merchant_no = %s",
            merchant["merchant_no"],
        )
    )


def scope_of(key: str, request: str = "r") -> Scope:
    return Scope(key=key, route="test", scope_digest=f"scope-{key}", request_digest=request)


def claim(merchant: dict[str, str], key: str, request: str = "r") -> Claim | KeptAnswer:
    return claim_key(key_id=merchant["key_id"], scope=scope_of(key, request))


class TestReplay:
    def test_gives_the_same_status_and_bytes_and_says_so(self, merchant: dict[str, str]):
        key, body = fresh_key(), order_body()
        first = post(merchant, "orders", body, key=key)
        again = post(merchant, "orders", body, key=key)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert again["Content-Type"] == first["Content-Type"]
        assert ("Idempotent-Replayed" in first, again["Idempotent-Replayed"]) == (False, "true")
        assert again["X-Request-Id"] != first["X-Request-Id"]
        assert orders_of(merchant) == 1

    def test_does_not_mind_spaces_the_order_of_keys_and_escapes(self, merchant: dict[str, str]):
        key, body = fresh_key(), order_body(subject="茶")
        first = post(merchant, "orders", body, key=key)
        shuffled = json.dumps(dict(reversed(body.items())), indent=3, ensure_ascii=False).encode()
        again = post(merchant, "orders", shuffled, key=key)
        assert again.content == first.content
        assert again["Idempotent-Replayed"] == "true"

    def test_of_a_final_409_gives_it_again(self, merchant: dict[str, str]):
        number = secrets.token_hex(8)
        post(merchant, "orders", order_body(merchant_order_no=number), key=None)
        other, key = order_body(merchant_order_no=number, amount=11_00), fresh_key()
        first = post(merchant, "orders", other, key=key)
        again = post(merchant, "orders", other, key=key)
        assert (first.status_code, first.json()["code"]) == (409, "order_conflict")
        assert (again.status_code, again.content) == (409, first.content)
        assert again["Content-Type"] == "application/problem+json"
        assert again["Idempotent-Replayed"] == "true"

    def test_of_an_answer_with_a_secret_keeps_the_secret_unreadable(self, merchant: dict[str, str]):
        key, secret = fresh_key(), f"whsec_{secrets.token_urlsafe(24)}"

        def shown_once() -> HttpResponse:
            return HttpResponse(json.dumps({"secret": secret}), content_type="application/json")

        first = once(merchant, key, shown_once)
        again = once(merchant, key, never)
        assert first.content == again.content
        assert secret in again.content.decode()
        (row,) = keys_of(merchant)
        assert secret not in " ".join(str(value) for value in row.values())
        assert row["answer"].startswith("gAAAA")  # Fernet's version byte

    def test_to_a_revoked_key_is_refused(self, merchant: dict[str, str]):
        key, body = fresh_key(), order_body()
        post(merchant, "orders", body, key=key)
        from acquiring.services.credentials import revoke_credential

        revoke_credential(key_id=merchant["key_id"])
        assert post(merchant, "orders", body, key=key).status_code == 401


class TestScope:
    def test_another_request_under_the_key_is_422(self, merchant: dict[str, str]):
        key = fresh_key()
        first = post(merchant, "orders", order_body(), key=key)
        before = keys_of(merchant)
        refused = post(merchant, "orders", order_body(), key=key)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
        assert (keys_of(merchant), orders_of(merchant)) == (before, 1)
        assert first.status_code == 201

    def test_at_another_address_it_is_another_key(self, merchant: dict[str, str]):
        key = fresh_key()
        order_no = post(merchant, "orders", order_body(), key=key).json()["order_no"]
        other_no = post(merchant, "orders", order_body(), key=None).json()["order_no"]
        for number in (order_no, other_no):
            closed = post(merchant, f"orders/{number}/close", {}, key=key)
            assert (closed.status_code, closed.json()["order_no"]) == (200, number)
            assert "Idempotent-Replayed" not in closed
        assert len(keys_of(merchant)) == 3

    def test_of_another_merchant_it_is_another_key(self, merchant: dict[str, str]):
        key, body, other = fresh_key(), order_body(), make_merchant()
        first, second = (post(who, "orders", body, key=key) for who in (merchant, other))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json()["order_no"] != second.json()["order_no"]

    def test_of_a_get_is_of_no_use_and_no_harm(self, merchant: dict[str, str]):
        client = Client(headers={"Authorization": f"Bearer {merchant['secret_key']}"})
        assert client.get("/api/v1/orders", headers={"Idempotency-Key": "k"}).status_code == 200
        assert keys_of(merchant) == []

    @pytest.mark.parametrize("key", ["", "k" * 256, "two words", "é", "k\x7f", "k\t", "a,b", ","])
    def test_must_be_visible_ascii(self, merchant: dict[str, str], key: str):
        refused = post(merchant, "orders", order_body(), key=key)
        assert refused.status_code == 400
        assert [error["field"] for error in refused.json()["errors"]] == ["Idempotency-Key"]
        assert (keys_of(merchant), orders_of(merchant)) == ([], 0)

    def test_may_have_255_characters(self, merchant: dict[str, str]):
        assert post(merchant, "orders", order_body(), key="~+-!" + "~" * 251).status_code == 201


class TestWhatDoesNotBurnAKey:
    @pytest.mark.parametrize(
        ("path", "body", "headers", "status"),
        [
            ("orders", order_body(amount=0), {}, 400),
            ("orders", b"{", {}, 400),
            ("orders", b'{"a":1,"a":2}', {}, 400),
            ("orders/ord_01k00000000000000000000000/close", {}, {}, 404),
            ("orders/%00/close", {}, {}, 404),
            ("orders", order_body(), {"Authorization": "Bearer sk_wrong"}, 401),
            ("orders", b" " * 70_000, {}, 413),
            ("orders", b"x", {"Content-Encoding": "gzip"}, 415),
        ],
    )
    def test_a_refusal(
        self, merchant: dict[str, str], path: str, body: Any, headers: dict[str, str], status: int
    ):
        assert post(merchant, path, body, key=fresh_key(), **headers).status_code == status
        assert keys_of(merchant) == []

    def test_a_corrected_request_may_use_the_key(self, merchant: dict[str, str]):
        key = fresh_key()
        assert post(merchant, "orders", order_body(amount=0), key=key).status_code == 400
        assert post(merchant, "orders", order_body(), key=key).status_code == 201

    def test_a_409_that_may_pass(self, merchant: dict[str, str]):
        order_no = post(merchant, "orders", order_body(), key=None).json()["order_no"]
        refund = {"order_no": order_no, "merchant_refund_no": secrets.token_hex(8), "amount": 1}
        key = fresh_key()
        for _ in range(2):
            refused = post(merchant, "refunds", refund, key=key)
            assert refused.json()["code"] == OrderNotPaid.code
            assert "Idempotent-Replayed" not in refused
        assert keys_of(merchant) == []

    def test_a_failure_of_ours_lets_the_same_request_run_again_and_no_other(
        self, merchant: dict[str, str]
    ):
        key, numbers = fresh_key(), []

        def fails() -> HttpResponse:
            numbers.append(new_or_claimed_number("wep"))
            raise RuntimeError

        assert once(merchant, key, fails).status_code == 500
        assert once(merchant, key, fails).status_code == 500
        with pytest.raises(IdempotencyKeyReused):
            once(merchant, key, fails, body=b'{"other":1}')
        assert len(set(numbers)) == 1 < len(numbers)

        def works() -> HttpResponse:
            numbers.append(new_or_claimed_number("wep"))
            return HttpResponse("{}", status=201, content_type="application/json")

        assert once(merchant, key, works).status_code == 201
        assert len(set(numbers)) == 1
        assert once(merchant, key, never)["Idempotent-Replayed"] == "true"

    def test_the_list_of_final_refusals_is_short(self):
        """What may pass is not kept; a new code must be told apart here."""
        import_everything()
        final = {code for code, error in all_error_classes().items() if error.final}
        assert final == {
            "late_money_not_open",
            "order_already_paid",
            "order_closed",
            "order_conflict",
            "order_failed",
            "refund_conflict",
        }
        assert {all_error_classes()[code].status for code in final} == {409}


class TestClaims:
    def test_a_running_request_is_409_until_its_lease_is_over(
        self, merchant: dict[str, str], clock: VirtualClock
    ):
        key, body = fresh_key(), order_body()
        running = hold(merchant, "orders", body, key)
        refused = post(merchant, "orders", body, key=key)
        assert (refused.status_code, refused.json()["code"]) == (409, "idempotency_key_in_use")
        assert refused["Retry-After"] == "1"
        assert orders_of(merchant) == 0
        clock.advance(LEASE_S - 20)
        assert post(merchant, "orders", body, key=key).status_code == 409
        clock.advance(21)
        assert post(merchant, "orders", body, key=key).status_code == 201
        assert keys_of(merchant)[0]["fence"] == running.fence + 1 == 2

    def test_whoever_wakes_too_late_answers_as_the_newer_one_did(
        self, merchant: dict[str, str], clock: VirtualClock
    ):
        key = fresh_key()
        old = claim(merchant, key)
        clock.advance(LEASE_S + 1)
        new = claim(merchant, key)
        assert isinstance(old, Claim)
        assert isinstance(new, Claim)
        assert (old.claim_no, old.fence, new.fence) == (new.claim_no, 1, 2)
        own = KeptAnswer(201, "application/json", '{"of":"the old"}')
        with pytest.raises(IdempotencyKeyInUse):
            answer_claim(old, answer=own)
        for nothing_happened in (True, False):
            release_claim(old, nothing_happened=nothing_happened)
        with pytest.raises(IdempotencyKeyInUse):
            claim(merchant, key)
        theirs = KeptAnswer(200, "application/json", '{"of":"the new"}')
        assert answer_claim(new, answer=theirs) == theirs
        assert answer_claim(old, answer=own) == theirs
        assert claim(merchant, key) == theirs

    @pytest.mark.parametrize("newer_has_answered", [True, False])
    def test_a_request_that_was_overtaken_gives_no_answer_of_its_own(
        self, merchant: dict[str, str], clock: VirtualClock, newer_has_answered: bool
    ):
        key, newer = fresh_key(), []

        def slow() -> HttpResponse:
            clock.advance(LEASE_S + 1)
            if newer_has_answered:
                newer.append(once(merchant, key, lambda: HttpResponse('"newer"', status=201)))
            else:
                with pytest.raises(SystemExit):
                    once(merchant, key, die)
            return HttpResponse('"older"', status=200)

        answer = once(merchant, key, slow)
        if newer_has_answered:
            assert (answer.status_code, answer.content) == (201, b'"newer"')
            assert answer["Idempotent-Replayed"] == "true"
        else:
            assert answer.status_code == 409
            assert json.loads(answer.content)["code"] == "idempotency_key_in_use"
            assert keys_of(merchant)[0]["answered_at"] is None

    def test_a_refusal_after_a_take_over_keeps_the_key_with_its_request(
        self, merchant: dict[str, str], clock: VirtualClock
    ):
        """Whoever died may have made something under the claim's number."""
        key = fresh_key()
        claim(merchant, key)
        clock.advance(LEASE_S + 1)
        second = claim(merchant, key)
        assert isinstance(second, Claim)
        release_claim(second, nothing_happened=True)
        with pytest.raises(IdempotencyKeyReused):
            claim(merchant, key, "other")
        third = claim(merchant, key)
        assert isinstance(third, Claim)
        assert (third.claim_no, third.fence) == (second.claim_no, 3)

    def test_what_is_made_under_a_claim_has_the_same_number_every_time(
        self, merchant: dict[str, str]
    ):
        held = claim(merchant, fresh_key())
        assert isinstance(held, Claim)
        with running_under(held):
            assert current_claim() == held.claim_no
            assert new_or_claimed_number("wep") == new_or_claimed_number("wep")
            assert new_or_claimed_number("wep")[4:] != new_or_claimed_number("agr")[4:]
        assert current_claim() is None
        assert new_or_claimed_number("wep") != new_or_claimed_number("wep")

    def test_are_swept_after_seven_days(self, merchant: dict[str, str], clock: VirtualClock):
        kept, key = fresh_key(), fresh_key()
        post(merchant, "orders", order_body(), key=kept)
        clock.advance(7 * 86_400 - 60)
        while sweep_idempotency_keys():
            pass
        assert [row["key"] for row in keys_of(merchant)] == [kept]
        clock.advance(90)
        claim(merchant, key)
        while sweep_idempotency_keys():
            pass
        assert [row["key"] for row in keys_of(merchant)] == [key]


class TestCost:
    def test_a_key_costs_a_claim_and_an_answer(self, merchant: dict[str, str]):
        for _ in range(2):
            post(merchant, "orders", order_body(), key=fresh_key())
        with counting_round_trips() as seen:
            assert post(merchant, "orders", order_body(), key=fresh_key()).status_code == 201
        assert seen.statements == [
            "claim_idempotency_key",
            "create_order",
            "answer_idempotency_key",
        ]
        assert seen.on_the_wire == 3

    def test_no_key_costs_nothing(self, merchant: dict[str, str]):
        for _ in range(2):
            post(merchant, "orders", order_body(), key=None)
        with counting_round_trips() as seen:
            assert post(merchant, "orders", order_body(), key=None).status_code == 201
        assert (seen.statements, seen.on_the_wire) == (["create_order"], 1)


class TestRaces:
    def test_sixteen_at_once_have_one_effect(self, merchant: dict[str, str]):
        key, body = fresh_key(), order_body()
        answers = run_times(16, lambda: post(merchant, "orders", body, key=key))
        made = {answer.content for answer in answers if answer.status_code == 201}
        waiting = [answer.json()["code"] for answer in answers if answer.status_code != 201]
        assert len(made) == 1
        assert set(waiting) <= {"idempotency_key_in_use"}
        assert (orders_of(merchant), len(keys_of(merchant))) == (1, 1)
        assert post(merchant, "orders", body, key=key).content in made

    def test_sixteen_at_once_run_the_method_once(self, merchant: dict[str, str]):
        """Nothing but the claim keeps this method from happening sixteen times."""
        key, runs = fresh_key(), []

        def runs_once() -> HttpResponse:
            runs.append(new_or_claimed_number("wep"))
            return HttpResponse(runs[-1], content_type="application/json")

        outcomes = run_times(16, lambda: once(merchant, key, runs_once))
        assert len(runs) == 1
        assert {o.content.decode() for o in outcomes if isinstance(o, HttpResponse)} == set(runs)
        refused = [o for o in outcomes if not isinstance(o, HttpResponse)]
        assert {type(error) for error in refused} <= {IdempotencyKeyInUse}

    def test_sixteen_at_once_take_a_dead_ones_claim_over_once(
        self, merchant: dict[str, str], clock: VirtualClock
    ):
        key = fresh_key()
        claim(merchant, key)
        clock.advance(LEASE_S + 1)
        outcomes = run_times(16, lambda: claim(merchant, key))
        taken = [held for held in outcomes if isinstance(held, Claim)]
        assert [held.fence for held in taken] == [2]
        assert {type(o) for o in outcomes} == {Claim, IdempotencyKeyInUse}


def hold(merchant: dict[str, str], path: str, body: Any, key: str) -> Claim:
    """Claim the key as a process does that dies at once, for exactly this request; returns the claim."""
    taken: list[str] = []

    def dies() -> HttpResponse:
        taken.append(current_claim() or "")
        raise SystemExit

    with pytest.raises(SystemExit):
        once(merchant, key, dies, path=path, body=json.dumps(body).encode())
    return Claim(taken[0], 1)


def once(
    merchant: dict[str, str],
    key: str,
    run: Any,
    *,
    path: str = "refunds",
    body: bytes = b"{}",
) -> HttpResponse:
    """Let ``run`` stand for the view's method."""
    request = RequestFactory(headers={"Idempotency-Key": key}).post(
        f"/api/v1/{path}", data=body, content_type="application/json"
    )
    return answer_once(run, request=request, key_id=merchant["key_id"])


def die() -> HttpResponse:
    raise SystemExit


def never() -> HttpResponse:
    raise AssertionError("the request ran again")
