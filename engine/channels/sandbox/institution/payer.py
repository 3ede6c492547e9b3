"""The payer's side: pages opened by an unguessable token, and the forms on them (plain POST, no script)."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from engine.channels.sandbox.institution.acquirer import Acquirer
from engine.channels.sandbox.institution.book import Book, Row
from engine.channels.sandbox.institution.pages import render_missing, render_payer_page
from engine.channels.sandbox.institution.scenarios import TEST_CARDS
from engine.channels.sandbox.institution.server import Request, Response
from engine.channels.sandbox.institution.words import choose_language

PAGES: Final = ("phone", "wallet", "bank", "card", "3ds")


class PayerDesk:
    """The pages ``/phone/{token}``, ``/wallet/…``, ``/bank/…``, ``/card/…`` and ``/3ds/…``."""

    def __init__(self, *, book: Book, acquirers: dict[str, Acquirer], base_url: str) -> None:
        self._book = book
        self._acquirers = acquirers
        self._base_url = base_url

    def answer(self, request: Request) -> Response:
        """Show a page, or carry out what its form says and send the browser on."""
        target = urlsplit(request.path)
        query = _first_values(target.query)
        accepted = next(
            (text for name, text in request.headers.items() if name.lower() == "accept-language"),
            "",
        )
        language = choose_language(accepted, query.get("lang", ""))
        token = target.path.split("/")[2] if target.path.count("/") == 2 else ""
        charge = self._book.row("SELECT * FROM charge WHERE token = ? AND page != ''", token)
        if charge is None:
            return render_missing(language=language)
        if request.method != "POST":
            return self._show(charge, language, step=query.get("step", ""))
        form = _first_values(request.body.decode("utf-8", "replace"))
        return self._submit(charge, form, language)

    def _show(self, charge: Row, language: str, *, step: str = "", error: str = "") -> Response:
        return render_payer_page(
            charge, language=language, step=step, error=error, base_url=self._base_url
        )

    def _submit(self, charge: Row, form: dict[str, str], language: str) -> Response:
        acquirer = self._acquirers[charge["channel"]]
        decision = form.get("decision")
        here = f"/{charge['page']}/{charge['token']}?lang={language}"
        if decision == "decline":
            charge = acquirer.decide(charge["request_no"], pay=False)
        elif decision == "login":
            return _see_other(f"{here}&step=confirm")
        elif decision != "pay":
            return self._show(charge, language)
        elif charge["page"] == "card":
            digits = "".join(digit for digit in form.get("number", "") if digit.isdecimal())
            if digits not in TEST_CARDS:
                return self._show(charge, language, error="card_bad")
            charge = acquirer.take_card(
                charge["request_no"], last_digits=digits[-4:], scenario=TEST_CARDS[digits]
            )
            if charge["page"] == "3ds" and charge["status"] == "PENDING":
                return _see_other(f"/3ds/{charge['token']}?lang={language}")
        else:
            charge = acquirer.decide(charge["request_no"], pay=True)
        if charge["method"] != "QR_CODE" and charge["return_url"]:
            return _see_other(charge["return_url"])
        return _see_other(f"{here}&step=approved")


def _first_values(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}


def _see_other(url: str) -> Response:
    safe = url.replace("\r", "").replace("\n", "")
    return Response(303, b"", content_type="text/plain", headers={"Location": safe})
