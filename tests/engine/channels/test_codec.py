"""The codec: whatever is changed in a signed message, however little, it is refused."""

from __future__ import annotations

import random

import pytest

from engine.channels.sandbox import codec

NOW = 1_790_000_000.0
KEY = codec.derive_key(secret="secret", channel="sandbox", purpose=codec.Purpose.REQUEST)
ACCOUNT = codec.ACCOUNTS["sandbox"]
BODY = '{"request_no":"att_1","amount":1234,"subject":"茶"}'.encode()
PATH = "/api/sandbox/pay?x=1"


def _signed() -> dict[str, str]:
    return codec.sign_request(
        key=KEY, account=ACCOUNT, method="POST", path=PATH, body=BODY, now=NOW
    )


def _verify(headers: dict[str, str], **changes: object) -> str:
    given = {"key": KEY, "account": ACCOUNT, "method": "POST", "path": PATH, "body": BODY}
    return codec.verify_request(**given | {"now": NOW} | changes, headers=headers)  # type: ignore[arg-type]


def _each_byte_changed(value: bytes, seed: int) -> list[bytes]:
    dice = random.Random(seed)
    changed = []
    for index, byte in enumerate(value):
        other = (byte + dice.randrange(1, 256)) % 256
        changed.append(value[:index] + bytes([other]) + value[index + 1 :])
    return changed


def test_a_message_as_it_was_signed_is_taken():
    headers = _signed()
    assert _verify(headers) == headers[codec.NONCE_HEADER]
    assert _verify({name.upper(): value for name, value in headers.items()})


def test_every_changed_byte_of_the_body_is_noticed():
    headers = _signed()
    for body in [*_each_byte_changed(BODY, 1), BODY[:-1], BODY + b" ", b""]:
        with pytest.raises(codec.CodecError):
            _verify(headers, body=body)


@pytest.mark.parametrize("name", list(_signed()))
def test_every_changed_byte_of_a_header_is_noticed(name: str):
    headers = _signed()
    value = headers[name].encode()
    for changed in [*_each_byte_changed(value, 2), value[:-1], value + b"0", value + b" ", b""]:
        with pytest.raises(codec.CodecError):
            _verify(headers | {name: changed.decode("latin-1")})
    del headers[name]
    with pytest.raises(codec.CodecError):
        _verify(headers)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET"},
        {"path": "/api/sandbox/pay?x=2"},
        {"path": "/api/sandbox2/pay?x=1"},
        {"account": codec.ACCOUNTS["sandbox2"]},
        {"now": NOW + 301},
        {"now": NOW - 302},
        {
            "key": codec.derive_key(
                secret="secret", channel="sandbox2", purpose=codec.Purpose.REQUEST
            )
        },
        {
            "key": codec.derive_key(
                secret="secret", channel="sandbox", purpose=codec.Purpose.RESPONSE
            )
        },
        {
            "key": codec.derive_key(
                secret="Secret", channel="sandbox", purpose=codec.Purpose.REQUEST
            )
        },
    ],
)
def test_another_place_time_or_key_is_noticed(changes: dict[str, object]):
    headers = _signed()
    with pytest.raises(codec.CodecError):
        _verify(headers, **changes)


def test_a_message_is_fresh_for_five_minutes():
    assert _verify(_signed(), now=NOW + 300)


def test_an_answer_belongs_to_its_request():
    signed = codec.sign_response(
        key=KEY, account=ACCOUNT, request_signature="v1=a", status=200, body=BODY, now=NOW
    )
    good = {"key": KEY, "account": ACCOUNT, "status": 200, "body": BODY, "now": NOW}
    codec.verify_response(**good, request_signature="v1=a", headers=signed)  # type: ignore[arg-type]
    for changes in ({"request_signature": "v1=b"}, {"status": 201}, {"body": BODY + b"x"}):
        with pytest.raises(codec.CodecError):
            codec.verify_response(
                **good | {"request_signature": "v1=a"} | changes,  # type: ignore[arg-type]
                headers=signed,
            )


def test_no_two_lists_of_parts_look_alike():
    lists = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("", "abc"),
        ("abc", ""),
        ("1:a,", ""),
        ("a", "1:b,"),
    ]
    assert len({codec.canonical(*parts) for parts in lists}) == len(lists)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{",
        b'{"a":1}x',
        b'{"a":1,"a":2}',
        b'{"amount":1.0}',
        b'{"amount":1e3}',
        b'{"amount":NaN}',
        b'{"a":"\xff"}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_plainly_one_object_is_refused(body: bytes):
    with pytest.raises(codec.CodecError):
        codec.decode(body)


def test_documents_come_back_as_they_were():
    document = {"a": 1, "b": "茶\u2028\x00", "c": None, "d": {"e": [True]}}
    assert codec.decode(codec.encode(document)) == document
