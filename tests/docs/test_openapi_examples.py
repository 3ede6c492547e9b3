"""Every example of the OpenAPI document is what the platform takes and gives: each is read by the real decoder."""

from __future__ import annotations

import csv
import io
import json
import secrets
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest
from django.test import RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from acquiring.contracts import CreateOrder
from acquiring.services.orders import create_order
from paymentplatform.kernel.errors import Action, DomainError, all_error_classes
from paymentplatform.kernel.openapi import Operation
from paymentplatform.kernel.problems import Problem
from paymentplatform.kernel.strictjson import decode_body
from tests.trading import make_identity


@cache
def declared() -> dict[str, Operation]:
    """Every operation that a view declares, by its name."""
    found: dict[str, Operation] = {}
    for pattern in _walk(get_resolver().url_patterns):
        view = getattr(pattern.callback, "view_class", None) or getattr(
            pattern.callback, "cls", None
        )
        for method in ("get", "post", "put", "patch", "delete"):
            if operation := getattr(getattr(view, method, None), "operation", None):
                found[operation.name] = operation
    return found


def _walk(patterns: list[URLPattern | URLResolver]) -> Iterator[URLPattern]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns)
        else:
            yield entry


@cache
def document() -> dict[str, dict[str, Any]]:
    """The operations of the OpenAPI document as it is served, by their names."""
    schema = json.loads(json.dumps(SchemaGenerator().get_schema(public=True)))
    for methods in schema["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if "$ref" in response:
                    name = response["$ref"].rpartition("/")[2]
                    operation["responses"][status] = schema["components"]["responses"][name]
    return {
        operation["operationId"]: operation
        for methods in schema["paths"].values()
        for operation in methods.values()
    }


def test_the_document_and_the_views_name_the_same_operations():
    assert set(document()) == set(declared())
    assert len(document()) > 5


@pytest.mark.parametrize("name", sorted(n for n, o in declared().items() if o.body is not None))
def test_a_request_example_is_a_request_that_is_read(name: str):
    content = document()[name]["requestBody"]["content"]["application/json"]
    body = json.dumps(content["example"]).encode()
    kind = declared()[name].body
    request = RequestFactory().generic("POST", "/", body, content_type="application/json")
    read = decode_body(request, kind)
    assert {**msgspec.to_builtins(read), **content["example"]} == msgspec.to_builtins(read)


@pytest.mark.parametrize(
    "name", sorted(n for n, o in declared().items() if any(o.responses.values()))
)
def test_an_answer_example_is_an_answer(name: str):
    for status, kind in declared()[name].responses.items():
        if kind is None:
            continue
        if isinstance(kind, str):
            text = document()[name]["responses"][str(status)]["content"][kind]["example"]
            columns, *records = csv.reader(io.StringIO(text, newline=""))
            assert {len(record) for record in records} == {len(columns)}
            assert (columns[0], records[-1][0]) == ("record", "END")
            continue
        example = document()[name]["responses"][str(status)]["content"]["application/json"][
            "example"
        ]
        read = msgspec.json.decode(json.dumps(example), type=kind, strict=True)
        assert json.loads(msgspec.json.encode(read)) == example, "names only what the answer has"


@pytest.mark.parametrize("name", sorted(declared()))
def test_an_error_example_is_a_problem_that_can_come(name: str):
    classes = {DomainError.code: DomainError, **all_error_classes()}
    seen = 0
    for status, response in document()[name]["responses"].items():
        content = response.get("content", {}).get("application/problem+json")
        for code, example in (content or {"examples": {}})["examples"].items():
            problem = msgspec.convert(example["value"], Problem, strict=True)
            assert (problem.code, str(problem.status)) == (code, status)
            assert problem.action is Action(classes[code].action)
            seen += 1
    assert seen >= 4


def test_the_example_of_an_order_makes_an_order_and_shows_its_fields():
    example = document()["create_order"]["requestBody"]["content"]["application/json"]["example"]
    number = f"EX-{secrets.token_hex(8)}"
    body = msgspec.convert({**example, "merchant_order_no": number}, CreateOrder)
    made, order_json = create_order(body=body, merchant=make_identity())
    answer = document()["create_order"]["responses"]["201"]["content"]["application/json"][
        "example"
    ]
    own = {"order_no", "merchant_order_no", "cashier_url", "created_at", "expires_at"}
    order = json.loads(order_json)
    assert made
    assert list(order) == list(answer)
    assert {k: v for k, v in order.items() if k not in own} == {
        k: v for k, v in answer.items() if k not in own
    }
    assert all(len(order[name]) == len(answer[name]) for name in ("order_no", "created_at"))
    secret = len("01k0000000000000000000") * -1 - 24
    assert len(order["cashier_url"].rpartition("/")[2]) == -secret
    assert len(answer["cashier_url"].rpartition("/")[2]) == -secret
