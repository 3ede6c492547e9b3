"""A small API of the tests' own, so that they know the base and not somebody's views."""

from __future__ import annotations

import enum

import msgspec
from django.contrib import admin
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from paymentplatform import documentation, health
from paymentplatform.kernel.errors import Conflict, Unauthenticated
from paymentplatform.kernel.openapi import operation
from paymentplatform.kernel.rest import (
    ApiView,
    bearer_secret,
    decode_body,
    decode_query,
    json_response,
    path_number,
)


class Colour(enum.StrEnum):
    RED = "RED"
    BLUE = "BLUE"


class Thing(msgspec.Struct, forbid_unknown_fields=True):
    amount: int
    note: str | None = None
    colour: Colour = Colour.RED


class ThingQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = 20
    colour: Colour | None = None


class Things(ApiView):
    @operation(name="listThings", summary="List", query=ThingQuery, responses={200: list[Thing]})
    def get(self, request: HttpRequest) -> HttpResponse:
        return json_response([decode_query(request, ThingQuery)])

    @operation(
        name="makeThing", summary="Make", body=Thing, responses={201: Thing}, errors=(Conflict,)
    )
    def post(self, request: HttpRequest) -> HttpResponse:
        return json_response(decode_body(request, Thing), status=201)


class OneThing(ApiView):
    def authenticate(self, request: HttpRequest) -> str:
        secret = bearer_secret(request)
        if secret != "sk_right":
            raise Unauthenticated
        return secret

    def get(self, request: HttpRequest, number: str) -> HttpResponse:
        return json_response({"number": path_number(number, "ord")})

    def delete(self, request: HttpRequest, number: str) -> HttpResponse:
        message = "SELECT secret FROM inside /srv/app sk_live_0123456789"
        raise RuntimeError(message)


class Locked(ApiView):
    def post(self, request: HttpRequest) -> HttpResponse:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '20ms'")
            cursor.execute("SELECT pg_advisory_xact_lock(4242)")
        return json_response({})


class WhoAmI(ApiView):
    def get(self, request: HttpRequest) -> HttpResponse:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return json_response({"pid": cursor.fetchone()[0]})


@require_POST
def receive(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"ok", content_type="text/plain")


urlpatterns = [
    path("api/v1/things", Things.as_view()),
    path("api/v1/things/<str:number>", OneThing.as_view()),
    path("api/v1/locked", Locked.as_view()),
    path("api/v1/whoami", WhoAmI.as_view()),
    path("channels/any/notify", receive),
    path("api/schema/", documentation.SchemaView.as_view(), name="schema"),
    path("api/docs/", documentation.show_console, name="docs"),
    path("api/reference/", documentation.show_reference, name="reference"),
    path("api/errors", documentation.list_error_codes, name="errors"),
    path("admin/", admin.site.urls),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
]
handler400 = "paymentplatform.exception_handler.handle_400"
handler403 = "paymentplatform.exception_handler.handle_403"
handler404 = "paymentplatform.exception_handler.handle_404"
handler500 = "paymentplatform.exception_handler.handle_500"
