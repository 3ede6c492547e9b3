"""Reading what strangers send: JSON and query strings, so strictly that two readers can never differ.

Python's own reader takes NaN, repeated keys, lone surrogates, ``1e400`` and full-width digits. Here each of
them is an InvalidRequest with the field's dotted path.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cache
from itertools import islice
from typing import Any, Final, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from paymentplatform.kernel.errors import (
    FieldError,
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from paymentplatform.kernel.field_errors import build_field_error, join_path

T = TypeVar("T")

MAX_BODY_BYTES: Final = 64 * 1024
MAX_INT_CHARACTERS: Final = 19
MAX_FIELD_ERRORS: Final = 20
_DIGITS: Final = re.compile(r"[0-9]{1,18}\Z")
_TWICE: Final = "duplicate_field"
_UNREADABLE: Final = re.compile("[\x00\ud800-\udfff]")
_UNREADABLE_DETAIL: Final = "Holds NUL or half a character, which cannot be stored."


class _NoParameters(msgspec.Struct, forbid_unknown_fields=True):
    """The query of a request that has a body."""


class _Refused(ValueError):
    """A hook of the JSON reader says no; carries the field error."""

    def __init__(self, field: str, code: str, detail: str) -> None:
        super().__init__(detail)
        self.error = FieldError(field, code, detail)


def decode_body(request: HttpRequest, into: type[T]) -> T:
    """Read the body as JSON into a msgspec struct type.

    An empty body counts as ``{}``. Raises UnsupportedMediaType, PayloadTooLarge, and InvalidRequest with as
    many field errors as can be found; what takes a body takes no parameters beside it.
    """
    if request.META.get("QUERY_STRING"):
        decode_query(request, _NoParameters)
    body = read_body(request)
    if not body:
        return convert_object({}, into)
    if request.content_type != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    charset = (request.content_params or {}).get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("The body must be UTF-8.")
    return convert_object(parse_json(body), into)


def read_body(request: HttpRequest) -> bytes:
    """Return the raw body, uncompressed and at most MAX_BODY_BYTES long."""
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() not in ("", "identity"):
        raise UnsupportedMediaType("The body must not be compressed.")
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise PayloadTooLarge from error
    except UnreadablePostError as error:
        raise InvalidRequest("The body could not be read to its end.") from error
    if len(body) > MAX_BODY_BYTES:
        raise PayloadTooLarge
    return body


def parse_json(body: bytes) -> Any:
    """Parse JSON text in UTF-8; integers only, no key twice, no NUL, no half of a surrogate pair."""
    try:
        text = body.decode("utf-8")
        value = _loads(text)
        unreadable = _find_path(value, "", _is_unreadable) if "\\u" in text else None
    except UnicodeDecodeError as error:
        raise _invalid("", "malformed", "The body is not UTF-8.") from error
    except _Refused as refused:
        found = _located(refused.error, text)
        raise InvalidRequest(_summary([found]), errors=(found,)) from None
    except RecursionError:
        raise _invalid("", "malformed", "The body is nested too deeply.") from None
    except ValueError as error:
        raise _invalid("", "malformed", "The body is not JSON.") from error
    if unreadable is not None:
        raise _invalid(unreadable, "characters", _UNREADABLE_DETAIL)
    return value


def convert_object(value: Any, into: type[T]) -> T:
    """Convert a parsed JSON value into the struct; null counts as absent where there is a default."""
    if not isinstance(value, dict):
        raise _invalid("", "wrong_type", "The body must be a JSON object.")
    _drop_nulls(value, into)
    try:
        return msgspec.convert(value, into, strict=True)
    except msgspec.ValidationError as error:
        found = tuple(islice(find_field_errors(value, into), MAX_FIELD_ERRORS))
        errors = found or (build_field_error("", error),)
        raise InvalidRequest(_summary(errors), errors=errors) from None


def decode_query(request: HttpRequest, into: type[T]) -> T:
    """Read the query string into a struct of strings, integers, booleans and enums.

    Unknown or repeated parameters, raw non-ASCII bytes, signs and other scripts' digits: InvalidRequest.
    """
    raw = request.META.get("QUERY_STRING", "")
    try:
        if not raw.isascii():
            raise ValueError
        pairs = parse_qsl(raw, keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError:
        raise _invalid("", "malformed", "The query string is not well-formed.") from None
    kinds = _query_kinds(cast(Hashable, into))
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, text in pairs:
        if name not in kinds:
            errors.append(FieldError(name[:64], "unknown_field", "There is no such parameter."))
        elif name in values:
            errors.append(FieldError(name, "duplicate_field", "The parameter is given twice."))
        else:
            try:
                values[name] = _read_parameter(name, text, kinds[name])
            except _Refused as refused:
                values[name] = None
                errors.append(refused.error)
    if errors:
        raise InvalidRequest(_summary(errors), errors=tuple(errors[:MAX_FIELD_ERRORS]))
    return convert_object(values, into)


def find_field_errors(value: Any, kind: Any, path: str = "") -> Iterator[FieldError]:
    """Yield what is wrong with each field, going into nested structs; of a mapping's at most MAX_FIELD_ERRORS."""
    struct = _struct_in(kind)
    if struct is None and isinstance(value, dict) and (inner := _value_kind_in(kind)) is not None:
        faults = (
            e for k in value for e in find_field_errors(value[k], inner, join_path(path, k[:64]))
        )
        named = tuple(islice(faults, MAX_FIELD_ERRORS))
        if named:
            yield from named
            return
    if struct is None or not isinstance(value, dict):
        try:
            msgspec.convert(value, kind, strict=True)
        except msgspec.ValidationError as error:
            yield build_field_error(path, error, kind)
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name in [name for name in value if name not in fields]:
        yield FieldError(
            join_path(path, str(name)[:64]), "unknown_field", "There is no such field."
        )
    hints = typing.get_type_hints(struct, include_extras=True)
    for name, field in fields.items():
        if name in value:
            yield from find_field_errors(value[name], hints[field.name], join_path(path, name))
        elif field.required:
            yield FieldError(join_path(path, name), "required", "The field is required.")


def _loads(text: str) -> Any:
    return json.loads(
        text,
        object_pairs_hook=_object_of_pairs,
        parse_float=_refuse_number,
        parse_constant=_refuse_number,
        parse_int=_read_int,
    )


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Refused(_printable(name), _TWICE, "The field is given twice.")
            seen.add(name)
    return result


def _refuse_number(_text: str) -> Any:
    raise _Refused("", "wrong_type", "Numbers must be integers without fraction or exponent.")


def _read_int(text: str) -> int:
    if len(text) > MAX_INT_CHARACTERS:
        raise _Refused("", "range", "The number is too large.")
    return int(text)


def _located(error: FieldError, text: str) -> FieldError:
    """Say where a refused number or a repeated name stands: read again, with a mark in its place."""
    mark = object()

    def mark_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        times = Counter(name for name, _ in pairs)
        return {name: mark if times[name] > 1 else item for name, item in pairs}

    try:
        if error.code == _TWICE:
            value = json.loads(text, object_pairs_hook=mark_repeated)
        else:
            value = json.loads(
                text,
                parse_float=lambda _text: mark,
                parse_constant=lambda _text: mark,
                parse_int=lambda text: mark if len(text) > MAX_INT_CHARACTERS else 0,
            )
        path = _find_path(value, "", lambda item: item is mark)
    except (ValueError, RecursionError):
        return error
    return FieldError(path or error.field, error.code, error.detail)


def _printable(text: str) -> str:
    return _UNREADABLE.sub("\ufffd", text)[:64]


def _is_unreadable(value: Any) -> bool:
    """Tell whether PostgreSQL or UTF-8 cannot hold a text."""
    return isinstance(value, str) and _UNREADABLE.search(value) is not None


def _find_path(value: Any, path: str, is_wanted: Callable[[Any], bool]) -> str | None:
    """Return the path of the first wanted value or key."""
    if is_wanted(value):
        return path
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        for name in value:
            if is_wanted(name):
                return join_path(path, _printable(name))
        items = [(join_path(path, name), item) for name, item in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    for below, item in items:
        if (found := _find_path(item, below, is_wanted)) is not None:
            return found
    return None


@cache
def _nullable_plan(struct: Hashable) -> tuple[tuple[str, ...], tuple[tuple[str, type], ...]]:
    """Return the fields whose null means their default, and the nested structs to look into."""
    hints = typing.get_type_hints(struct, include_extras=True)
    droppable, nested = [], []
    for field in msgspec.structs.fields(struct):  # type: ignore[arg-type]
        members = _members(hints[field.name])
        if not field.required and type(None) not in members:
            droppable.append(field.encode_name)
        if (inner := _struct_in(hints[field.name])) is not None:
            nested.append((field.encode_name, inner))
    return tuple(droppable), tuple(nested)


def _drop_nulls(value: dict[str, Any], struct: type) -> None:
    droppable, nested = _nullable_plan(struct)
    for name in droppable:
        if value.get(name, value) is None:
            del value[name]
    for name, inner in nested:
        if isinstance(item := value.get(name), dict):
            _drop_nulls(item, inner)


def _members(kind: Any) -> tuple[Any, ...]:
    """Return the alternatives of a type: ``int | None`` gives both, anything else itself."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _members(typing.get_args(kind)[0])
    if origin in (typing.Union, types.UnionType):
        return tuple(inner for member in typing.get_args(kind) for inner in _members(member))
    return (kind,)


def _struct_in(kind: Any) -> Any:
    """Return the one struct among the alternatives of a type, or None."""
    structs = [m for m in _members(kind) if isinstance(m, type) and issubclass(m, msgspec.Struct)]
    return structs[0] if len(structs) == 1 else None


def _value_kind_in(kind: Any) -> Any:
    """Return the type of a mapping's values where one of the alternatives is a mapping, else None."""
    for member in _members(kind):
        if typing.get_origin(member) is dict:
            return typing.get_args(member)[1]
    return None


@cache
def _query_kinds(struct: Hashable) -> dict[str, type]:
    hints = typing.get_type_hints(struct, include_extras=True)
    kinds: dict[str, type] = {}
    for field in msgspec.structs.fields(struct):  # type: ignore[arg-type]
        members = [m for m in _members(hints[field.name]) if isinstance(m, type)]
        plain = [m for m in members if m in (int, bool)]
        kinds[field.encode_name] = plain[0] if plain else str
    return kinds


def _read_parameter(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text in ("true", "false"):
            return text == "true"
        raise _Refused(name, "wrong_type", "Must be true or false.")
    if kind is int:
        if _DIGITS.match(text):
            return int(text)
        raise _Refused(name, "wrong_type", "Must be an integer in plain digits.")
    if _UNREADABLE.search(text):
        raise _Refused(name, "characters", _UNREADABLE_DETAIL)
    return text


def _summary(errors: Sequence[FieldError]) -> str:
    first = errors[0]
    text = f"{first.field}: {first.detail}" if first.field else first.detail
    return text if len(errors) == 1 else f"{text} ({len(errors)} errors)"


def _invalid(field: str, code: str, detail: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=(FieldError(field, code, detail),))
