"""The OpenAPI document itself: valid, complete, and true about the examples it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from schemathesis.specs.openapi import definitions

from acquiring.event_types import EventType
from paymentplatform.openapi_webhooks import EVENTS
from tests.api_contract.inventory import routes, send
from tests.api_contract.world import make_world

BASE = "urn:document"
METHODS = {"get", "post", "put", "patch", "delete"}


@cache
def document() -> dict[str, Any]:
    """The document as it is served."""
    return json.loads(json.dumps(SchemaGenerator().get_schema(public=True)))


@cache
def validator(pointer: str) -> Draft202012Validator:
    """A validator of the schema at this place of the document."""
    registry = Registry().with_resource(BASE, DRAFT202012.create_resource(document()))
    return Draft202012Validator(
        {"$ref": f"{BASE}#{pointer}"},
        registry=registry,
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def walk(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """Every object of the document with its place in it."""
    yield pointer, value
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        if isinstance(inner, dict | list):
            escaped = str(name).replace("~", "~0").replace("/", "~1")
            yield from walk(inner, f"{pointer}/{escaped}")


def operations() -> dict[str, dict[str, Any]]:
    """Every operation by its name, and every webhook."""
    described = [*document()["paths"].values(), *document()["webhooks"].values()]
    return {
        operation["operationId"]: operation
        for methods in described
        for method, operation in methods.items()
        if method in METHODS
    }


def test_it_is_an_openapi_document():
    definitions.OPENAPI_31_VALIDATOR.validate(document())


def test_every_schema_is_a_json_schema():
    for schema in document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere():
    for pointer, value in walk(document()):
        target = value.get("$ref") if isinstance(value, dict) else None
        if isinstance(target, str):
            found: Any = document()
            for part in target.removeprefix("#/").split("/"):
                assert part in found, f"{pointer}: {target}"
                found = found[part]


def test_everything_is_described():
    silent = [
        f"{pointer}/{name}"
        for pointer, value in walk(document())
        if isinstance(value, dict) and "/example" not in pointer
        for name, inner in (value.get("properties") or {}).items()
        if isinstance(inner, dict) and not ({"description", "$ref", "const", "enum"} & inner.keys())
    ]
    silent += [
        f"{name} {parameter.get('name')}"
        for name, operation in operations().items()
        for parameter in operation.get("parameters", [])
        if "$ref" not in parameter and not parameter.get("description")
    ]
    silent += [
        name
        for name, one in operations().items()
        if not (one.get("description") and one["summary"])
    ]
    silent += [
        name
        for name, one in document()["components"]["schemas"].items()
        if "description" not in one
    ]
    assert silent == []


def test_every_text_of_a_closed_list_is_one():
    for name, schema in document()["components"]["schemas"].items():
        status = schema.get("properties", {}).get("status", {})
        if status and name != "Problem":
            assert "enum" in status or "$ref" in status, name


def test_every_tag_is_explained_and_used():
    used = {tag for operation in operations().values() for tag in operation["tags"]}
    assert used == {tag["name"] for tag in document()["tags"]}


def test_every_operation_says_what_may_always_come():
    for route in routes():
        answers = operations()[route.name]["responses"]
        assert {"400", "401", "413", "414", "429", "431", "500", "503"} <= answers.keys(), route
        assert ("415" in answers) is (route.operation.body is not None), route
        assert "404" in answers or not route.parameters or "date" in route.parameters, route
        if route.method == "post":
            assert {"409", "422"} <= answers.keys(), route


def test_links_lead_to_operations_and_their_parameters():
    linked = set()
    for name, operation in operations().items():
        for response in operation["responses"].values():
            for link in response.get("links", {}).values():
                target = operations()[link["operationId"]]
                names = {parameter.get("name") for parameter in target["parameters"]}
                assert set(link["parameters"]) <= names, name
                linked.add((name, link["operationId"]))
    assert ("create_order", "pay_order") in linked
    assert ("create_refund", "get_refund") in linked
    assert len(linked) > 30


@pytest.mark.parametrize("name", sorted(operations()))
def test_examples_are_what_the_schemas_say(name: str):
    shown = 0
    for pointer, value in walk(document()):
        if isinstance(value, dict) and "schema" in value and is_of(pointer, name):
            examples = [e["value"] for e in value.get("examples", {}).values()]
            examples += [value["example"]] if "example" in value else []
            for example in examples:
                errors = list(validator(f"{pointer}/schema").iter_errors(example))
                assert errors == [], f"{pointer}: {errors[:3]}"
                shown += 1
    assert shown


def is_of(pointer: str, name: str) -> bool:
    """Whether a place belongs to an operation, or to what all share."""
    if pointer.startswith("/components/responses/"):
        return True
    for path, methods in {**document()["paths"], **document()["webhooks"]}.items():
        escaped = path.replace("/", "~1")
        for method, operation in methods.items():
            if operation["operationId"] == name:
                return f"/{escaped}/{method}/" in pointer
    return False


def test_every_event_is_described():
    assert set(document()["webhooks"]) == set(EVENTS) == {kind.value for kind in EventType}


def test_events_are_what_the_document_says():
    world = make_world()
    kinds = set()
    for event in send("get", "/api/v1/events?limit=100", key=world.key).json["data"]:
        body = {name: event[name] for name in ("id", "type", "timestamp", "data")}
        content = f"/webhooks/{event['type']}/post/requestBody/content/application~1json/schema"
        assert list(validator(content).iter_errors(body)) == []
        kinds.add(event["type"])
    assert {"order.success", "refund.success", "late_money.pending"} <= kinds
