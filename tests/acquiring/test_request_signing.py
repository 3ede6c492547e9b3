"""The verifier alone: RFC 9421's own examples, what it takes, and all that it refuses."""

from __future__ import annotations

import secrets
import time
from base64 import b64decode, b64encode
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from acquiring.request_signing import (
    WINDOW_S,
    MessageSignature,
    SignatureRefused,
    SignedRequest,
    SigningAlgorithm,
    VerificationKey,
    build_signature_base,
    check_times,
    load_verification_key,
    parse_signature,
    verify_digest,
    verify_request,
)
from tests.signing import TARGET, Algorithm, Signer

NOW = 1_700_000_000
KEY_ID = "key_01k00000000000000000000"
URL = "https://pay.example/api/v1/orders?a=1&b=%20x"
BODY = b'{"hello": "world"}'
RFC_DIGEST = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
RFC_ED25519 = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=
-----END PUBLIC KEY-----"""
RFC_SECRET = (
    "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
)
RFC_RSA = """-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAhAKYdtoeoy8zcAcR874L8cnZxKzAGwd7v36APp7Pv6Q2jdsPBRrw
WEBnez6d0UDKDwGbc6nxfEXAy5mbhgajzrw3MOEt8uA5txSKobBpKDeBLOsdJKFq
MGmXCQvEG7YemcxDTRPxAleIAgYYRjTSd/QBwVW9OwNFhekro3RtlinV0a75jfZg
kne/YiktSvLG34lw2zqXBDTC5NHROUqGTlML4PlNZS5Ri2U4aCNx2rUPRcKIlE0P
uKxI4T+HIaFpv8+rdV6eUgOrB2xeI1dSFFn/nnv5OoZJEIB+VmuKn3DCUcCZSFlQ
PSXSfBDiUGhwOw76WuSSsf1D4b/vLoJ10wIDAQAB
-----END RSA PUBLIC KEY-----"""
RFC_VECTORS = {
    "B.2.5 hmac-sha256": (
        load_verification_key(SigningAlgorithm.HMAC_SHA256, secret=b64decode(RFC_SECRET)),
        "https://example.com",
        '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"',
        "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
    ),
    "B.2.6 ed25519": (
        load_verification_key(SigningAlgorithm.ED25519, public_key=RFC_ED25519),
        "https://example.com",
        (
            '("date" "@method" "@path" "@authority" "content-type" "content-length")'
            ';created=1618884473;keyid="test-key-ed25519"'
        ),
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
    ),
    "4.3 rsa-v1_5-sha256": (
        load_verification_key(SigningAlgorithm.RSA_V1_5_SHA256, public_key=RFC_RSA),
        "https://origin.host.internal.example",
        (
            '("@method" "@authority" "@path" "content-digest" "content-type" "content-length" "forwarded")'
            ';created=1618884480;keyid="test-key-rsa";alg="rsa-v1_5-sha256";expires=1618884540'
        ),
        (
            "S6ZzPXSdAMOPjN/6KXfXWNO/f7V6cHm7BXYUh3YD/fRad4BCaRZxP+JH+8XY1I6+8Cy+CM5g92iHgxtRPz+MjniOaYmdkDcnL9cCpXJleXsO"
            "ckpURl49GwiyUpZ10KHgOEe11sx3G2gxI8S0jnxQB+Pu68U9vVcasqOWAEObtNKKZd8tSFu7LB5YAv0RAGhB8tmpv7sFnIm9y+7X5kXQfi8N"
            "MaZaA8i2ZHwpBdg7a6CMfwnnrtflzvZdXAsD3LH2TwevU+/PBPv0B6NMNk93wUs/vfJvye+YuI87HU38lZHowtznbLVdp770I6VHR6WfgS9d"
            "dzirrswsE1w5o0LV/g=="
        ),
    ),
}


@pytest.mark.parametrize("vector", RFC_VECTORS.values(), ids=RFC_VECTORS.keys())
def test_examples_of_the_rfc(vector: tuple[VerificationKey, str, str, str]):
    key, origin, parameters, value = vector
    fields = {
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-length": "18",
        "content-digest": RFC_DIGEST,
        "forwarded": "for=192.0.2.123;host=example.com;proto=https",
    }
    request = arrived("POST", origin, "/foo?param=Value&Pet=dog", BODY, fields.get)
    # The examples carry no nonce, which we require; it is read with one and then taken out again.
    read = parse_signature(f's={parameters};nonce="x"', f"s=:{value}:")
    signature = replace(read, parameters=parameters)
    key.verify(signature.value, build_signature_base(request, signature))
    verify_digest(RFC_DIGEST, BODY)
    with pytest.raises(SignatureRefused):
        key.verify(signature.value, build_signature_base(request, read))


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(KEY_ID, Algorithm.ED25519, Ed25519PrivateKey.generate())


@pytest.fixture(scope="module")
def key(signer: Signer) -> VerificationKey:
    public = signer.private_key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return load_verification_key(SigningAlgorithm.ED25519, public_key=pem)


def arrived(method: str, origin: str, target: str, body: bytes, read_field: Any) -> SignedRequest:
    """A request whose body lies ready."""
    path, _, query = target.partition("?")
    return SignedRequest(method, origin, path, query, bool(body), lambda: body, read_field)


def read(made: Any) -> tuple[SignedRequest, MessageSignature]:
    """What arrives of a request that the package has signed."""
    url, fields = made.url, made.headers
    target = url.raw_path.decode()
    request = arrived(made.method, "https://pay.example", target, made.content, fields.get)
    return request, parse_signature(fields["signature-input"], fields["signature"])


@pytest.mark.parametrize(
    "covered",
    [
        TARGET,
        ("@method", "@path", "@query"),
        ("@query", "@path", "@method", "@authority", "@scheme", "@request-target", "@target-uri"),
        (*TARGET, "idempotency-key"),
    ],
    ids=" ".join,
)
def test_what_may_be_covered(signer: Signer, key: VerificationKey, covered: tuple[str, ...]):
    made = signer.sign(
        "POST", URL, BODY, covered=covered, created=NOW, headers={"Idempotency-Key": "k 1"}
    )
    request, signature = read(made)
    verify_request(request, signature, key, now_s=NOW)
    for change in (
        {"method": "PUT"},
        {"path": "/api/v1/order"},
        {"query": "a=1"},
        {"query": ""},
        {"read_body": lambda: BODY + b" "},
        {"read_body": lambda: b"", "has_body": False},
    ):
        with pytest.raises(SignatureRefused):
            verify_request(replace(request, **change), signature, key, now_s=NOW)


def test_another_place_is_not_this_one(signer: Signer, key: VerificationKey):
    request, signature = read(signer.sign("GET", URL, created=NOW))
    verify_request(request, signature, key, now_s=NOW)
    for origin in ("http://pay.example", "https://test.pay.example", "https://pay.example:8443"):
        with pytest.raises(SignatureRefused):
            verify_request(replace(request, origin=origin), signature, key, now_s=NOW)


@pytest.mark.parametrize(
    "covered",
    [
        (),
        ("@target-uri",),
        ("@method",),
        ("@method", "@path"),
        ("@method", "@query"),
        ("@method", "@authority", "@request-target"),
        (*TARGET, "@status"),
        (*TARGET, '"@query-param";name="a"'),
        (*TARGET, '"content-type";sf'),
        (*TARGET, "x-absent"),
        (*TARGET, "x_absent"),
        (*TARGET, "signature"),
        (*TARGET, "Content-Type"),
    ],
    ids=str,
)
def test_what_must_be_covered_and_what_is_unknown(key: VerificationKey, covered: tuple[str, ...]):
    names = " ".join(name if name.startswith('"') else f'"{name}"' for name in covered)
    request = arrived("GET", "https://pay.example", "/api/v1/orders?a=1", b"", {}.get)
    text = f's=({names});created={NOW};nonce="n";keyid="{KEY_ID}"'
    with pytest.raises(SignatureRefused, match=r"covered|unknown|well-formed"):
        verify_request(request, parse_signature(text, GOOD_VALUE), key, now_s=NOW)


def test_a_body_must_be_covered(signer: Signer, key: VerificationKey):
    request, signature = read(signer.sign("POST", URL, created=NOW))
    verify_request(request, signature, key, now_s=NOW)
    with pytest.raises(SignatureRefused, match="body is not covered"):
        verify_request(replace(request, has_body=True), signature, key, now_s=NOW)


def test_no_body_is_read_for_a_stranger(signer: Signer, key: VerificationKey):
    request, signature = read(signer.sign("POST", URL, BODY, created=NOW))
    shut = replace(request, method="PUT", read_body=lambda: pytest.fail("the body was read"))
    with pytest.raises(SignatureRefused, match="wrong signature"):
        verify_request(shut, signature, key, now_s=NOW)


@pytest.mark.parametrize(
    ("offset", "fine"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)]
)
def test_the_clock_may_be_wrong_by_five_minutes(offset: int, fine: bool):
    signature = MessageSignature((), "", NOW + offset, None, "n", KEY_ID, None, b"")
    if fine:
        check_times(signature, now_s=NOW)
    else:
        with pytest.raises(SignatureRefused):
            check_times(signature, now_s=NOW)


@pytest.mark.parametrize(
    ("expires", "fine"), [(NOW - 11, False), (NOW - 1, False), (NOW, True), (NOW + 9_999, True)]
)
def test_expires_is_honoured_and_never_widens_the_window(expires: int, fine: bool):
    signature = MessageSignature((), "", NOW - 10, expires, "n", KEY_ID, None, b"")
    if fine:
        check_times(signature, now_s=NOW)
    else:
        with pytest.raises(SignatureRefused):
            check_times(signature, now_s=NOW)
    with pytest.raises(SignatureRefused):
        check_times(signature, now_s=NOW - 10 + WINDOW_S + 1)


@pytest.mark.parametrize("said", ["hmac-sha256", "rsa-v1_5-sha256", "ED25519", "none", ""])
def test_the_key_decides_the_algorithm(signer: Signer, key: VerificationKey, said: str):
    request, signature = read(signer.sign("GET", URL, created=NOW, include_alg=False))
    verify_request(request, signature, key, now_s=NOW)
    with pytest.raises(SignatureRefused, match="alg"):
        verify_request(request, replace(signature, algorithm=said), key, now_s=NOW)


def test_a_public_key_is_never_taken_for_an_hmac_secret(signer: Signer, key: VerificationKey):
    raw = signer.private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    forger = Signer(KEY_ID, Algorithm.HMAC_SHA256, raw)
    for include in (True, False):
        request, signature = read(forger.sign("GET", URL, created=NOW, include_alg=include))
        with pytest.raises(SignatureRefused):
            verify_request(request, signature, key, now_s=NOW)


GOOD_INPUT = f's=("@method" "@target-uri");created={NOW};nonce="n";keyid="{KEY_ID}"'
GOOD_VALUE = "s=:" + b64encode(bytes(64)).decode() + ":"


def test_the_form_that_is_read():
    read_one = parse_signature(GOOD_INPUT, GOOD_VALUE)
    assert read_one.components == TARGET
    assert (read_one.created, read_one.nonce, read_one.key_id) == (NOW, "n", KEY_ID)
    assert parse_signature(GOOD_INPUT + ';tag="a \\" b"', GOOD_VALUE).expires is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "s=",
        "s=()",
        GOOD_INPUT.replace(";", "; "),
        GOOD_INPUT.replace('" "', '"  "'),
        GOOD_INPUT.replace("(", "( "),
        GOOD_INPUT.replace(f"created={NOW}", f'created="{NOW}"'),
        GOOD_INPUT.replace(f"created={NOW}", f"created={NOW}.0"),
        GOOD_INPUT.replace(f"created={NOW}", "created=00"),
        GOOD_INPUT.replace(f"created={NOW}", "created"),
        GOOD_INPUT.replace(f"created={NOW}", f"created={'9' * 16}"),
        GOOD_INPUT.replace(f";created={NOW}", ""),
        GOOD_INPUT.replace(';nonce="n"', ""),
        GOOD_INPUT.replace(';nonce="n"', ';nonce=""'),
        GOOD_INPUT.replace(';nonce="n"', ";nonce=7"),
        GOOD_INPUT.replace(';nonce="n"', ";nonce=:bg==:"),
        GOOD_INPUT.replace('"n"', f'"{"n" * 257}"'),
        GOOD_INPUT.replace('"n"', '"n\\x"'),
        GOOD_INPUT.replace('"n"', '"n\x00"'),
        GOOD_INPUT.replace('"n"', '"é"'),
        GOOD_INPUT.replace(f';keyid="{KEY_ID}"', ""),
        GOOD_INPUT + ';nonce="m"',
        GOOD_INPUT + f";created={NOW}",
        GOOD_INPUT + ";expires=?1",
        GOOD_INPUT + ';expires="1"',
        GOOD_INPUT + ";unknown=1",
        GOOD_INPUT + ";alg=ed25519",
        GOOD_INPUT.replace('"@method"', '"@method" "@method"'),
        GOOD_INPUT.replace('"@method"', '"@method";req'),
        GOOD_INPUT.replace('"@method"', "@method"),
        GOOD_INPUT.replace('"@method"', " ".join(f'"h{n}"' for n in range(40))),
        GOOD_INPUT.replace("s=", "S="),
        GOOD_INPUT.replace("s=", "t="),
        GOOD_INPUT + ", " + GOOD_INPUT,
        GOOD_INPUT + ", " + GOOD_INPUT.replace("s=", "t="),
        GOOD_INPUT + ",",
        GOOD_INPUT + "\n",
        GOOD_INPUT + f';tag="{"x" * 2048}"',
    ],
    ids=lambda text: text[:70].encode("ascii", "backslashreplace").decode() or "empty",
)
def test_malformed_inputs_are_refused(text: str):
    with pytest.raises(SignatureRefused):
        parse_signature(text, GOOD_VALUE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s=",
        "s=::x",
        "s=" + b64encode(bytes(64)).decode(),
        GOOD_VALUE.replace("==", ""),
        GOOD_VALUE.replace("A==", "B=="),
        GOOD_VALUE.replace("=:", "= :"),
        GOOD_VALUE.replace("AAAA", "AA-_", 1),
        GOOD_VALUE + ";x=1",
        GOOD_VALUE + ", " + GOOD_VALUE,
        GOOD_VALUE + ", t=:AA==:",
        "s=:" + "AAAA" * 700 + ":",
    ],
    ids=lambda text: text[:30] + text[-12:] or "empty",
)
def test_malformed_signatures_are_refused(text: str):
    with pytest.raises(SignatureRefused):
        parse_signature(GOOD_INPUT, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        RFC_DIGEST.replace("sha-512", "md5"),
        RFC_DIGEST.replace("sha-512", "SHA-512"),
        RFC_DIGEST.replace("sha-512", "sha-256"),
        RFC_DIGEST + ", " + RFC_DIGEST,
        RFC_DIGEST + ", sha-256=:" + b64encode(bytes(32)).decode() + ":",
        RFC_DIGEST.replace("==:", "==:;x"),
        RFC_DIGEST.replace("w==:", "x==:"),
        RFC_DIGEST.replace(":", ""),
        "sha-256=::",
    ],
    ids=lambda text: text[:20] + text[-20:] or "empty",
)
def test_digests_that_prove_nothing_are_refused(text: str):
    verify_digest(RFC_DIGEST + ", unixsum=:AA==:", BODY)
    with pytest.raises(SignatureRefused):
        verify_digest(text, BODY)


def test_no_header_can_add_a_line_to_what_was_signed(signer: Signer, key: VerificationKey):
    made = signer.sign(
        "GET", URL, covered=(*TARGET, "x-note"), created=NOW, headers={"X-Note": "a"}
    )
    request, signature = read(made)
    verify_request(request, signature, key, now_s=NOW)
    for value in ('a\n"@method": GET', "a\x00", "a\x7f", "a\r\n b"):
        bad = replace(request, read_field=lambda name, value=value: value)
        with pytest.raises(SignatureRefused, match="unreadable"):
            build_signature_base(bad, signature)


def test_verifying_is_cheap(signer: Signer, key: VerificationKey):
    """Much of the time is the curve's own: a bound that only a mistake of another order can miss."""
    made = signer.sign("POST", URL, BODY, created=NOW, nonce=secrets.token_hex(8))
    started = time.thread_time()
    for _ in range(100):
        request, signature = read(made)
        verify_request(request, signature, key, now_s=NOW)
    assert (time.thread_time() - started) / 100 < 0.005
