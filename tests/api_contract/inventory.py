"""Every operation of the merchant API, read from the URL resolver: a new route is tested from its first day."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import msgspec
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from paymentplatform.api_handler import ApiHandler
from paymentplatform.kernel import numbers
from paymentplatform.kernel.fields import path_schema
from paymentplatform.kernel.openapi import Operation
from tests.paymentplatform.calling import Answer, call

METHODS = ("get", "post", "put", "patch", "delete")
_START = "api/v1/"
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_NUMBER_PATTERN = re.compile(r"\^(\w+)_")
_addresses = itertools.count(1)


@dataclass(frozen=True)
class Route:
    """One method of one address."""

    template: str
    method: str
    operation: Operation

    @property
    def name(self) -> str:
        return self.operation.name

    @property
    def parameters(self) -> list[str]:
        """The names in its path."""
        return _PARAMETER.findall(self.template)

    @property
    def fields(self) -> tuple[msgspec.structs.FieldInfo, ...]:
        """The fields of its body."""
        return msgspec.structs.fields(self.operation.body) if self.operation.body else ()

    @property
    def needs_body(self) -> bool:
        return any(field.required for field in self.fields)

    def address(self, known: Mapping[str, str] | None = None) -> str:
        """The address with these numbers; others are well-formed and belong to nothing."""
        known = known or {}
        return "/" + _PARAMETER.sub(lambda m: known.get(m[1]) or absent(m[1]), self.template)

    def example(self) -> dict[str, Any]:
        """A valid body."""
        return dict(self.operation.request_example or {})

    def __str__(self) -> str:
        return self.name


def absent(parameter: str) -> str:
    """A well-formed value of a path's parameter that names nothing."""
    schema = path_schema(parameter)
    if schema.get("format") == "date":
        return "2026-01-31"
    prefix = _NUMBER_PATTERN.match(schema.get("pattern", ""))
    assert prefix, f"say in kernel.fields what the path's {parameter} looks like"
    return f"{prefix[1]}_{'0' * 22}"


@cache
def addresses() -> dict[str, type]:
    """Every address of the API with its view."""
    return dict(_walk(get_resolver().url_patterns, ""))


@cache
def routes() -> tuple[Route, ...]:
    """Every method of every address."""
    return tuple(
        Route(template, method, getattr(view, method).operation)
        for template, view in addresses().items()
        for method in METHODS
        if hasattr(view, method)
    )


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, type]]:
    for entry in patterns:
        part = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, part)
        elif part.startswith(_START):
            yield part, entry.callback.view_class


_call = partial(call, ApiHandler())


def send(
    method: str,
    target: str,
    *,
    key: str | None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    **environ: Any,
) -> Answer:
    """Send one request from an address of its own, so that wrong keys of others do not count against it."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    number = next(_addresses)
    variables = {"REMOTE_ADDR": f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"}
    if key is not None:
        variables["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    for name, value in (headers or {}).items():
        variables[f"HTTP_{name.upper().replace('-', '_')}"] = value
    return _call(method.upper(), target, raw, **variables | environ)


def assert_problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """Check that the answer is this problem; returns the document."""
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    assert numbers.is_number(problem["request_id"], numbers.REQUEST)
    return problem


def footprint(merchant_no: str) -> dict[str, str]:
    """A digest of everything that is kept about a merchant, table by table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.table_name FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name) WHERE table_schema = 'public' AND column_name = 'merchant_no'"
            " AND table_type = 'BASE TABLE' ORDER BY 1"
        )
        tables = [name for (name,) in cursor.fetchall()]
        assert len(tables) > 5
        cursor.execute(
            " UNION ALL ".join(
                f"SELECT '{name}', coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '')"
                f" FROM {name} t WHERE merchant_no = %s"
                for name in tables
            ),
            [merchant_no] * len(tables),
        )
        return dict(cursor.fetchall())
