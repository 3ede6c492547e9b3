"""What strangers may put into a field, made for every field of every body: each must be refused and named.

The texts are JSON as it goes over the wire, because what is tested is how the platform reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from paymentplatform.kernel.fields import STORABLE_PATTERN

WRONG_NUMBERS = (
    *('"100"', "100.0", "1e2", "1E2", "1e400", "NaN", "Infinity", "-Infinity", "-0.0", "1.5"),
    *("-0", "0", "-1", str(2**53 + 1), str(2**63 - 1), str(2**63), "9" * 20, "9" * 5_000),
    *("true", "[]", "{}", "[1]", '"١٢٣"', '"１００"', '""'),
)
"""JSON values that are no positive amount."""

NO_JSON = ("１００", "١٢٣", "1_000", "0x10", "01", "+1", "1.", ".5", "--1", "", "'1'", "undefined")
"""What other languages call a number, and JSON does not."""

WRONG_TEXTS = ("7", "1.5", "true", "[]", "{}", '["a"]', '"a\\u0000b"', '"\\ud800"', '"\\udc00x"')
"""JSON values that are no text that can be kept."""

INVISIBLE = ("\u202e", "\u200b", "\u2066", "\ufeff", "\u0007", "\u2028", "\x7f", "\x85")
"""Characters that make a text look like another: right-to-left override, zero width, controls."""


@dataclass(frozen=True)
class Field:
    """One field of a body; ``schema`` is what the document says of it, without null."""

    path: tuple[str, ...]
    schema: dict[str, Any]

    @property
    def pointer(self) -> str:
        return ".".join(self.path)

    def into(self, body: dict[str, Any], text: str) -> bytes:
        """The body with this JSON text as the field's value."""
        mark = "\u0001mark\u0001"
        whole = json.loads(json.dumps(body))
        place = whole
        for name in self.path[:-1]:
            place[name] = dict(place.get(name) or {})
            place = place[name]
        place[self.path[-1]] = mark
        return json.dumps(whole).replace(json.dumps(mark), text).encode()


def fields_of(body: type) -> list[Field]:
    """Every field of a body struct, those of structs inside it as well."""
    (reference,), components = msgspec.json.schema_components([body])
    return list(_walk(reference, components, ()))


def _walk(
    schema: dict[str, Any], components: dict[str, Any], path: tuple[str, ...]
) -> Iterator[Field]:
    known = _resolve(schema, components)
    if known.get("type") == "object" and "properties" in known:
        for name, inner in known["properties"].items():
            yield from _walk(inner, components, (*path, name))
        return
    yield Field(path, known)


def _resolve(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    if len(kinds) == 1:
        return _resolve({**kinds[0]}, components)
    if "$ref" in schema:
        return dict(components[schema["$ref"].rpartition("/")[2]])
    return schema


def wrong_values(field: Field) -> Iterator[str]:
    """JSON texts that the field must refuse, by what it is."""
    schema = field.schema
    kind = schema.get("type")
    if kind == "integer":
        yield from WRONG_NUMBERS
        yield str(schema["maximum"] + 1)
        yield str(schema["minimum"] - 1)
    elif kind == "boolean":
        yield from ('"true"', "1", "0", "[]", '""', "1.0")
    elif kind == "array":
        yield from ("{}", '"a"', "7", "[7]", "[null]", '["nobody.knows"]', "[[]]")
    elif kind == "object":
        yield from (
            "[]",
            '"a"',
            "7",
            '{"a":1}',
            '{"a":null}',
            '{"a":"b\\u0000"}',
            '{"\\ud800":"a"}',
        )
        yield json.dumps({str(number): "x" for number in range(schema["maxProperties"] + 1)})
        yield json.dumps({"k" * 41: "x"})
        yield json.dumps({"k": "x" * 257})
        for character in INVISIBLE:
            yield json.dumps({"k": f"a{character}b"})
        yield '{"a":"b","a":"c"}'
    else:
        yield from WRONG_TEXTS
        yield from _wrong_texts(schema)


def _wrong_texts(schema: dict[str, Any]) -> Iterator[str]:
    texts: list[str] = []
    if "enum" in schema:
        texts += ["NOBODY", "", str(schema["enum"][0]).lower() + " ", f" {schema['enum'][0]}"]
    if "maxLength" in schema:
        texts.append("x" * (schema["maxLength"] + 1))
    if schema.get("minLength"):
        texts += ["", "   "]
    if schema.get("pattern", STORABLE_PATTERN) != STORABLE_PATTERN and "format" not in schema:
        texts += ["no number!", "a b", "ä", "", "x\n", "１"]
    if schema.get("format") == "line":
        texts += [f"a{character}b" for character in INVISIBLE]
    if schema.get("format") == "uri":
        texts += ["javascript:alert(1)", "//shop.example", "http://shop.example\r\nx: y", "shop"]
    for text in texts:
        yield json.dumps(text)
