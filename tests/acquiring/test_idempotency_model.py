"""Whatever is sent under whatever key, and whoever dies meanwhile, the answers are those of a model of twenty lines."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquiring.contracts import OrderConflict, OrderNotPaid
from acquiring.idempotent_requests import answer_once
from acquiring.services.idempotency import (
    Claim,
    KeptAnswer,
    answer_claim,
    current_claim,
    new_or_claimed_number,
    release_claim,
)
from paymentplatform.kernel.errors import DomainError, InvalidRequest, Unavailable
from tests.clock import VirtualClock
from tests.makers import make_merchant

LEASE_S = 60
KEYS, BODIES = ("a", "b"), ("{}", '{"x":1}')
FAILURES = {
    "invalid": InvalidRequest(),
    "final": OrderConflict(),
    "passing": OrderNotPaid(),
    "unavailable": Unavailable(),
    "broken": RuntimeError(),
}
STATUS = {"invalid": 400, "final": 409, "passing": 409, "unavailable": 503, "broken": 500}

steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("send"),
            st.sampled_from(KEYS),
            st.sampled_from((*BODIES, BODIES[0])),
            st.sampled_from(("made", "made", "dies", "dies", *FAILURES)),
        ),
        # No sum of these is near a lease.
        st.tuples(st.just("wait"), st.sampled_from((25, 50, 70, 70))),
        st.tuples(st.just("wake"), st.integers(0, 9), st.booleans()),
    ),
    min_size=3,
    max_size=25,
)


@dataclass
class Known:
    """What the model knows of one key."""

    body: str
    number: str = ""
    fence: int = 1
    free_at: int = 0
    answer: tuple[int, bytes] | None = None


@dataclass
class Play:
    """The real thing beside its model."""

    clock: VirtualClock
    merchant: dict[str, str] = field(default_factory=make_merchant)
    prefix: str = field(default_factory=lambda: secrets.token_hex(8))
    now: int = 0
    known: dict[str, Known] = field(default_factory=dict)
    dead: list[tuple[str, Claim]] = field(default_factory=list)

    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.now += seconds

    def send(self, key: str, body: str, outcome: str) -> None:
        before = self.known.get(key)
        if before and before.body != body:
            assert self.answer(key, body, None) == (422, "idempotency_key_reused")
        elif before and before.answer:
            assert self.answer(key, body, None) == before.answer
        elif before and before.free_at > self.now:
            assert self.answer(key, body, None) == (409, "idempotency_key_in_use")
        else:
            self.run(key, body, outcome, before or Known(body, fence=0))

    def run(self, key: str, body: str, outcome: str, known: Known) -> None:
        """The request may run: see that it does, and under which number."""
        known.fence += 1
        seen: list[str] = []

        def method() -> HttpResponse:
            seen.append(current_claim() or "")
            if outcome == "dies":
                raise SystemExit
            if outcome in FAILURES:
                raise FAILURES[outcome]
            made = new_or_claimed_number("wep")
            return HttpResponse(made, status=201, content_type="application/json")

        said = self.answer(key, body, method)
        assert len(seen) == 1
        assert known.number in {"", seen[0]}
        known.number = seen[0]
        self.known[key] = known
        if outcome == "dies":
            known.free_at = self.now + LEASE_S
            self.dead.append((key, Claim(known.number, known.fence)))
        elif outcome in {"made", "final"}:
            known.answer = said
            assert said[0] == (201 if outcome == "made" else 409)
        else:
            assert said[0] == STATUS[outcome]
            known.free_at = self.now
            if said[0] < 500 and known.fence == 1:
                del self.known[key]

    def wake(self, index: int, answers: bool) -> None:
        """Somebody who was taken for dead goes on: it counts only if nobody has taken over."""
        if not self.dead:
            return
        key, held = self.dead.pop(index % len(self.dead))
        known = self.known[key]
        newest = known.number == held.claim_no and known.fence == held.fence
        if not answers:
            release_claim(held, nothing_happened=True)
            if newest and not known.answer:
                known.free_at = min(known.free_at, self.now)
                if known.fence == 1:
                    del self.known[key]
            return
        own = KeptAnswer(201, "application/json", "late")
        try:
            kept: Any = answer_claim(held, answer=own)
        except DomainError as error:
            kept = error.code
        if newest and not known.answer:
            known.answer = (201, b"late")
            assert kept == own
        elif known.answer:
            assert (kept.status, kept.body.encode()) == known.answer
        else:
            assert kept == "idempotency_key_in_use"

    def answer(self, key: str, body: str, method: Any) -> tuple[int, Any]:
        """Ask for real. ``method`` None must not run; returns status and bytes, or the code of a refusal."""
        request = RequestFactory(headers={"Idempotency-Key": self.prefix + key}).post(
            "/api/v1/refunds", data=body.encode(), content_type="application/json"
        )

        def run() -> HttpResponse:
            assert method is not None, "the request ran again"
            return method()

        try:
            answer = answer_once(run, request=request, key_id=self.merchant["key_id"])
        except DomainError as error:
            return error.status, error.code
        except SystemExit:
            return 0, b""
        assert ("Idempotent-Replayed" in answer) == (method is None)
        return answer.status_code, answer.content


@pytest.fixture
def play_merchant() -> dict[str, str]:
    return make_merchant()


@given(story=steps)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_answers_are_those_of_the_model(
    clock: VirtualClock, play_merchant: dict[str, str], story: list[tuple[Any, ...]]
):
    play = Play(clock, play_merchant)
    for name, *details in story:
        getattr(play, name)(*details)
