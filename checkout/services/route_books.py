"""The route book in force, and how a new version takes its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection
from django.db.models import Max

from checkout.contracts import RouteBookOutdated
from checkout.models import RouteBookVersion
from checkout.route_book import RouteBook, digest_route_book, parse_route_book
from engine import api as engine
from paymentplatform.kernel import transactions
from paymentplatform.kernel.cache import ConfigCache
from paymentplatform.kernel.errors import FieldError, InvalidRequest, NotFound

KEPT_S = 5
"""A new version is in force everywhere about so many seconds after its transaction."""

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('checkout route book', 0))"


@dataclass(frozen=True, slots=True)
class StandingBook:
    """A route book with its version; version 0 is the empty one of a database that has none."""

    version: int
    book: RouteBook


def get_route_book() -> StandingBook:
    """Return the book in force, some seconds old at most."""
    return _books.get("")


def get_route_book_version(*, version: int) -> RouteBook:
    """Return an earlier version, or this one. Raises NotFound."""
    row = RouteBookVersion.objects.filter(version=version).first()
    if row is None:
        raise NotFound
    return msgspec.convert(row.document, RouteBook)


def check_route_book(*, document: Any, based_on: int) -> RouteBook:
    """Say what is wrong with a new version before anybody approves it; changes nothing.

    ``based_on`` is the version that its author had before his eyes. Raises InvalidRequest, also for a document that
    says what is in force already, and RouteBookOutdated when another version has come since.
    """
    book = parse_route_book(document, channels=engine.list_channel_codes())
    standing = _load("")
    if standing.version != based_on:
        raise RouteBookOutdated(f"Version {standing.version} is in force, not {based_on}.")
    if digest_route_book(standing.book) == digest_route_book(book):
        detail = f"It says what version {standing.version} says."
        raise InvalidRequest(detail, errors=(FieldError("document", "conflict", detail),))
    return book


def describe_route_book_change(*, document: Any, based_on: int) -> dict[str, str]:
    """Return what a new version would change, for whoever is to approve it. Raises what ``check_route_book`` raises."""
    new, old = check_route_book(document=document, based_on=based_on), _load("").book
    rules, before = ({rule.name: rule for rule in book.rules} for book in (new, old))
    order = [name for name in rules if name in before]
    changes = {
        "rules_added": [name for name in rules if name not in before],
        "rules_changed": [name for name in order if rules[name] != before[name]],
        "rules_removed": [name for name in before if name not in rules],
        "rules_moved": order if order != [name for name in before if name in rules] else [],
        "rest_changed": [
            name for name in ("otherwise", "costs") if getattr(new, name) != getattr(old, name)
        ],
    }
    return {name: ", ".join(names) for name, names in changes.items() if names}


@transactions.start
def adopt_route_book(*, document: Any, based_on: int, reason: str, made_by: str) -> int:
    """Put a new version in force and return its number (start; ``transactions.join`` it to an approval).

    What was approved is what is adopted: raises what ``check_route_book`` raises, and changes nothing then.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
    book = check_route_book(document=document, based_on=based_on)
    version = based_on + 1
    RouteBookVersion.objects.create(
        version=version,
        document=msgspec.to_builtins(book),
        digest=digest_route_book(book),
        reason=reason,
        made_by=made_by,
    )
    transactions.after_commit(_books.forget)
    return version


def _load(_key: str) -> StandingBook:
    row = RouteBookVersion.objects.order_by("-version").first()
    if row is None:
        return StandingBook(0, RouteBook())
    return StandingBook(row.version, msgspec.convert(row.document, RouteBook))


def _read_stamp(_key: str) -> object:
    return RouteBookVersion.objects.aggregate(newest=Max("version"))["newest"]


_books: ConfigCache[str, StandingBook] = ConfigCache(
    _load, name="routes", seconds=KEPT_S, read_stamp=_read_stamp
)
