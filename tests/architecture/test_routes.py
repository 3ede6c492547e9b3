"""The inventory of addresses: each is behind a proof of identity, or listed here as open with the reason."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from django.conf import settings
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern

OPEN = {
    "healthz": "a load balancer asks",
    "readyz": "a load balancer asks",
    "api/schema/": "the published OpenAPI document",
    "api/docs/": "the published documentation",
    "api/reference/": "the published documentation",
    "api/errors": "the published list of error codes",
    "favicon.ico": "browsers ask for it unasked",
    "i18n/setlang/": "the payer chooses a language",
}
"""Whole routes that anybody may call."""

GUARDED_OTHERWISE = {
    "api/v1/": "a merchant's credential",
    "admin/": "an operator's session",
    "metrics": "loopback or a scraper's token",
    "cashier/": "the order's unguessable token",
    "agreements/": "the agreement's unguessable token",
    "wallet/": "the payer's session",
    "channels/": "the institution's signature",
    "demo/": "the demo shop: not installed in production",
}
"""Beginnings of routes, with what lets a caller in."""

_METHODS = ("get", "post", "put", "patch", "delete")
_NUMBER = "0" * 22


@cache
def routes() -> tuple[str, ...]:
    """Every route of the platform, as written."""
    return tuple(_walk(get_resolver().url_patterns, ""))


def _walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for entry in patterns:
        part = str(entry.pattern)
        if isinstance(entry.pattern, RegexPattern):
            part = part.removeprefix("^").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, prefix + part)
        else:
            yield prefix + part


def address_of(route: str) -> str:
    """Fill a route with well-formed numbers of things that do not exist."""
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: _example(match[1]), route)


def _example(name: str) -> str:
    prefixes = {"order_no": "ord", "payment_no": "pay", "refund_no": "rfd", "event_id": "evt"}
    if name in prefixes:
        return f"{prefixes[name]}_{_NUMBER}"
    return "1" if name.endswith("_id") or name == "id" else _NUMBER


def guard_of(route: str) -> str | None:
    """Return what guards a route, or None when nobody has thought of it."""
    if route in OPEN:
        return "open"
    return next((start for start in GUARDED_OTHERWISE if route.startswith(start)), None)


def below(start: str) -> list[str]:
    """The routes that begin like this."""
    return [route for route in routes() if guard_of(route) == start]


@pytest.fixture
def stranger() -> Client:
    """A client without any credential."""
    return Client(raise_request_exception=False)


def test_every_route_is_in_the_inventory():
    assert [route for route in routes() if guard_of(route) is None] == []


def test_the_inventory_names_only_real_routes():
    assert [route for route in OPEN if route not in routes()] == []


@pytest.mark.parametrize("route", below("api/v1/"))
@pytest.mark.parametrize(
    "authorization", [None, "Bearer sk_wrong", "Bearer ", "Basic eDp5", "Bearer \x00"]
)
def test_the_merchant_api_answers_nobody_without_a_credential(
    stranger: Client, route: str, authorization: str | None
):
    headers = {"Authorization": authorization} if authorization else {}
    answers = {
        method: getattr(stranger, method)(
            address_of(route), content_type="application/json", data="{}", headers=headers
        )
        if method != "get"
        else stranger.get(address_of(route), headers=headers)
        for method in _METHODS
    }
    statuses = {method: answer.status_code for method, answer in answers.items()}
    assert set(statuses.values()) <= {401, 405}, statuses
    assert 401 in statuses.values()
    for answer in answers.values():
        assert answer["Content-Type"].startswith("application/problem+json")
        assert answer.json()["code"] in {"unauthenticated", "method_not_allowed"}


@pytest.mark.parametrize("route", [route for route in below("admin/") if "(?P" not in route])
def test_the_admin_sends_strangers_to_its_login(stranger: Client, route: str):
    if route in {"admin/login/", "admin/jsi18n/"}:
        return
    answer = stranger.get(address_of(route))
    assert answer.status_code in {302, 404, 405}, answer.status_code
    if answer.status_code == 302:
        assert "/admin/login/" in answer["Location"] or route == "admin/logout/"


@pytest.mark.parametrize("route", below("cashier/") + below("agreements/"))
@pytest.mark.parametrize("method", ["get", "post"])
def test_payers_pages_know_no_page_without_its_token(stranger: Client, route: str, method: str):
    answer = getattr(stranger, method)(address_of(route))
    assert answer.status_code in {303, 403, 404, 405}
    if answer.status_code == 303:
        assert stranger.get(answer["Location"]).status_code == 404


@pytest.mark.parametrize("route", below("wallet/"))
def test_a_wallet_opens_to_nobody_without_a_session(stranger: Client, route: str):
    answers = [stranger.get(address_of(route)), stranger.post(address_of(route))]
    for answer in answers:
        if answer.status_code == 303:
            assert answer["Location"] == "/wallet/login"
        else:
            assert answer.status_code in {403, 405} or route == "wallet/login"


@pytest.mark.parametrize("route", below("channels/"))
@pytest.mark.parametrize("channel", ["sandbox", "nobody"])
def test_a_channel_that_proves_nothing_is_refused(stranger: Client, route: str, channel: str):
    address = "/" + route.replace("<str:channel_code>", channel)
    answer = stranger.post(address, data=b"{}", content_type="application/json")
    assert 400 <= answer.status_code < 500, answer.status_code


def test_metrics_are_not_public(stranger: Client):
    assert stranger.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code in {401, 403, 404}


def test_production_has_no_demo_shop():
    """The route exists here because this is not production (see the settings' own tests)."""
    assert settings.PLATFORM_ENV != "production"
