"""The dossier 订单档案: an order's whole life in time order, on one page and as one signed document.

The signature is Ed25519 under a key derived from SECRET_KEY, over the document's canonical JSON (sorted keys, no
blanks, UTF-8). ``manage.py verify_dossier`` tells whether a file is what this platform signed, also after SECRET_KEY
was rotated into SECRET_KEY_FALLBACKS.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings

from acquiring import api as acquiring
from paymentplatform.console.action_words import title_action
from paymentplatform.console.models import AuditLog, Proposal, Transition
from paymentplatform.console.proposals.table import KINDS
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.dossier import Entry, dossier_sources, entries_of, entries_of_moves
from paymentplatform.kernel.errors import Conflict, NotFound
from paymentplatform.kernel.history import read_move
from paymentplatform.kernel.redaction import redact_value

FORMAT: Final = "payment-platform-dossier/2"


@dataclass(frozen=True, slots=True)
class Dossier:
    """An order's life, oldest first, secrets blotted out."""

    order_no: str
    made_at: datetime
    entries: tuple[Entry, ...]


def build_dossier(*, number: str) -> Dossier:
    """Gather the dossier of the order behind a number of any kind, in the language that is active. Raises NotFound."""
    order_no = acquiring.find_order_no(number=number)
    entries = [entry for source in dossier_sources() for entry in source(order_no or "")]
    if order_no is None or not entries:
        raise NotFound(f"There is no order behind {number}.")
    entries += _tell_operators(order_no, entries)
    told = _tell_first_states(sorted(entries, key=lambda entry: entry.at))
    shown = [
        Entry(entry.at, entry.kind, entry.number, entry.says, redact_value(_plain(entry.data)))
        for entry in told
    ]
    return Dossier(order_no, database_now(), tuple(shown))


def sign_dossier(dossier: Dossier) -> dict[str, Any]:
    """Return the document with its signature, ready for JSON."""
    document = {
        "format": FORMAT,
        "order_no": dossier.order_no,
        "made_at": dossier.made_at.isoformat(),
        "platform": settings.BASE_URL,
        "entries": [
            {
                "at": entry.at.isoformat(),
                "kind": entry.kind,
                "number": entry.number,
                "says": entry.says,
                "data": entry.data,
            }
            for entry in dossier.entries
        ],
    }
    key = _derive_key(settings.SECRET_KEY)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = {
        "algorithm": "Ed25519",
        "over": "the canonical JSON of `dossier`: sorted keys, no blanks, UTF-8",
        "public_key": base64.b64encode(public).decode(),
        "value": base64.b64encode(key.sign(canonicalize(document))).decode(),
    }
    return {"dossier": document, "signature": signature}


class NoDossier(Conflict):
    """The document is not one that this platform has signed, or it was changed since."""

    code = "no_dossier"
    title = "This is not a dossier of this platform"


def verify_dossier(signed: Any) -> str:
    """Return the order's number of a document that this platform signed. Raises NoDossier for any other."""
    try:
        document, signature = signed["dossier"], signed["signature"]
        value = base64.b64decode(signature["value"], validate=True)
        order_no = str(document["order_no"])
    except (KeyError, TypeError, ValueError):
        raise NoDossier("This is no dossier.") from None
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            _derive_key(secret).public_key().verify(value, canonicalize(document))
        except InvalidSignature:
            continue
        return order_no
    raise NoDossier("The signature is not this platform's, or the document was changed.")


def canonicalize(document: Any) -> bytes:
    """Write JSON in the one form that is signed."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def fingerprint(signed: Mapping[str, Any]) -> str:
    """Return what the audit log keeps of a document that has left the house."""
    return hashlib.sha256(canonicalize(signed["dossier"])).hexdigest()


def _derive_key(secret: str) -> Ed25519PrivateKey:
    seed = HKDF(SHA256(), 32, salt=None, info=b"dossier signing").derive(secret.encode())
    return Ed25519PrivateKey.from_private_bytes(seed)


def _tell_first_states(entries: list[Entry]) -> list[Entry]:
    """Let each thing stand in the dossier as it began; what became of it is told by its moves.

    A row is read when the dossier is made: what it holds by then goes below ``as_it_stands_now``. What has a status
    and no move still is as it began: every source tells the moves of what it tells.
    """
    first: dict[str, str] = {}
    for entry in entries:
        if entry.kind == "move":
            began = entry.data["from_status"] or entry.data["to_status"]
            first.setdefault(entry.number, began)
    return [
        _tell_first_state(entry, first.get(entry.number, entry.data["status"]))
        if "status" in entry.data
        else entry
        for entry in entries
    ]


def _tell_first_state(entry: Entry, status: str) -> Entry:
    says = ", ".join(filter(None, (status, entry.says)))
    return replace(entry, says=says, data={"status": status, "as_it_stands_now": entry.data})


def _tell_operators(order_no: str, entries: Iterable[Entry]) -> list[Entry]:
    """Tell what operators proposed and did about the order and about everything that belongs to it."""
    numbers = {order_no, *(entry.number for entry in entries if "_" in entry.number)}
    proposals = list(Proposal.objects.filter(subject_no__in=numbers).order_by("proposal_no"))
    numbers |= {proposal.proposal_no for proposal in proposals}
    moves = Transition.objects.filter(object_no__in=[row.proposal_no for row in proposals])
    moves = moves.order_by("id")
    lines = AuditLog.objects.filter(object_no__in=numbers).order_by("id")
    return [
        *entries_of(
            "proposal",
            proposals,
            number="proposal_no",
            at="created_at",
            says=lambda row: f"{_title_kind(row.kind)}, {row.maker}: {row.reason}",
        ),
        *entries_of_moves(map(read_move, moves)),
        *entries_of(
            "operator",
            lines,
            number="object_no",
            at="at",
            says=lambda row: f"{row.operator}: {title_action(row.action)}: {row.reason}",
        ),
    ]


def _title_kind(kind: str) -> str:
    return str(KINDS[kind].title) if kind in KINDS else kind


def _plain(value: Any) -> Any:
    """Make what JSON can hold; whatever it cannot is written as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
