"""The API's document: every ``@operation`` with the schemas of its structs and every problem it may answer.

drf-spectacular finds the views and asks ``StructSchema`` (the default schema class) about each method.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from drf_spectacular.drainage import error as complain
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from paymentplatform.kernel import fields
from paymentplatform.kernel.errors import (
    AddressTooLong,
    DomainError,
    HeadersTooLarge,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from paymentplatform.kernel.openapi import Operation
from paymentplatform.kernel.problems import CONTENT_TYPE as PROBLEM_TYPE
from paymentplatform.kernel.problems import Problem

_REF: Final = "#/components/schemas/{name}"
_EXAMPLE_ORIGIN: Final = "https://pay.example"
_EXAMPLE_NUMBER: Final = "01k0000000000000000000"
_PATH_PARAMETER: Final = re.compile(r"{(\w+)}")
_IDEMPOTENCY_KEY: Final = {"$ref": "#/components/parameters/IdempotencyKey"}


class StructSchema(AutoSchema):
    """Writes the OpenAPI operation of a view's method from its ``@operation``."""

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: Any
    ) -> dict[str, Any] | None:
        """Describe one method, or complain when nobody has declared it."""
        if self.is_excluded():
            return None
        handler = getattr(self.view, method.lower(), None)
        declared: Operation | None = getattr(handler, "operation", None)
        if declared is None:
            complain(f"{type(self.view).__name__}.{method.lower()} has no @operation")
            return None
        self.registry = registry
        described: dict[str, Any] = {
            "operationId": declared.name,
            "summary": declared.summary,
            "tags": [declared.tag],
        }
        if text := read_text(handler):
            described["description"] = text
        keyed = declared.secured and method == "POST"
        parameters = self._parameters(path, declared)
        if keyed:
            parameters.append(dict(_IDEMPOTENCY_KEY))
        if parameters:
            described["parameters"] = parameters
        if declared.body is not None:
            described["requestBody"] = self._request_body(declared)
        described["security"] = [{"bearer": []}, {"httpSignature": []}] if declared.secured else []
        described["responses"] = self._responses(path, declared, keyed)
        return described

    def _request_body(self, declared: Operation) -> dict[str, Any]:
        assert declared.body is not None
        content = {"schema": self._schema_of(declared.body)}
        if declared.request_example is not None:
            content["example"] = dict(declared.request_example)
        return {
            "required": any(item.required for item in msgspec.structs.fields(declared.body)),
            "content": {"application/json": content},
        }

    def _parameters(self, path: str, declared: Operation) -> list[dict[str, Any]]:
        parameters = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": declared.path_descriptions.get(name, ""),
                "schema": fields.path_schema(name),
            }
            for name in _PATH_PARAMETER.findall(path)
        ]
        if declared.query is not None:
            parameters += self._query_parameters(declared.query)
        return parameters

    def _query_parameters(self, query: type) -> list[dict[str, Any]]:
        """Describe a query struct's fields; the enums they name become components."""
        (reference,), components = msgspec.json.schema_components([query], ref_template=_REF)
        own = components.pop(reference["$ref"].rsplit("/", 1)[1])
        self._register(components)
        parameters = []
        for name, kind in own["properties"].items():
            schema = _not_null(kind)
            parameter = {"name": name, "in": "query", "required": name in own.get("required", [])}
            if text := schema.pop("description", None):
                parameter["description"] = text
            parameters.append({**parameter, "schema": schema})
        return parameters

    def _responses(self, path: str, declared: Operation, keyed: bool) -> dict[str, Any]:
        responses = {
            status: self._response(status, kind, declared.answer_example)
            for status, kind in declared.responses.items()
        }
        if keyed:
            for described in responses.values():
                described["headers"] |= _headers("Idempotent-Replayed")
        by_status: dict[int, list[type[DomainError]]] = {}
        for named in _possible_errors(path, declared, keyed):
            by_status.setdefault(named.status, []).append(named)
        for status, named_errors in by_status.items():
            responses[status] = self._refusal(status, named_errors)
        return {str(status): responses[status] for status in sorted(responses)}

    def _response(
        self,
        status: int,
        kind: Any,
        example: Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | None,
    ) -> dict[str, Any]:
        response: dict[str, Any] = {
            "description": HTTPStatus(status).phrase,
            "headers": _headers("X-Request-Id"),
        }
        if isinstance(kind, str):
            text: dict[str, Any] = {"schema": {"type": "string"}}
            if example is not None:
                text["example"] = example
            response["content"] = {kind: text}
        elif kind is not None:
            content: dict[str, Any] = {"schema": self._schema_of(kind)}
            if example is not None:
                content["example"] = copy.deepcopy(example)
            response["content"] = {"application/json": content}
        return response

    def _refusal(self, status: int, errors: list[type[DomainError]]) -> dict[str, Any]:
        """Describe the problem documents of one status: exactly these codes can come."""
        names = ["X-Request-Id"]
        names += {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(
            status, []
        )
        if IdempotencyKeyInUse in errors:
            names += ["Retry-After", "Idempotent-Replayed"]
        schema = {
            "allOf": [
                self._schema_of(Problem),
                {
                    "type": "object",
                    "properties": {
                        "status": {"const": status},
                        "code": {"enum": [named.code for named in errors]},
                        "action": {"enum": sorted({named.action.value for named in errors})},
                    },
                },
            ]
        }
        return {
            "description": "\n\n".join(f"`{named.code}`: {named.title}." for named in errors),
            "headers": _headers(*names),
            "content": {
                PROBLEM_TYPE: {
                    "schema": schema,
                    "examples": {named.code: _example_of(named) for named in errors},
                }
            },
        }

    def _schema_of(self, kind: Any) -> dict[str, Any]:
        (schema,), components = msgspec.json.schema_components([kind], ref_template=_REF)
        if further := getattr(kind, "further_schema", None):
            components[kind.__name__] |= further
        self._register(components)
        result: dict[str, Any] = schema
        return result

    def _register(self, components: dict[str, Any]) -> None:
        for name, schema in components.items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name, ResolvedComponent.SCHEMA, tidy(schema), object=name
            )
            self.registry.register_on_missing(component)


def _possible_errors(path: str, declared: Operation, keyed: bool) -> list[type[DomainError]]:
    """List what an operation may refuse: what its parts imply, what it declares, what may always happen."""
    found: list[type[DomainError]] = [InvalidRequest]
    if declared.secured:
        found.append(Unauthenticated)
    if _PATH_PARAMETER.search(path):
        found.append(NotFound)
    if declared.body is not None:
        found.append(UnsupportedMediaType)
    found += declared.errors
    if keyed:
        found += [IdempotencyKeyInUse, IdempotencyKeyReused]
    found += [AddressTooLong, PayloadTooLarge, HeadersTooLarge]
    found += [RateLimited, DomainError, Unavailable]
    return list(dict.fromkeys(found))


def _headers(*names: str) -> dict[str, Any]:
    components = {
        "X-Request-Id": "RequestId",
        "Retry-After": "RetryAfter",
        "Idempotent-Replayed": "Replayed",
        "WWW-Authenticate": "Challenge",
    }
    return {name: {"$ref": f"#/components/headers/{components[name]}"} for name in names}


def _example_of(error: type[DomainError]) -> dict[str, Any]:
    """Show the problem document of an error."""
    return {
        "summary": error.title,
        "value": {
            "type": f"{_EXAMPLE_ORIGIN}/api/errors#{error.code}",
            "title": error.title,
            "status": error.status,
            "detail": error.title,
            "code": error.code,
            "action": error.action.value,
            "request_id": f"req_{_EXAMPLE_NUMBER}",
            "errors": [],
        },
    }


def tidy(schema: Any) -> Any:
    """Return a schema as people and generators want it: said in Markdown, with the type of every list of names.

    A description inside "this or null" moves out to where it is looked for.
    """
    if isinstance(schema, list):
        return [tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    clean = {name: tidy(value) for name, value in schema.items()}
    if isinstance(text := clean.get("description"), str):
        clean["description"] = inspect.cleandoc(text).replace("``", "`")
    values = clean.get("enum")
    if isinstance(values, list) and "type" not in clean and _all_text(values):
        clean["type"] = "string"
    alternatives = clean.get("anyOf")
    if isinstance(alternatives, list) and {"type": "null"} in alternatives:
        found = [item.pop("description") for item in alternatives if "description" in item]
        if len(found) == 1:
            clean.setdefault("description", found[0])
    if clean.get("additionalProperties") is False:
        clean["properties"] = {
            name: value if name in clean.get("required", []) else _or_null(value)
            for name, value in clean["properties"].items()
        }
    return clean


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Say that null is taken for absence, as it is in every field of a body that may be absent."""
    if {"type": "null"} in schema.get("anyOf", []):
        return schema
    outside: dict[str, Any] = {
        name: schema[name] for name in ("description", "default") if name in schema
    }
    inside = {name: value for name, value in schema.items() if name not in outside}
    return {"anyOf": [inside, {"type": "null"}], **outside}


def read_text(documented: Any) -> str:
    """Return a docstring as Markdown."""
    return (inspect.getdoc(documented) or "").replace("``", "`")


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop null from a query parameter's type: in a query string there is no null, only absence."""
    clean: dict[str, Any] = tidy(schema)
    kinds = [kind for kind in clean.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return clean
    rest = {name: value for name, value in clean.items() if name not in ("anyOf", "default")}
    return {**rest, **kinds[0]}
