"""The API's description, made from the very structs that read and write it: it cannot drift from the code.

Views say ``@operation(...)``; drf-spectacular finds it through ``StructSchema`` (the default schema class).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from drf_spectacular.drainage import error as complain
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent

from paymentplatform.kernel.errors import (
    DomainError,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from paymentplatform.kernel.problems import CONTENT_TYPE as PROBLEM_TYPE
from paymentplatform.kernel.problems import Problem

F = TypeVar("F", bound=Callable[..., Any])

_REF: Final = "#/components/schemas/{name}"
_EXAMPLE_ORIGIN: Final = "https://pay.example"
_EXAMPLE_NUMBER: Final = "01k0000000000000000000"
_PATH_PARAMETER: Final = re.compile(r"{(\w+)}")
_REQUEST_ID: Final = {
    "X-Request-Id": {
        "description": "Our number of this request; name it when you ask us about it.",
        "schema": {"type": "string"},
    }
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one view takes and answers."""

    name: str
    summary: str
    responses: Mapping[int, Any]
    body: type | None = None
    query: type | None = None
    errors: tuple[type[DomainError], ...] = ()
    tag: str = "orders"
    secured: bool = True
    idempotency_key: bool = False
    path_descriptions: Mapping[str, str] = field(default_factory=dict)
    request_example: Mapping[str, Any] | None = None
    answer_example: Mapping[str, Any] | None = None


def operation(
    *,
    name: str,
    summary: str,
    responses: Mapping[int, Any],
    body: type | None = None,
    query: type | None = None,
    errors: tuple[type[DomainError], ...] = (),
    tag: str = "orders",
    secured: bool = True,
    idempotency_key: bool = False,
    path_descriptions: Mapping[str, str] | None = None,
    request_example: Mapping[str, Any] | None = None,
    answer_example: Mapping[str, Any] | None = None,
) -> Callable[[F], F]:
    """Describe a view's method; its docstring becomes the description.

    ``responses`` maps a status to a struct type (JSON), a media type (a file) or None (no content).
    ``errors`` names what it may refuse beyond what every operation may. ``name`` is the operationId. An example
    stands for every success; without one Swagger would make up a request that the decoder refuses.
    """

    def attach(method: F) -> F:
        described = Operation(
            name=name,
            summary=summary,
            responses=responses,
            body=body,
            query=query,
            errors=errors,
            tag=tag,
            secured=secured,
            idempotency_key=idempotency_key,
            path_descriptions=path_descriptions or {},
            request_example=request_example,
            answer_example=answer_example,
        )
        method.operation = described  # type: ignore[attr-defined]
        return method

    return attach


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
        if text := _paragraph(handler):
            described["description"] = text
        if parameters := self._parameters(path, declared):
            described["parameters"] = parameters
        if declared.body is not None:
            content = {"schema": self._schema_of(declared.body)}
            if declared.request_example is not None:
                content["example"] = dict(declared.request_example)
            described["requestBody"] = {
                "required": any(item.required for item in msgspec.structs.fields(declared.body)),
                "content": {"application/json": content},
            }
        described["security"] = [{"bearer": []}] if declared.secured else []
        described["responses"] = self._responses(path, declared)
        return described

    def _parameters(self, path: str, declared: Operation) -> list[dict[str, Any]]:
        parameters = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": declared.path_descriptions.get(name, ""),
                "schema": {"type": "string"},
            }
            for name in _PATH_PARAMETER.findall(path)
        ]
        if declared.query is not None:
            schema = msgspec.json.schema(declared.query, ref_template=_REF)
            (inline,) = schema["$defs"].values() if len(schema["$defs"]) == 1 else [None]
            properties = inline["properties"] if inline else self._inlined(declared.query)
            required = inline.get("required", []) if inline else []
            parameters += [
                {
                    "name": name,
                    "in": "query",
                    "required": name in required,
                    "schema": _not_null(kind),
                }
                for name, kind in properties.items()
            ]
        if declared.idempotency_key:
            parameters.append(
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "The same key with the same body gets the first answer again.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                }
            )
        return parameters

    def _inlined(self, struct: type) -> dict[str, Any]:
        """Return a query struct's properties; the enums they name become components."""
        (reference,), components = msgspec.json.schema_components([struct], ref_template=_REF)
        name = reference["$ref"].rsplit("/", 1)[1]
        own = components.pop(name)
        self._register(components)
        properties: dict[str, Any] = own["properties"]
        return properties

    def _responses(self, path: str, declared: Operation) -> dict[str, Any]:
        responses = {
            str(status): self._response(status, kind, declared.answer_example)
            for status, kind in declared.responses.items()
        }
        by_status: dict[int, list[type[DomainError]]] = {}
        for named in _possible_errors(path, declared):
            by_status.setdefault(named.status, []).append(named)
        for status, named_errors in sorted(by_status.items()):
            lines = [f"`{named.code}`: {named.title}." for named in named_errors]
            responses[str(status)] = {
                "description": "\n\n".join(lines),
                "headers": _REQUEST_ID,
                "content": {
                    PROBLEM_TYPE: {
                        "schema": self._schema_of(Problem),
                        "examples": {named.code: _example_of(named) for named in named_errors},
                    }
                },
            }
        return dict(sorted(responses.items()))

    def _response(
        self, status: int, kind: Any, example: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        response: dict[str, Any] = {
            "description": HTTPStatus(status).phrase,
            "headers": _REQUEST_ID,
        }
        if isinstance(kind, str):
            response["content"] = {kind: {"schema": {"type": "string"}}}
        elif kind is not None:
            content = {"schema": self._schema_of(kind)}
            if example is not None:
                content["example"] = dict(example)
            response["content"] = {"application/json": content}
        return response

    def _schema_of(self, kind: Any) -> dict[str, Any]:
        (schema,), components = msgspec.json.schema_components([kind], ref_template=_REF)
        self._register(components)
        result: dict[str, Any] = schema
        return result

    def _register(self, components: dict[str, Any]) -> None:
        for name, schema in components.items():
            component = ResolvedComponent(  # type: ignore[no-untyped-call]
                name, ResolvedComponent.SCHEMA, schema, object=name
            )
            self.registry.register_on_missing(component)


def _possible_errors(path: str, declared: Operation) -> list[type[DomainError]]:
    """List what an operation may refuse: what its parts imply, what it declares, what may always happen."""
    found: list[type[DomainError]] = [InvalidRequest]
    if declared.secured:
        found.append(Unauthenticated)
    if _PATH_PARAMETER.search(path):
        found.append(NotFound)
    if declared.body is not None:
        found += [PayloadTooLarge, UnsupportedMediaType]
    found += [*declared.errors, RateLimited, DomainError, Unavailable]
    return list(dict.fromkeys(found))


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


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Drop null from a query parameter's type: in a query string there is no null, only absence."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**rest, **kinds[0]} if len(kinds) == 1 else schema


def _paragraph(handler: Any) -> str:
    """Return a docstring as Markdown, without its indentation."""
    return "\n".join(line.strip() for line in (handler.__doc__ or "").strip().splitlines())
