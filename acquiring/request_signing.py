"""HTTP Message Signatures (RFC 9421) over Content-Digest (RFC 9530), as the merchant API takes them. Pure.

A strict subset: one signature, its parameters in the form every serializer writes, components without parameters.
Whatever is outside it is refused, so a message has one reading. Each refusal is a SignatureRefused whose text is for
tests and logs; callers must not tell the sender which it was.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

WINDOW_S: Final = 300
"""How far ``created`` may lie from our clock, on either side, this number included."""

MAX_HEADER_CHARACTERS: Final = 2048
MAX_NONCE_CHARACTERS: Final = 256
_MAX_COMPONENTS: Final = 32

_KEY: Final = r"[a-z*][a-z0-9_\-.*]{0,63}"
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_INTEGER: Final = r"(?:0|-?[1-9][0-9]{0,14})"
_INPUT: Final = re.compile(
    rf'(?P<label>{_KEY})=(?P<value>\((?P<components>(?:"[^"\\ ]+"(?: "[^"\\ ]+")*)?)\)'
    rf"(?P<parameters>(?:;{_KEY}=(?:{_STRING}|{_INTEGER}))*))"
)
_PARAMETER: Final = re.compile(rf";({_KEY})=(?:({_STRING})|({_INTEGER}))")
_SIGNATURE: Final = re.compile(rf"(?P<label>{_KEY})=:(?P<value>[A-Za-z0-9+/]*={{0,2}}):")
_DIGEST: Final = re.compile(rf"({_KEY})=:([A-Za-z0-9+/]*={{0,2}}):")
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")
_FIELD_NAME: Final = re.compile(r"[a-z0-9\-]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_TEXT_PARAMETERS: Final = frozenset({"nonce", "keyid", "alg", "tag"})
_TIME_PARAMETERS: Final = frozenset({"created", "expires"})
_HASHES: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}

_PADDING: Final = PKCS1v15()
_SHA256: Final = SHA256()


class SignatureRefused(Exception):
    """The message is not proved. The text says why, for us alone."""


class SigningAlgorithm(StrEnum):
    """Names of the HTTP Signature Algorithms registry that a merchant's key can have."""

    ED25519 = "ed25519"
    RSA_V1_5_SHA256 = "rsa-v1_5-sha256"
    HMAC_SHA256 = "hmac-sha256"


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """What proves a key's owner; ``verify`` takes (signature, signed bytes) and raises SignatureRefused."""

    algorithm: SigningAlgorithm
    verify: Callable[[bytes, bytes], None]


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as its sender named it: ``origin`` is where the platform is published, never what a Host header says.

    ``path`` is percent-encoded, ``query`` is without its question mark, ``read_field`` returns a header by its
    lower-case name, or None. ``read_body`` is not called before the signature is proved.
    """

    method: str
    origin: str
    path: str
    query: str
    has_body: bool
    read_body: Callable[[], bytes]
    read_field: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """One parsed signature. ``parameters`` is the exact text that the last line of the base repeats."""

    components: tuple[str, ...]
    parameters: str
    created: int
    expires: int | None
    nonce: str
    key_id: str
    algorithm: str | None
    value: bytes


def parse_signature(signature_input: str, signature: str) -> MessageSignature:
    """Read the two headers. Raises SignatureRefused unless both hold the same one label, well formed."""
    if max(len(signature_input), len(signature)) > MAX_HEADER_CHARACTERS:
        raise SignatureRefused("oversized header")
    described, signed = (
        _INPUT.fullmatch(signature_input.strip(" \t")),
        _SIGNATURE.fullmatch(signature.strip(" \t")),
    )
    if described is None or signed is None or described["label"] != signed["label"]:
        raise SignatureRefused("not one well-formed signature")
    names = tuple(described["components"].replace('"', "").split())
    if len(names) > _MAX_COMPONENTS or len(set(names)) != len(names):
        raise SignatureRefused("components repeat or are too many")
    texts, times = _read_parameters(described["parameters"])
    if not texts.keys() >= {"nonce", "keyid"} or "created" not in times:
        raise SignatureRefused("created, nonce and keyid are required")
    if not 0 < len(texts["nonce"]) <= MAX_NONCE_CHARACTERS:
        raise SignatureRefused("nonce of an impossible length")
    return MessageSignature(
        components=names,
        parameters=described["value"],
        created=times["created"],
        expires=times.get("expires"),
        nonce=texts["nonce"],
        key_id=texts["keyid"],
        algorithm=texts.get("alg"),
        value=_decode_base64(signed["value"]),
    )


def _read_parameters(text: str) -> tuple[dict[str, str], dict[str, int]]:
    texts: dict[str, str] = {}
    times: dict[str, int] = {}
    for name, quoted, number in _PARAMETER.findall(text):
        if name in texts or name in times:
            raise SignatureRefused("a parameter repeats")
        if quoted and name in _TEXT_PARAMETERS:
            texts[name] = re.sub(r"\\(.)", r"\1", quoted[1:-1])
        elif number and name in _TIME_PARAMETERS:
            times[name] = int(number)
        else:
            raise SignatureRefused("unknown parameter, or of the wrong type")
    return texts, times


def verify_request(
    request: SignedRequest, signature: MessageSignature, key: VerificationKey, *, now_s: int
) -> None:
    """Prove that the key's owner sent exactly this request, now. Raises SignatureRefused.

    ``now_s`` is our clock in seconds since 1970. What it cannot know is whether the nonce was used before.
    """
    check_times(signature, now_s=now_s)
    check_coverage(signature, has_body=request.has_body)
    if signature.algorithm not in {None, key.algorithm.value}:
        raise SignatureRefused("alg is not the key's")
    key.verify(signature.value, build_signature_base(request, signature))
    if "content-digest" in signature.components:
        verify_digest(request.read_field("content-digest") or "", request.read_body())


def check_times(signature: MessageSignature, *, now_s: int) -> None:
    """Refuse a signature from another time than ours, or past the moment it names itself."""
    if abs(now_s - signature.created) > WINDOW_S:
        raise SignatureRefused("created too far from our clock")
    if signature.expires is not None and not (
        signature.created <= signature.expires and now_s <= signature.expires
    ):
        raise SignatureRefused("expired")


def check_coverage(signature: MessageSignature, *, has_body: bool) -> None:
    """Refuse a signature that leaves open what is asked for: method, whole address, body."""
    covered = signature.components
    if "@method" not in covered:
        raise SignatureRefused("@method is not covered")
    if "@target-uri" not in covered and not {"@path", "@query"} <= set(covered):
        raise SignatureRefused("the target is not covered")
    if has_body and "content-digest" not in covered:
        raise SignatureRefused("the body is not covered")


def build_signature_base(request: SignedRequest, signature: MessageSignature) -> bytes:
    """Return the bytes that were signed (RFC 9421, 2.5). Raises SignatureRefused for a component we do not know."""
    lines = [f'"{name}": {_read_component(name, request)}' for name in signature.components]
    lines.append(f'"@signature-params": {signature.parameters}')
    try:
        return "\n".join(lines).encode("latin-1")
    except UnicodeEncodeError:
        raise SignatureRefused("not a header's characters") from None


def _read_component(name: str, request: SignedRequest) -> str:
    if name.startswith("@"):
        derive = _DERIVED.get(name)
        if derive is None:
            raise SignatureRefused("unknown derived component")
        return derive(request)
    if _FIELD_NAME.fullmatch(name) is None or name in {"signature", "signature-input"}:
        raise SignatureRefused("not a header that can be covered")
    value = request.read_field(name)
    if value is None or _CONTROL.search(value):
        raise SignatureRefused("a covered header is missing or unreadable")
    return value.strip(" \t")


def _target(request: SignedRequest) -> str:
    return f"{request.path}?{request.query}" if request.query else request.path


_DERIVED: Final[dict[str, Callable[[SignedRequest], str]]] = {
    "@method": lambda request: request.method,
    "@target-uri": lambda request: request.origin + _target(request),
    "@authority": lambda request: request.origin.partition("://")[2],
    "@scheme": lambda request: request.origin.partition("://")[0],
    "@request-target": _target,
    "@path": lambda request: request.path,
    "@query": lambda request: f"?{request.query}",
}


def verify_digest(content_digest: str, body: bytes) -> None:
    """Compare the body with every sha-256 and sha-512 in the header; at least one must be there."""
    if len(content_digest) > MAX_HEADER_CHARACTERS:
        raise SignatureRefused("oversized header")
    seen: set[str] = set()
    for member in _COMMA.split(content_digest.strip(" \t")):
        match = _DIGEST.fullmatch(member)
        if match is None or match[1] in seen:
            raise SignatureRefused("not a well-formed digest")
        seen.add(match[1])
        calculate = _HASHES.get(match[1])
        if calculate is not None and not hmac.compare_digest(
            calculate(body).digest(), _decode_base64(match[2])
        ):
            raise SignatureRefused("the body is another one")
    if seen.isdisjoint(_HASHES):
        raise SignatureRefused("no digest that proves anything")


def load_verification_key(
    algorithm: SigningAlgorithm, *, public_key: str | None = None, secret: bytes | None = None
) -> VerificationKey:
    """Make a key ready: ``public_key`` is PEM, ``secret`` the HMAC's bytes."""
    if algorithm is SigningAlgorithm.HMAC_SHA256:
        assert secret is not None
        return VerificationKey(algorithm, _hmac_verifier(secret))
    assert public_key is not None
    key = load_pem_public_key(public_key.encode())
    if algorithm is SigningAlgorithm.ED25519:
        assert isinstance(key, Ed25519PublicKey)
        return VerificationKey(algorithm, _naming_refusal(key.verify))
    assert isinstance(key, RSAPublicKey)
    verify = key.verify
    return VerificationKey(
        algorithm, _naming_refusal(lambda value, base: verify(value, base, _PADDING, _SHA256))
    )


def _hmac_verifier(secret: bytes) -> Callable[[bytes, bytes], None]:
    def verify(value: bytes, base: bytes) -> None:
        if not hmac.compare_digest(hmac.digest(secret, base, "sha256"), value):
            raise SignatureRefused("wrong signature")

    return verify


def _naming_refusal(check: Callable[[bytes, bytes], None]) -> Callable[[bytes, bytes], None]:
    def verify(value: bytes, base: bytes) -> None:
        try:
            check(value, base)
        except InvalidSignature:
            raise SignatureRefused("wrong signature") from None

    return verify


def _decode_base64(text: str) -> bytes:
    """Decode, refusing every second spelling of the same bytes."""
    try:
        value = b64decode(text, validate=True)
    except NotBase64:
        raise SignatureRefused("not base64") from None
    if b64encode(value).decode() != text:
        raise SignatureRefused("not canonical base64")
    return value
