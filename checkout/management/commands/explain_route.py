"""``manage.py explain_route``: why a payment went where it went, or where one would go now."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

import msgspec
from rich.console import Console

from acquiring.contracts import Method
from checkout.routing import Candidate
from checkout.services.explaining import RouteRecord, list_routes, try_route
from checkout.services.routing import Route
from paymentplatform.kernel.commands import OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import CURRENCY_EXPONENTS, MAX_AMOUNT, format_amount

_WISH = ("merchant", "method", "currency", "amount")


class Command(OperatorCommand):
    """Explain. 0 explained, 1 no such route or merchant, 2 wrong use."""

    help = "Why a payment went to its channel (NUMBER), or where one would go now (--merchant …)."

    writes = ""
    ends_1 = "no such route, payment or merchant"

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the number, or the payment that might be."""
        parser.add_argument("number", nargs="?", metavar="NUMBER", help="ord_… or pay_…")
        parser.add_argument("--merchant", metavar="MERCHANT_NO")
        parser.add_argument("--method", choices=[m for m in Method if m != Method.BALANCE])
        parser.add_argument("--currency", choices=sorted(CURRENCY_EXPONENTS))
        parser.add_argument("--amount", type=int, help="minor units")
        parser.add_argument("--terminal", choices=["WEB", "WAP", "APP"], default="WEB")
        parser.add_argument("--bank", metavar="BANK_CODE")
        parser.add_argument("--wallet", metavar="WALLET_CODE")
        parser.add_argument("--bin", metavar="DIGITS", help="the first digits of the card")

    def perform(self, options: dict[str, Any]) -> Report:
        """Ask and lay it out."""
        given = [name for name in _WISH if options[name] is not None]
        if bool(options["number"]) == bool(given):
            raise InvalidRequest("Give a number, or --merchant, --method, --currency and --amount.")
        if options["number"]:
            return _report_kept(list_routes(number=options["number"]))
        if len(given) < len(_WISH):
            missing = ", ".join(f"--{name}" for name in _WISH if name not in given)
            raise InvalidRequest(f"Also needed: {missing}.")
        if not 1 <= options["amount"] <= MAX_AMOUNT:
            raise InvalidRequest(f"--amount: 1 to {MAX_AMOUNT} minor units.")
        chosen = {"bank_code": options["bank"], "wallet_code": options["wallet"]}
        route = try_route(
            **{f"{name}_no" if name == "merchant" else name: options[name] for name in _WISH},
            terminal=options["terminal"],
            options={name: value for name, value in chosen.items() if value is not None},
            card_bin=options["bin"],
        )
        return _report_tried(route)


def _report_kept(found: Sequence[RouteRecord]) -> Report:
    routes = [
        {
            "payment_no": row.payment_no,
            "order_no": row.order_no,
            "at": row.at,
            "method": row.method,
            "amount": row.amount,
            "currency": row.currency,
            "book_version": row.book_version,
            "rule": row.rule,
            "strategy": row.strategy,
            "candidates": msgspec.to_builtins(row.candidates),
            "facts": msgspec.to_builtins(row.facts),
            "replay_agrees": row.is_confirmed_by_replay(),
        }
        for row in found
    ]

    def show(console: Console) -> None:
        for row in found:
            amount = f"{format_amount(row.amount, row.currency)} {row.currency}"
            title = (
                f"{row.payment_no}: {row.method}, {amount}; rule {row.rule or '(otherwise)'}"
                f" of book v{row.book_version}, {row.strategy}"
            )
            console.print(_table(row.candidates, row.currency, title))

    return Report({"routes": routes}, show)


def _report_tried(route: Route) -> Report:
    choice = route.choice
    document = {
        "book_version": route.book_version,
        "rule": choice.rule,
        "strategy": choice.strategy,
        "candidates": msgspec.to_builtins(choice.candidates),
        "facts": msgspec.to_builtins(route.facts),
    }
    title = (
        f"Now: rule {choice.rule or '(otherwise)'} of book v{route.book_version}, {choice.strategy}"
    )
    currency = route.facts.currency
    return Report(
        document, lambda console: console.print(_table(choice.candidates, currency, title))
    )


def _table(candidates: Sequence[Candidate], currency: str, title: str) -> Any:
    rows: list[tuple[Any, ...]] = [
        (
            row.place or "–",
            row.channel,
            row.reason,
            "–" if row.cost_amount is None else format_amount(row.cost_amount, currency),
            "–" if row.success_ppm is None else f"{row.success_ppm / 10_000:.1f} %",
            "–" if row.weight is None else row.weight,
        )
        for row in candidates
    ]
    return build_table(
        "place", "channel", "reason", "cost", "success", "weight", rows=rows, title=title
    )
