"""Every route of the merchant API refuses alike: strangers, others' numbers, wrong methods, bodies and types."""

from __future__ import annotations

import json
from typing import Any

import pytest

from paymentplatform.kernel.strictjson import MAX_BODY_BYTES
from tests.api_contract.inventory import (
    METHODS,
    Route,
    absent,
    addresses,
    assert_problem,
    footprint,
    routes,
    send,
)
from tests.api_contract.world import World, make_world, revoke
from tests.makers import make_merchant

each_route = pytest.mark.parametrize("route", routes(), ids=str)
WITH_BODY = [route for route in routes() if route.operation.body is not None]
each_body = pytest.mark.parametrize("route", WITH_BODY, ids=str)


@pytest.fixture(scope="module")
def world() -> World:
    """A merchant with one of everything."""
    return make_world()


@pytest.fixture(scope="module")
def other() -> dict[str, str]:
    """Another merchant, who has nothing."""
    return make_merchant()


@pytest.fixture(scope="module")
def revoked_key() -> str:
    """A key that was good until now."""
    return revoke(make_merchant())


def as_told(problem: dict[str, Any]) -> dict[str, Any]:
    """What the caller learns: everything but the number of the request."""
    return {name: value for name, value in problem.items() if name != "request_id"}


def test_the_inventory_sees_the_whole_api():
    assert len(addresses()) >= 15
    assert len(routes()) >= 20
    assert len({route.name for route in routes()}) == len(routes())


@each_route
def test_nobody_is_let_in_without_a_credential_that_counts(route: Route, revoked_key: str):
    tried: list[tuple[str | None, dict[str, str]]] = [
        (None, {}),
        ("", {}),
        ("sk_unknown", {}),
        ("x" * 5000, {}),
        (revoked_key, {}),
        (None, {"Authorization": "Basic eDp5"}),
        (None, {"Authorization": "Bearer"}),
        (None, {"Authorization": "Bearer \x00"}),
        (None, {"Authorization": f"Bearer\t{revoked_key}"}),
        (None, {"X-Api-Key": revoked_key, "Cookie": "session=1"}),
    ]
    for key, headers in tried:
        answer = send(route.method, route.address(), key=key, body=route.example(), headers=headers)
        assert_problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "route",
    [route for route in routes() if route.parameters and "date" not in route.parameters],
    ids=str,
)
def test_what_belongs_to_another_merchant_is_as_if_absent(
    route: Route, world: World, other: dict[str, str]
):
    (name,) = route.parameters
    assert name in world.numbers, f"make a {name} in tests/api_contract/world.py"
    before = footprint(world.merchant_no), footprint(other["merchant_no"])
    theirs, nothing = (
        send(
            route.method,
            route.address({name: number}),
            key=other["secret_key"],
            body=world.body_for(route),
        )
        for number in (world.numbers[name], absent(name))
    )
    problem = assert_problem(theirs, 404, "not_found")
    assert as_told(problem) == as_told(assert_problem(nothing, 404, "not_found"))
    assert theirs.headers.keys() == nothing.headers.keys()
    assert (footprint(world.merchant_no), footprint(other["merchant_no"])) == before


@pytest.mark.parametrize(
    "route",
    [
        r
        for r in routes()
        if {f.name for f in r.fields} & {"order_no", "merchant_order_no"}
        and r.name != "create_order"
    ],
    ids=str,
)
def test_another_merchants_order_in_a_body_is_as_if_absent(
    route: Route, world: World, other: dict[str, str]
):
    before = footprint(world.merchant_no), footprint(other["merchant_no"])
    for name in {field.name for field in route.fields} & {"order_no", "merchant_order_no"}:
        body = {
            k: v for k, v in route.example().items() if k not in {"order_no", "merchant_order_no"}
        }
        theirs, nothing = (
            send(route.method, route.address(), key=other["secret_key"], body=body | {name: value})
            for value in (world.numbers[name], absent("order_no") if name == "order_no" else "NONE")
        )
        problem = assert_problem(theirs, 404, "not_found")
        assert as_told(problem) == as_told(assert_problem(nothing, 404, "not_found"))
    assert (footprint(world.merchant_no), footprint(other["merchant_no"])) == before


@pytest.mark.parametrize(
    "route", [r for r in routes() if r.method == "get" and not r.parameters], ids=str
)
def test_no_list_shows_what_belongs_to_another_merchant(
    route: Route, world: World, other: dict[str, str]
):
    queries = [""]
    if route.operation.query is not None:
        names = route.operation.query.__struct_fields__  # type: ignore[attr-defined]
        queries += [f"?{name}={world.numbers[name]}" for name in names if name in world.numbers]
    own = send("get", route.address(), key=world.key)
    assert own.status == 200
    for query in queries:
        answer = send("get", route.address() + query, key=other["secret_key"])
        assert answer.status == 200, answer.body
        found = answer.json["data"] if isinstance(answer.json, dict) else answer.json
        assert found == []


@pytest.mark.parametrize("template", addresses())
def test_a_wrong_method_is_answered_with_the_right_ones(template: str, world: World):
    view = addresses()[template]
    route = next(route for route in routes() if route.template == template)
    own = {method for method in METHODS if hasattr(view, method)}
    for method in (*sorted(set(METHODS) - own), "trace", "propfind"):
        answer = send(method, route.address(), key=world.key)
        assert_problem(answer, 405, "method_not_allowed")
        allowed = set(answer.headers["Allow"].lower().split(", "))
        assert allowed == own | {"options"} | ({"head"} if "get" in own else set())
    answer = send("options", route.address(), key=None)
    assert (answer.status, answer.body) == (204, b"")


@each_body
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=gbk",
        "application/xml",
    ],
)
def test_another_media_type_is_refused(route: Route, world: World, content_type: str):
    body = world.body_for(route) or {"x": 1}
    answer = send(
        route.method,
        route.address(world.numbers),
        key=world.key,
        body=body,
        CONTENT_TYPE=content_type,
    )
    assert_problem(answer, 415, "unsupported_media_type")


@each_route
def test_a_body_that_is_too_large_is_refused(route: Route, world: World):
    answer = send(
        route.method,
        route.address(world.numbers),
        key=world.key,
        body=b" " * (MAX_BODY_BYTES + 1),
        CONTENT_TYPE="application/json",
    )
    assert_problem(answer, 413, "payload_too_large")


@each_body
def test_what_is_no_json_object_is_refused(route: Route, world: World):
    before = footprint(world.merchant_no)
    example = json.dumps(world.body_for(route)).encode()
    wrong: list[bytes] = [
        b"{", b"[]", b"null", b'"text"', b"7", b"\xff", b"\xef\xbb\xbf" + example, example + b"{}",
        b"{'a':1}", b"[" * 60_000, b'{"a":' * 10_000, b"{\x00}", b"// c\n{}",
    ]  # fmt: skip
    for body in wrong:
        answer = send(route.method, route.address(world.numbers), key=world.key, body=body)
        assert_problem(answer, 400, "invalid_request")
    assert footprint(world.merchant_no) == before


@each_route
@pytest.mark.parametrize(
    "query", ["surprise=1", "limit=1&limit=1", "limit=%FF", "%00=1", "a" * 40 + "=1", "limit=ä"]
)
def test_a_query_that_is_not_described_is_refused(route: Route, world: World, query: str):
    before = footprint(world.merchant_no)
    raw: dict[str, Any] = {"QUERY_STRING": query}
    answer = send(
        route.method,
        route.address(world.numbers),
        key=world.key,
        body=world.body_for(route) if route.operation.body else None,
        **raw,
    )
    assert_problem(answer, 400, "invalid_request")
    assert footprint(world.merchant_no) == before
