"""What the API's document says beyond single operations: links from answers to what can be asked next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from paymentplatform.kernel import numbers
from paymentplatform.kernel.fields import COMPONENT, number_pattern

_HTTP_METHODS = frozenset({"get", "post", "put", "patch", "delete"})
_REFERENCE = "#/components/schemas/"
_HEADERS: Final[dict[str, Any]] = {
    "RequestId": {
        "description": "Our number of this request; name it when you ask us about it.",
        "required": True,
        "schema": {"type": "string", "pattern": number_pattern(numbers.REQUEST)},
    },
    "RetryAfter": {
        "description": "Seconds to wait before you try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Replayed": {
        "description": "`true` on an answer that was kept under its Idempotency-Key.",
        "schema": {"type": "string"},
    },
    "Challenge": {
        "description": "The schemes that are taken.",
        "required": True,
        "schema": {"type": "string"},
    },
}
_PARAMETERS: Final[dict[str, Any]] = {
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Kept for 7 days: the same key at the same address with the same body gets the first answer"
        " again. No comma: two headers of this name are refused.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-+\--~]+$"},
    },
}


def add_shared_parts(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Put in the headers and parameters that many operations share."""
    result["components"] |= {"headers": _HEADERS, "parameters": _PARAMETERS}
    return result


def share_kinds(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Say once, as a component, what is marked with ``x-component``."""
    found: dict[str, Any] = {}

    def visit(value: Any) -> Any:
        if isinstance(value, list):
            return [visit(item) for item in value]
        if not isinstance(value, dict):
            return value
        if isinstance(name := value.get(COMPONENT), str):
            found[name] = {key: item for key, item in value.items() if key != COMPONENT}
            return {"$ref": f"{_REFERENCE}{name}"}
        return {key: visit(item) for key, item in value.items()}

    shared: dict[str, Any] = visit(result)
    shared["components"]["schemas"] |= found
    return shared


def share_refusals(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Say once what many operations answer alike: every refusal that has one code only."""
    shared: dict[str, Any] = {}
    for operation in _operations(result):
        for status, response in operation["responses"].items():
            examples = response.get("content", {}).get("application/problem+json", {})
            codes = list(examples.get("examples", {}))
            if len(codes) == 1:
                name = codes[0].title().replace("_", "")
                shared[name] = response
                operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    result["components"]["responses"] = dict(sorted(shared.items()))
    return result


def name_objects(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Call the objects what the guide calls them: Order, not OrderView."""
    schemas: dict[str, Any] = result["components"]["schemas"]
    names = {name: name.removesuffix("View") for name in schemas if name.endswith("View")}
    names = {name: short for name, short in names.items() if short not in schemas}
    text = json.dumps(result, ensure_ascii=False)
    for name, short in names.items():
        text = text.replace(f'"{_REFERENCE}{name}"', f'"{_REFERENCE}{short}"')
    renamed: dict[str, Any] = json.loads(text)
    shown = {names.get(name, name): s for name, s in renamed["components"]["schemas"].items()}
    renamed["components"]["schemas"] = {
        name: {**schema, "title": name} for name, schema in sorted(shown.items())
    }
    return renamed


def shape_cursors(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """A list goes on from the number of an object: give its cursor the form of what stands first in the object."""
    schemas = result["components"]["schemas"]
    for operation in _operations(result):
        listed = _own_schema(result, operation["responses"].get("200", {}))
        item = listed.get("properties", {}).get("data", {}).get("items", {})
        numbered = schemas.get(str(item.get("$ref", "")).removeprefix(_REFERENCE), {})
        number: dict[str, Any] = next(iter(numbered.get("properties", {}).values()), {})
        if "next_cursor" in listed.get("properties", {}) and "pattern" in number:
            cursor = {"type": "string", "pattern": number["pattern"]}
            listed["properties"]["next_cursor"]["anyOf"] = [cursor, {"type": "null"}]
            for parameter in operation["parameters"]:
                if parameter.get("name") == "cursor":
                    parameter["schema"] = cursor
    return result


def add_links(result: dict[str, Any], **_context: Any) -> dict[str, Any]:
    """Link every answer that carries a number to every operation whose path wants that number."""
    wanted: dict[str, list[dict[str, Any]]] = {}
    for operation in _operations(result):
        for parameter in operation.get("parameters", []):
            if parameter.get("in") == "path":
                wanted.setdefault(parameter["name"], []).append(operation)
    for operation in _operations(result):
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                links = _links_of(_own_fields(result, response), wanted, operation)
                if links:
                    response["links"] = links
    return result


def _links_of(
    fields: set[str], wanted: dict[str, list[dict[str, Any]]], source: dict[str, Any]
) -> dict[str, Any]:
    return {
        target["operationId"]: {
            "operationId": target["operationId"],
            "description": f"{target['summary']}.",
            "parameters": {name: f"$response.body#/{name}"},
        }
        for name, targets in sorted(wanted.items())
        if name in fields
        for target in targets
        if target is not source
    }


def _own_fields(result: dict[str, Any], response: dict[str, Any]) -> set[str]:
    return set(_own_schema(result, response).get("properties", {}))


def _own_schema(result: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """Return the object that a JSON answer is, or an empty one."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    name = str(schema.get("$ref", "")).removeprefix(_REFERENCE)
    found: dict[str, Any] = result["components"]["schemas"].get(name, {})
    return found


def _operations(result: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in result["paths"].values():
        for method, operation in methods.items():
            if method in _HTTP_METHODS:
                yield operation
