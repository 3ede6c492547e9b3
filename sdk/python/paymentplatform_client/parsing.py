"""Reading the platform's JSON into dataclasses.

Fields that this client does not know are dropped, and a status that it does not know is ``UNKNOWN``: a newer
platform does not break an older client.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Self, TypeVar, cast

T = TypeVar("T")


class OpenEnum(StrEnum):
    """An enumeration that may grow: what it does not know is its member ``UNKNOWN``."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get("UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """One page of a list, newest first; pass ``next_cursor`` to go on."""

    data: tuple[T, ...]
    has_more: bool
    next_cursor: str | None


def read_bytes(text: bytes | str) -> bytes:
    """Return bytes as they are, and text as UTF-8."""
    return text.encode() if isinstance(text, str) else text


def parse(kind: type[T], data: Mapping[str, Any]) -> T:
    """Read one object of the platform. Raises KeyError, TypeError or ValueError when it is none of this kind."""
    hints = typing.get_type_hints(kind)
    known = {item.name for item in fields(cast(Any, kind))}
    return kind(**{name: _read(hints[name], data[name]) for name in known & data.keys()})


def parse_page(kind: type[T], data: Mapping[str, Any]) -> Page[T]:
    """Read one page of a list."""
    return Page(
        data=tuple(parse(kind, item) for item in data["data"]),
        has_more=bool(data["has_more"]),
        next_cursor=data["next_cursor"],
    )


def iterate(list_call: Callable[..., Page[T]], **filters: Any) -> Iterator[T]:
    """Go through a whole list, newest first, page by page: ``iterate(client.list_refunds, status=…)``."""
    cursor: str | None = None
    while True:
        page = list_call(**{"limit": 100} | filters, cursor=cursor)
        yield from page.data
        cursor = page.next_cursor
        if cursor is None:
            return


def _read(kind: Any, value: Any) -> Any:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        (inner,) = (member for member in typing.get_args(kind) if member is not type(None))
        return None if value is None else _read(inner, value)
    if origin is tuple:
        return tuple(_read(typing.get_args(kind)[0], item) for item in value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if isinstance(kind, type) and issubclass(kind, OpenEnum):
        return kind(value)
    if isinstance(kind, type) and hasattr(kind, "__dataclass_fields__"):
        return parse(kind, value)
    return value
