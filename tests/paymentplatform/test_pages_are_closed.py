"""Browsers are told to be strict, everywhere but where the admin's widgets cannot live with it."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from paymentplatform.kernel.errors import all_error_classes
from tests.paymentplatform.calling import Answer

Call = Callable[..., Answer]


def policy(answer: Answer) -> dict[str, list[str]]:
    parts = [part.split() for part in answer.headers["Content-Security-Policy"].split("; ")]
    return {name: values for name, *values in parts}


def test_pages_have_the_strict_policy(pages: Call) -> None:
    answer = pages("GET", "/api/errors")
    directives = policy(answer)
    assert directives["default-src"] == ["'none'"]
    assert directives["frame-ancestors"] == ["'none'"]
    assert directives["script-src"][0] == "'self'"
    assert directives["style-src"] == ["'self'"], "a nonce only where a page asks for one"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_only_the_admin_may_evaluate(pages: Call) -> None:
    directives = policy(pages("GET", "/admin/login/"))
    assert "'unsafe-eval'" in directives["script-src"]
    assert directives["frame-ancestors"] == ["'none'"]
    assert directives["form-action"] == ["'self'"]


def test_the_api_answers_with_a_policy_that_allows_nothing(api: Call) -> None:
    assert policy(api("GET", "/api/v1/things"))["default-src"] == ["'none'"]


def test_every_error_code_stands_on_the_page(pages: Call) -> None:
    text = pages("GET", "/api/errors").body.decode()
    for code in ("internal_error", *all_error_classes()):
        assert f'id="{code}"' in text


def test_swagger_ui_comes_from_our_own_files(pages: Call) -> None:
    text = pages("GET", "/api/docs/").body.decode()
    assert "/static/drf_spectacular_sidecar/" in text
    assert "https://" not in text


def test_the_schema_is_made_from_the_structs(pages: Call) -> None:
    document = yaml.safe_load(pages("GET", "/api/schema/").body)
    make = document["paths"]["/api/v1/things"]["post"]
    assert make["operationId"] == "makeThing"
    assert make["requestBody"]["required"] is True
    refusals = {"400", "401", "409", "413", "414", "415", "422", "429", "431", "500", "503"}
    assert set(make["responses"]) == {"201", *refusals}
    thing = document["components"]["schemas"]["Thing"]
    assert thing["additionalProperties"] is False
    assert thing["required"] == ["amount"]
    parameters = {
        item["name"]: item for item in document["paths"]["/api/v1/things"]["get"]["parameters"]
    }
    assert parameters["limit"]["schema"] == {"type": "integer", "default": 20}
    assert parameters["colour"]["schema"] == {"$ref": "#/components/schemas/Colour"}
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
