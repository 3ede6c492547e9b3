"""Every field of every body refuses every odd form of a value, names it, and nothing has changed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from acquiring.services.order_rules import MERCHANT_NUMBER
from paymentplatform.kernel.money import CURRENCY_EXPONENTS, MAX_AMOUNT
from tests.api_contract.corpora import NO_JSON, Field, fields_of, wrong_values
from tests.api_contract.inventory import Route, assert_problem, footprint, routes, send
from tests.api_contract.world import World, make_world
from tests.makers import order_body

BODIES = [route for route in routes() if route.fields]
each_body = pytest.mark.parametrize("route", BODIES, ids=str)

UNKNOWN_TO_ALL = ("status", "paid_amount", "merchant_no", "fee", "__proto__", "id ", "ＡＭＯＵＮＴ")


@pytest.fixture(scope="module")
def world() -> World:
    """A merchant with one of everything."""
    return make_world()


def post(world: World, route: Route, body: bytes, **environ: Any) -> dict[str, Any]:
    """Send a body that must be refused; returns the problem."""
    answer = send(route.method, route.address(world.numbers), key=world.key, body=body, **environ)
    shown = body[:300]
    assert answer.status == 400, (route.name, shown, answer.body)
    return assert_problem(answer, 400, "invalid_request")


def named(problem: dict[str, Any]) -> set[str]:
    return {error["field"] for error in problem["errors"]}


@each_body
def test_every_field_refuses_what_it_is_not(route: Route, world: World):
    before = footprint(world.merchant_no)
    body = world.body_for(route)
    tried = 0
    for field in fields_of(route.operation.body):  # type: ignore[arg-type]
        for text in wrong_values(field):
            problem = post(world, route, field.into(body, text))
            fits = {name for name in named(problem) if is_about(name, field)}
            assert fits, (field.pointer, text[:80], problem)
            tried += 1
    assert tried >= 5
    assert footprint(world.merchant_no) == before


def is_about(name: str, field: Field) -> bool:
    """Whether an error names the field, or what is inside it."""
    return name == field.pointer or name.startswith((f"{field.pointer}.", f"{field.pointer}["))


@each_body
def test_every_field_may_be_given_once(route: Route, world: World):
    before = footprint(world.merchant_no)
    body = world.body_for(route)
    for name, value in body.items():
        once = json.dumps(body)
        for position in (f'{{"{name}":{json.dumps(value)},{once[1:]}', f'{once[:-1]},"{name}":1}}'):
            assert named(post(world, route, position.encode())) == {name}
    assert footprint(world.merchant_no) == before


@each_body
def test_a_field_that_nobody_knows_is_refused(route: Route, world: World):
    before = footprint(world.merchant_no)
    body = world.body_for(route)
    known = {field.encode_name for field in route.fields}
    for name in (*UNKNOWN_TO_ALL, *(field.upper() for field in known)):
        if name not in known:
            assert name in named(post(world, route, json.dumps(body | {name: "0"}).encode()))
    assert footprint(world.merchant_no) == before


@each_body
def test_a_required_field_may_be_neither_absent_nor_null(route: Route, world: World):
    before = footprint(world.merchant_no)
    body = world.body_for(route)
    for field in route.fields:
        if field.required:
            name = field.encode_name
            without = {key: value for key, value in body.items() if key != name}
            for wrong in (without, body | {name: None}):
                problem = post(world, route, json.dumps(wrong).encode())
                assert (name, "required") in {(e["field"], e["code"]) for e in problem["errors"]}
    assert footprint(world.merchant_no) == before


@each_body
def test_numbers_of_other_grammars_are_no_json(route: Route, world: World):
    before = footprint(world.merchant_no)
    body = world.body_for(route)
    (first, *_) = fields_of(route.operation.body)  # type: ignore[arg-type]
    for text in NO_JSON:
        problem = post(world, route, first.into(body, text))
        assert {error["code"] for error in problem["errors"]} == {"malformed"}
    for nested in (b"[" * 60_000, b'{"a":' * 10_000):
        assert named(post(world, route, nested)) == {""}
    assert footprint(world.merchant_no) == before


@pytest.mark.parametrize("currency", CURRENCY_EXPONENTS)
def test_every_currency_counts_in_its_minor_unit(world: World, currency: str):
    create = next(route for route in routes() if route.name == "create_order")
    for amount in (1, MAX_AMOUNT):
        body = order_body(amount=amount, currency=currency)
        answer = send("post", create.address(), key=world.key, body=body)
        assert (answer.status, answer.json["amount"], answer.json["currency"]) == (
            201,
            amount,
            currency,
        )
    for amount in (0, MAX_AMOUNT + 1):
        body = order_body(amount=amount, currency=currency)
        assert named(post(world, create, json.dumps(body).encode())) == {"amount"}


@pytest.mark.parametrize(
    "currency",
    ["XXX", "XTS", "XAU", "cny", "CNY ", "RMB", "CN", "CNYY", "", "１２３", "СNY", "156"],
)
def test_what_is_no_enabled_currency_is_refused(world: World, currency: str):
    create = next(route for route in routes() if route.name == "create_order")
    body = order_body(currency=currency)
    assert named(post(world, create, json.dumps(body).encode())) == {"currency"}


LISTS = [route for route in routes() if route.operation.query is not None]


@pytest.mark.parametrize("route", LISTS, ids=str)
def test_every_parameter_of_a_query_refuses_what_it_is_not(route: Route, world: World):
    query: Any = route.operation.query
    texts = ["", "%00", "%ED%A0%80", "a%20b", "%E2%80%AE", "null", "x" * 1500, "１", "-1", "1e3"]
    free = {"payer_ref"}  # any text of the merchant's own
    for field in msgspec.structs.fields(query):
        name = field.encode_name
        wrong = ["%00", "%ED%A0%80"] if name in free else texts
        if name.startswith("merchant_"):  # "null" and "-1" are numbers that a merchant may use
            wrong = [text for text in texts if not MERCHANT_NUMBER.match(text)]
        if name == "limit":
            wrong = [*texts, "0", "101", "1000000000", "1.0", "+1", " 1", "0x1", "5,6", "9" * 400]
        for text in wrong:
            environ = {"QUERY_STRING": f"{name}={text}"}
            answer = send("get", route.address(world.numbers), key=world.key, **environ)
            problem = assert_problem(answer, 400, "invalid_request")
            assert named(problem) <= {name, ""}, (name, text[:40], problem)
        environ = {"QUERY_STRING": f"{name}=1&{name}=1"}
        answer = send("get", route.address(world.numbers), key=world.key, **environ)
        assert named(assert_problem(answer, 400, "invalid_request")) == {name}
