"""Control by hand and by tests: confirm as the payer would, take a charge back, read the book, set faults.

Unsigned, and therefore for this machine only.
"""

from __future__ import annotations

import ipaddress
import json
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from engine.channels.sandbox import codec
from engine.channels.sandbox.institution.acquirer import Acquirer
from engine.channels.sandbox.institution.book import Book
from engine.channels.sandbox.institution.chargebacks import NotPulledBack, pull_back
from engine.channels.sandbox.institution.faults import DEFAULT_SECONDS, MODES, Faults
from engine.channels.sandbox.institution.pages import render_control
from engine.channels.sandbox.institution.server import Request, Response

_FIELDS: Final = "payment_no, order_no, {amount} AS amount, currency, status"
_PAID: Final = "coalesce(charged_amount, amount)"


class Control:
    """The endpoints under ``/control/``."""

    def __init__(self, *, book: Book, acquirers: dict[str, Acquirer], faults: Faults) -> None:
        self._book = book
        self._acquirers = acquirers
        self._faults = faults

    def answer(self, request: Request) -> Response:
        """Answer one request of this machine's own."""
        names = {name.lower() for name in request.headers}
        if not is_loopback(request.client) or "origin" in names:
            return _json(403, {"error": "only from this machine, and not from a web page"})
        target = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        match (request.method, target.path):
            case ("GET", "/control/book"):
                return _json(200, self._read_book(query))
            case ("GET", "/control/"):
                return render_control(self._book, mode=self._faults.mode)
            case ("POST", "/control/confirm"):
                return self._confirm(_read(request.body))
            case ("POST", "/control/chargeback"):
                return self._pull_back(_read(request.body))
            case ("POST", "/control/faults"):
                return self._set_fault(_read(request.body))
        return _json(404, {"error": "not found"})

    def _confirm(self, document: dict[str, Any]) -> Response:
        decision = document.get("decision", "pay")
        if decision not in ("pay", "confirm", "decline"):
            return _json(400, {"error": "decision is pay or decline"})
        row = self._book.row(
            "SELECT channel, request_no FROM charge WHERE payment_no = ?"
            " ORDER BY status = 'PENDING' DESC, status = 'SUCCEEDED' DESC, created_at DESC",
            str(document.get("payment_no")),
        )
        if row is None:
            return _json(404, {"error": "no such payment here"})
        pay = decision != "decline"
        charge = self._acquirers[row["channel"]].decide(row["request_no"], pay=pay)
        status = charge["status"]
        is_as_wished = status in (("SUCCEEDED", "PENDING") if pay else ("FAILED",))
        return _json(
            200 if is_as_wished else 409, {"payment_no": charge["payment_no"], "status": status}
        )

    def _pull_back(self, document: dict[str, Any]) -> Response:
        amount = document.get("amount")
        if amount is not None and (type(amount) is not int or amount < 1):
            return _json(400, {"error": "amount is minor units, or left out for all"})
        try:
            row = pull_back(self._book, payment_no=str(document.get("payment_no")), amount=amount)
        except NotPulledBack as refusal:
            return _json(refusal.status, {"error": str(refusal)})
        names = ("chargeback_no", "payment_no", "order_no", "amount", "currency")
        return _json(200, {name: row[name] for name in names})

    def _set_fault(self, document: dict[str, Any]) -> Response:
        mode, seconds = document.get("mode"), document.get("seconds", DEFAULT_SECONDS)
        if mode not in MODES or type(seconds) not in (int, float) or not 0 <= seconds <= 86_400:
            return _json(400, {"error": f"mode is one of {', '.join(MODES)}; seconds a number"})
        self._faults.set(mode=mode, seconds=float(seconds))
        return _json(200, {"mode": mode, "seconds": seconds})

    def _read_book(self, query: dict[str, str]) -> dict[str, Any]:
        full = query.pop("full", "") == "1"
        names = [name for name in ("order_no", "payment_no") if name in query]
        where = "".join(f" AND {name} = ?" for name in names)
        values = [query[name] for name in names]
        charge_fields = "*" if full else _FIELDS.format(amount=_PAID)
        refund_fields = "*" if full else _FIELDS.format(amount="amount")
        book = {
            "charges": f"SELECT {charge_fields} FROM charge WHERE 1{where} ORDER BY created_at",  # noqa: S608
            "refunds": f"SELECT {refund_fields} FROM refund WHERE 1{where} ORDER BY created_at",  # noqa: S608
        }
        if full:
            book["chargebacks"] = f"SELECT * FROM chargeback WHERE 1{where} ORDER BY created_at"  # noqa: S608
        return {
            name: [
                {key: row[key] for key in row.keys() if key != "token"}  # noqa: SIM118
                for row in self._book.rows(sql, *values)
            ]
            for name, sql in book.items()
        }


def is_loopback(client: str) -> bool:
    """Tell whether a request came from this machine."""
    address = ipaddress.ip_address(client)
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _read(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _json(status: int, document: dict[str, Any]) -> Response:
    return Response(status, codec.encode(document))
