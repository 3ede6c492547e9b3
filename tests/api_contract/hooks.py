"""What Schemathesis must know to ask for what can be had: addresses that may be used, texts for people, a real payer.

It runs in a process of its own; ``CONTRACT_FILE`` names the JSON file in which the test tells it what exists. Nothing
here hides an answer: a request that the document allows is only made one that also makes sense to this merchant.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import secrets
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies as st

KNOWN: dict[str, Any] = json.loads(Path(os.environ["CONTRACT_FILE"]).read_text())
"""``path``: numbers that exist, by the parameter's name; ``own``: those that one operation has for itself, because it
uses them up; ``options`` of payments by method; ``paid`` orders.
"""

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
_BMP = 0xFFFF
_KEY = "Idempotency-Key"
_ORIGIN = "https://shop.example/"
_RUN = secrets.token_hex(4)
_count = itertools.count(1)
_EVERY = 4
"""One valid request of so many stays as it was made: a number that does not exist, one used before."""


def _visible() -> st.SearchStrategy[str]:
    """Texts of visible characters."""
    characters = st.characters(max_codepoint=_BMP, exclude_categories=_INVISIBLE)
    return st.text(characters, max_size=40)


schemathesis.openapi.format("line", _visible())
schemathesis.openapi.format(
    "uri", st.sampled_from([f"{_ORIGIN}back", f"{_ORIGIN}?a=%C3%A9", f"{_ORIGIN}{'a' * 99}"])
)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """JSON Schema calls 7.0 an integer; the platform takes no number with a fraction, by contract."""
    return _without_fractions(body)


def _without_fractions(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_fractions(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_fractions(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Make valid requests sensible ones; what is meant to be refused stays as it is."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    turn = next(_count)
    name = case.operation.definition.raw.get("operationId")
    if case.meta.phase.name.value != "stateful" and turn % _EVERY:
        known = KNOWN["path"] | KNOWN["own"].get(name, {})
        for parameter in set(case.path_parameters or {}) & set(known):
            numbers = known[parameter]
            case.path_parameters[parameter] = numbers[turn % len(numbers)]
    if name == "get_statement" and turn % _EVERY:
        case.path_parameters["date"] = "2026-01-31"
    if case.query and {"created_from", "created_to"} <= case.query.keys():
        del case.query["created_to"]  # a random pair would be the wrong way round half the time
    if isinstance(case.body, dict) and (suit := _SUIT.get(name)):
        suit(case.body, turn)
    if case.headers and _KEY in case.headers:
        case.headers[_KEY] = _key_of(case, turn)


def _key_of(case: Any, turn: int) -> str:
    """One key for one request: the same key with another body would be refused, and rightly so.

    Where one answer leads to the next request every creation has a key of its own: what another one has made may have
    been deleted since, and an answer that is replayed does not know it.
    """
    if case.meta.phase.name.value == "stateful":
        return f"{_RUN}-{turn}"
    request = json.dumps([case.method, case.formatted_path, case.body], sort_keys=True, default=str)
    return f"{_RUN}-{hashlib.sha256(request.encode()).hexdigest()}"


def _suit_order(body: dict[str, Any], turn: int) -> None:
    """Take a new number, and the way back to an origin that is registered."""
    if turn % _EVERY:
        body["merchant_order_no"] = f"ST-{_RUN}-{turn}"
    for name in ("return_url", "notify_url"):
        if body.get(name) and not body[name].startswith(_ORIGIN):
            body[name] = f"{_ORIGIN}other"


def _suit_refund(body: dict[str, Any], turn: int) -> None:
    """Take a new number; a random pair of the order's numbers would not agree."""
    if turn % _EVERY:
        body["merchant_refund_no"] = f"ST-{_RUN}-{turn}"
        body["order_no"], body["merchant_order_no"] = KNOWN["paid"][turn % len(KNOWN["paid"])], None
    elif bool(body.get("order_no")) is bool(body.get("merchant_order_no")):
        body["order_no"], body["merchant_order_no"] = None, f"NONE-{turn}"


def _suit_payment(body: dict[str, Any], turn: int) -> None:
    """Give the option of the method alone, and of two ways to use the balance the one that any order allows."""
    options = dict(KNOWN["options"].get(body.get("method"), {}))
    if body.get("use_balance") or body.get("balance_amount") is not None:
        body |= {"balance_amount": None, "use_balance": True}
        options |= KNOWN["options"]["BALANCE"]
    body["options"] = options or None


def _suit_agreement(body: dict[str, Any], _turn: int) -> None:
    """One payment takes no more than a day may; the way back leads to an origin that is registered."""
    body["max_per_payment"] = min(body["max_per_payment"], body["max_per_day"])
    if not body["return_url"].startswith(_ORIGIN):
        body["return_url"] = f"{_ORIGIN}other"


_SUIT = {
    "create_payer_agreement": _suit_agreement,
    "create_order": _suit_order,
    "create_refund": _suit_refund,
    "pay_order": _suit_payment,
}
