"""What ``errors[]`` of a problem says about one field: the closed list of codes, and words a merchant can act on. Pure.

``errors.md`` shows the list; a test finds every code that any floor uses in it.
"""

from __future__ import annotations

import re
import typing
from enum import Enum
from typing import Any, Final

import msgspec

from paymentplatform.kernel.errors import FieldError

FIELD_CODES: Final[dict[str, str]] = {
    "malformed": "The body or the query string cannot be read at all",
    "required": "It is missing, or null where a value is needed",
    "unknown_field": "There is no such field or parameter; check the spelling",
    "duplicate_field": "It is given twice",
    "wrong_type": 'Another JSON type is needed: an integer is `1280`, not `12.80` and not `"1280"`',
    "format": "It has not the form that `detail` shows",
    "range": "The number is too small or too large",
    "length": "The text, list or object is too short or too long",
    "characters": "It has control, invisible or broken characters",
    "unknown_value": "It is not one of the values that are allowed",
    "conflict": "It contradicts another field of the same request",
    "refused": "The address is none that we would send to, or lead a payer to",
    "differs": "It is not as in the first request with the same number (in a `409`)",
}
"""Code: meaning."""

_TYPE_WORDS: Final = {
    "int": "an integer",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}
_MSGSPEC_PATH: Final = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`\Z")
_WRONG_TYPE: Final = re.compile(r"Expected `(?P<wanted>[a-z| ]+)`, got `(?P<given>\w+)`\Z")
_BOUND: Final = re.compile(
    r"Expected `\w+`(?P<of_length> of length)? (?P<relation>[<>]=?) (?P<limit>-?\d+)\Z"
)
_RELATIONS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def build_field_error(path: str, error: msgspec.ValidationError, kind: Any = None) -> FieldError:
    """Say where and how a value is not of its kind, in words of the API instead of msgspec's."""
    text = str(error)
    if (match := _MSGSPEC_PATH.search(text)) is not None:
        path = join_path(path, match["path"].removeprefix("."))
        text = text[: match.start()]
    if text.startswith("Object missing required field"):
        return FieldError(path, "required", "The field is required.")
    if text.endswith("got `null`"):
        return FieldError(path, "required", "The field must not be null.")
    wrong_type = _WRONG_TYPE.match(text)
    if allowed := list_allowed_values(kind):
        code = "wrong_type" if wrong_type else "unknown_value"
        return FieldError(path, code, f"Must be one of {', '.join(allowed)}.")
    if wrong_type is not None:
        return FieldError(path, "wrong_type", _say_wanted(wrong_type["wanted"]))
    if (bound := _BOUND.match(text)) is not None:
        limit = f"{_RELATIONS[bound['relation']]} {bound['limit']}"
        if bound["of_length"]:
            return FieldError(path, "length", f"The length must be {limit}.")
        return FieldError(path, "range", f"Must be {limit}.")
    return FieldError(path, "format", text.replace("`", ""))


def list_allowed_values(kind: Any) -> list[str]:
    """Return the values that an enum or a literal allows, also as an item of a list or an alternative."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(member.value) for member in kind]
    if typing.get_origin(kind) is typing.Literal:
        return [str(value) for value in typing.get_args(kind)]
    return [value for inner in typing.get_args(kind) for value in list_allowed_values(inner)]


def join_path(path: str, name: str) -> str:
    """Put a field's name behind the path of what it stands in."""
    return f"{path}.{name}" if path and name and not name.startswith("[") else f"{path}{name}"


def _say_wanted(wanted: str) -> str:
    names = [name.strip() for name in wanted.split("|")]
    words = [_TYPE_WORDS.get(name, name) for name in names if name != "null"]
    said = f"Must be {' or '.join(words)}"
    return f"{said} in plain digits, without quotes." if words == ["an integer"] else f"{said}."
