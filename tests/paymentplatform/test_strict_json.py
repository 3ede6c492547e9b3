"""What strangers send is read so strictly that no two readers can disagree about it."""

from __future__ import annotations

import json
from contextlib import suppress
from enum import StrEnum
from typing import Any, Literal

import msgspec
import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from paymentplatform.kernel.errors import (
    InvalidRequest,
    PayloadTooLarge,
    UnsupportedMediaType,
)
from paymentplatform.kernel.strictjson import (
    MAX_BODY_BYTES,
    MAX_FIELD_ERRORS,
    convert_object,
    decode_body,
    decode_query,
)


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    rank: int = 1


class Body(msgspec.Struct, forbid_unknown_fields=True):
    amount: int
    subject: str
    note: str | None = None
    tries: int = 5
    inner: Inner | None = None
    metadata: dict[str, str] | None = None
    tags: list[str] | None = None


class Optional(msgspec.Struct, forbid_unknown_fields=True):
    note: str | None = None
    rank: int = 1


class Query(msgspec.Struct, forbid_unknown_fields=True):
    limit: int = 20
    status: str | None = None
    after: int | None = None
    open: bool | None = None


class Colour(StrEnum):
    RED = "RED"
    GREEN = "GREEN"


class Choices(msgspec.Struct, forbid_unknown_fields=True):
    colour: Colour | None = None
    colours: list[Colour] | None = None
    size: Literal["S", "M"] = "S"


def post(body: bytes, content_type: str = "application/json", **extra: Any) -> HttpRequest:
    return RequestFactory().generic("POST", "/", body, content_type=content_type, **extra)


def refused(body: bytes, into: type = Body) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        decode_body(post(body), into)
    return caught.value


def with_amount(text: str) -> bytes:
    return b'{"subject":"s","amount":' + text.encode() + b"}"


def test_a_good_body_is_read() -> None:
    body = decode_body(
        post('{"amount":1,"subject":"订单","inner":{"code":"a"},"metadata":{"k":"v"}}'.encode()),
        Body,
    )
    assert body == Body(amount=1, subject="订单", inner=Inner("a"), metadata={"k": "v"})


@pytest.mark.parametrize(
    "text",
    [
        '"100"',
        "100.0",
        "1e2",
        "1E2",
        "true",
        "null",
        "[]",
        "{}",
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "9" * 20,
        "9" * 5000,
        "-" + "9" * 30,
    ],
)
def test_an_amount_that_is_no_plain_integer_is_refused_and_named(text: str) -> None:
    (error,) = refused(with_amount(text)).errors
    assert error.field == "amount"


@pytest.mark.parametrize(
    "text", ["１００", "١٢٣", "1_000", "0x10", "01", "+1", "1.", ".5", "--1", ""]
)
def test_numbers_of_other_grammars_are_not_json(text: str) -> None:
    assert refused(with_amount(text)).errors[0].code == "malformed"


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        (b'{"amount":1,"amount":2,"subject":"s"}', "amount", "duplicate_field"),
        (
            b'{"amount":1,"subject":"s","inner":{"code":"a","code":"b"}}',
            "inner.code",
            "duplicate_field",
        ),
        (b'{"amount":1,"subject":"s","status":"SUCCESS"}', "status", "unknown_field"),
        (b'{"amount":1,"subject":"s","inner":{"code":"a","fee":0}}', "inner.fee", "unknown_field"),
        (b'{"amount":1}', "subject", "required"),
        (b'{"amount":1,"subject":null}', "subject", "required"),
        (b'{"amount":1,"subject":7}', "subject", "wrong_type"),
        (b'{"amount":1,"subject":"s","inner":{}}', "inner.code", "required"),
        (b'{"amount":1,"subject":"s","inner":{"code":1.5}}', "inner.code", "wrong_type"),
        (b'{"amount":1,"subject":"s","metadata":{"k":1}}', "metadata.k", "wrong_type"),
        (b'{"amount":1,"subject":"s","tags":["a",2]}', "tags[1]", "wrong_type"),
        (b'{"amount":1,"subject":"a\\u0000b"}', "subject", "characters"),
        (b'{"amount":1,"subject":"\\ud800"}', "subject", "characters"),
        (
            b'{"amount":1,"subject":"s","metadata":{"\\udfff":"x"}}',
            "metadata.\ufffd",
            "characters",
        ),
        (b'{"amount":1,"subject":"a\x00b"}', "", "malformed"),
        (b'{"amount":1,"subject":"\xff"}', "", "malformed"),
        (b'\xef\xbb\xbf{"amount":1,"subject":"s"}', "", "malformed"),
        (b'{"amount":1,"subject":"s"}{}', "", "malformed"),
        (b'{"amount":1,"subject":"s",}', "", "malformed"),
        (b"{'amount':1}", "", "malformed"),
        (b"[" * 60_000, "", "malformed"),
        (b'{"a":' * 10_000, "", "malformed"),
        (b'{"a":1.5,"b":' + b"[" * 60_000, "", "wrong_type"),
        (b"[]", "", "wrong_type"),
        (b'"text"', "", "wrong_type"),
        (b"null", "", "wrong_type"),
        (b"7", "", "wrong_type"),
    ],
)
def test_the_corpus_is_refused(body: bytes, field: str, code: str) -> None:
    errors = refused(body).errors
    assert any((error.field, error.code) == (field, code) for error in errors)


def test_deep_nesting_that_the_reader_just_manages_is_refused_as_well() -> None:
    for depth in (50, 500, 900, 950, 980):
        assert refused(b'{"a":"\\u0041","b":' + b"[" * depth + b"]" * depth + b"}").errors


def test_all_faults_are_named_together() -> None:
    error = refused(b'{"amount":"1","inner":{"rank":"x"},"fee":1}')
    assert {(item.field, item.code) for item in error.errors} == {
        ("amount", "wrong_type"),
        ("subject", "required"),
        ("inner.code", "required"),
        ("inner.rank", "wrong_type"),
        ("fee", "unknown_field"),
    }


def test_null_counts_as_absent_where_the_field_is_optional() -> None:
    body = decode_body(
        post(
            b'{"amount":1,"subject":"s","note":null,"tries":null,"inner":{"code":"a","rank":null}}'
        ),
        Body,
    )
    assert (body.note, body.tries, body.inner) == (None, 5, Inner("a", 1))


def test_an_empty_body_is_fine_where_nothing_is_required() -> None:
    assert decode_body(post(b"", content_type=""), Optional) == Optional()
    assert {error.field for error in refused(b"").errors} == {"amount", "subject"}


@pytest.mark.parametrize(
    ("content_type", "extra"),
    [
        ("text/plain", {}),
        ("", {}),
        ("application/x-www-form-urlencoded", {}),
        ("multipart/form-data; boundary=x", {}),
        ("application/json; charset=gbk", {}),
        ("application/json; charset=utf-16", {}),
        ("application/json", {"HTTP_CONTENT_ENCODING": "gzip"}),
    ],
)
def test_other_media_types_are_refused(content_type: str, extra: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType):
        decode_body(post(b'{"note":"x"}', content_type=content_type, **extra), Optional)


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_utf8_may_be_said(content_type: str) -> None:
    assert decode_body(post(b'{"note":"x"}', content_type=content_type), Optional).note == "x"


def test_a_body_over_the_limit_is_refused() -> None:
    with pytest.raises(PayloadTooLarge):
        decode_body(post(b" " * (MAX_BODY_BYTES + 1)), Optional)
    assert decode_body(post(b"{}".ljust(MAX_BODY_BYTES)), Optional) == Optional()


@pytest.mark.parametrize(
    "query",
    [
        "limit=1&limit=1",
        "limit=1&limit=2",
        "offset=1",
        "limit=%EF%BC%91",
        "limit=%D9%A1",
        "limit=1_0",
        "limit=-1",
        "limit=+1",
        "limit=%201",
        "limit=1.0",
        "limit=",
        "limit=" + "9" * 19,
        "after=x",
        "open=1",
        "status=%00",
        "status=%ED%A0%80",
        "status=%FF",
        "status=\xff",
        "&".join(f"a{n}=1" for n in range(60)),
    ],
)
def test_a_query_string_is_read_strictly(query: str) -> None:
    request = RequestFactory().get("/")
    request.META["QUERY_STRING"] = query
    with pytest.raises(InvalidRequest):
        decode_query(request, Query)


def test_a_good_query_string_is_read() -> None:
    request = RequestFactory().get("/?limit=100&status=%E8%AE%A2&open=true")
    assert decode_query(request, Query) == Query(limit=100, status="订", open=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=200)))
def test_whatever_comes_it_is_a_body_or_a_named_refusal(body: bytes) -> None:
    with suppress(InvalidRequest, UnsupportedMediaType, PayloadTooLarge):
        decode_body(post(body), Optional)


@pytest.mark.parametrize(
    ("body", "field", "allowed"),
    [
        (b'{"colour":"BLUE"}', "colour", "RED, GREEN"),
        (b'{"colour":1}', "colour", "RED, GREEN"),
        (b'{"colours":["RED","BLUE"]}', "colours[1]", "RED, GREEN"),
        (b'{"size":"XXL"}', "size", "S, M"),
    ],
)
def test_a_value_outside_a_list_is_told_the_list(body: bytes, field: str, allowed: str):
    (error,) = refused(body, Choices).errors
    assert (error.field, error.detail) == (field, f"Must be one of {allowed}.")


def test_a_parameter_outside_a_list_is_told_the_list():
    with pytest.raises(InvalidRequest, match="colour: Must be one of RED, GREEN"):
        decode_query(RequestFactory().get("/?colour=BLUE"), Choices)


def test_of_very_many_faults_only_those_that_are_told_are_looked_for() -> None:
    class Watched(dict[str, int]):
        reads = 0

        def __getitem__(self, name: str) -> int:
            self.reads += 1
            return super().__getitem__(name)

    metadata = Watched({f"k{number}": number for number in range(1000)})
    with pytest.raises(InvalidRequest) as caught:
        convert_object({"amount": 1, "subject": "s", "metadata": metadata}, Body)
    assert len(caught.value.errors) == MAX_FIELD_ERRORS
    assert metadata.reads <= MAX_FIELD_ERRORS + 1


def test_a_wrong_value_in_a_mapping_is_named_by_its_key():
    errors = refused(b'{"amount":1,"subject":"s","metadata":{"a":"1","b":2,"c":null}}').errors
    assert [(e.field, e.code) for e in errors] == [
        ("metadata.b", "wrong_type"),
        ("metadata.c", "required"),
    ]
