"""The payer's side: pages opened by an unguessable token, and the forms on them (plain POST, no script)."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qs, urlsplit

from engine.channels.sandbox.institution.acquirer import Acquirer
from engine.channels.sandbox.institution.book import Book, Row
from engine.channels.sandbox.institution.pages import render_missing, render_payer_page
from engine.channels.sandbox.institution.scenarios import TEST_CARDS
from engine.channels.sandbox.institution.server import Request, Response
from engine.channels.sandbox.institution.words import BANKS, choose_language

PAGES: Final = ("phone", "wallet", "banks", "bank", "card", "3ds")


class PayerDesk:
    """The pages ``/phone/{token}``, ``/wallet/…``, ``/banks/…``, ``/bank/…``, ``/card/…`` and ``/3ds/…``.

    A card page in a frame of the cashier ends inside it, with a link that leads the whole window back; as a full
    page it leads back by itself. The browser says which of the two it is. A charge has one page at a time: a form of an
    earlier one (pressed twice, or left open) decides nothing and leads to the present one.
    """

    def __init__(self, *, book: Book, acquirers: dict[str, Acquirer], base_url: str) -> None:
        self._book = book
        self._acquirers = acquirers
        self._base_url = base_url

    def answer(self, request: Request) -> Response:
        """Show a page, or carry out what its form says and send the browser on."""
        target = urlsplit(request.path)
        query = _first_values(target.query)
        headers = {name.lower(): text for name, text in request.headers.items()}
        language = choose_language(headers.get("accept-language", ""), query.get("lang", ""))
        token = target.path.split("/")[2] if target.path.count("/") == 2 else ""
        charge = self._book.row("SELECT * FROM charge WHERE token = ? AND page != ''", token)
        if charge is None:
            return render_missing(language=language)
        page = charge["page"]
        if charge["status"] == "PENDING" and not target.path.startswith(f"/{page}/"):
            return _see_other(f"/{page}/{token}?lang={language}")
        if request.method != "POST":
            return self._show(charge, language, step=query.get("step", ""))
        form = _first_values(request.body.decode("utf-8", "replace"))
        is_framed = headers.get("sec-fetch-dest") == "iframe"
        return self._submit(charge, form, language, is_framed=is_framed)

    def _show(self, charge: Row, language: str, *, step: str = "", error: str = "") -> Response:
        return render_payer_page(
            charge, language=language, step=step, error=error, base_url=self._base_url
        )

    def _submit(
        self, charge: Row, form: dict[str, str], language: str, *, is_framed: bool
    ) -> Response:
        acquirer = self._acquirers[charge["channel"]]
        decision = form.get("decision")
        lacks_code = charge["page"] == "3ds" and not form.get("one_time_code", "").strip()
        here = f"/{charge['page']}/{charge['token']}?lang={language}"
        if decision == "pay" and form.get("scenario"):
            acquirer.choose_by_hand(charge["request_no"], scenario=form["scenario"])
        if form.get("bank") in BANKS and charge["page"] == "banks":
            acquirer.choose_bank(charge["request_no"], bank=form["bank"])
            return _see_other(f"/bank/{charge['token']}?lang={language}")
        if decision == "decline":
            charge = acquirer.decide(charge["request_no"], pay=False)
        elif decision == "login":
            return _see_other(f"{here}&step=confirm")
        elif decision != "pay" or lacks_code:
            return self._show(charge, language)
        elif charge["page"] == "card":
            digits = "".join(digit for digit in form.get("number", "") if digit.isdecimal())
            if digits not in TEST_CARDS:
                return self._show(charge, language, error="card_bad")
            charge = acquirer.take_card(
                charge["request_no"],
                last4=digits[-4:],
                scenario=TEST_CARDS[digits],
                save=form.get("save") == "yes",
            )
            if charge["page"] == "3ds" and charge["status"] == "PENDING":
                return _see_other(f"/3ds/{charge['token']}?lang={language}")
        else:
            charge = acquirer.decide(charge["request_no"], pay=True)
        if charge["method"] != "QR_CODE" and charge["return_url"] and not is_framed:
            return _see_other(charge["return_url"])
        return _see_other(f"{here}&step=approved")


def _first_values(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text).items()}


def _see_other(url: str) -> Response:
    safe = url.replace("\r", "").replace("\n", "")
    return Response(303, b"", content_type="text/plain", headers={"Location": safe})
