"""``manage.py rehearse_rules --days N draft.yaml``: what draft rules would have done with what has happened."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from rich.console import Console

from checkout.services.rehearsals import read_draft, rehearse, write_draft
from paymentplatform.kernel.commands import OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import format_amount


class Command(OperatorCommand):
    """Rehearse. 0 rehearsed, whatever it found; 2 a draft that makes no sense."""

    help = (
        "Replay stored risk and routing decisions against a draft; reports changed outcomes, money and expected cost."
        " Writes nothing. --export writes the rules in force as a draft to begin with."
    )

    writes = ""
    ends_1 = "never"

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the draft and the days."""
        parser.add_argument("draft", nargs="?", type=Path, metavar="DRAFT.YAML")
        parser.add_argument("--days", type=int, default=7, help="how far back; 7 unless told")
        parser.add_argument(
            "--enforce", action="store_true", help="take rules in shadow as enforced"
        )
        parser.add_argument(
            "--export", action="store_true", help="write the rules in force instead"
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Rehearse, or write the rules in force."""
        if options["export"]:
            text = write_draft()
            return Report(
                {"draft": text}, show=lambda console: console.print(text, markup=False, end="")
            )
        if options["draft"] is None:
            raise InvalidRequest("Name a draft, or ask for one with --export.")
        try:
            text = options["draft"].read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"The draft cannot be read: {error}") from None
        draft = read_draft(text=text, enforce=options["enforce"])
        found = rehearse(draft=draft, days=options["days"])
        return Report(found, show=lambda console: _show(found, console))


def _show(found: dict[str, Any], console: Console) -> None:
    for part in ("risk", "routing"):
        if part not in found:
            continue
        findings = found[part]
        console.print(
            f"{part}: {findings['decisions']} decisions of {found['days']} days, {findings['changed']} would change",
            markup=False,
        )
        if findings["changes"]:
            console.print(_table_of_changes(findings["changes"]))
            rows = [tuple(example.values()) for example in findings["examples"]]
            console.print(
                build_table("order", "was", "would be", "by", rows=rows, title="The first")
            )
        if part == "risk" and findings["rules"]:
            rules = [tuple(rule.values()) for rule in findings["rules"]]
            console.print(build_table("rule", "mode", "held", rows=rules, title="Rules"))
        for cost in findings.get("costs", []):
            before, after, more = (
                format_amount(amount, cost["currency"])
                for amount in (
                    cost["before_amount"],
                    cost["after_amount"],
                    cost["after_amount"] - cost["before_amount"],
                )
            )
            console.print(
                f"expected cost: {cost['currency']} {before}, would be {after} ({more})",
                markup=False,
            )
        if findings.get("uncosted"):
            console.print(
                f"{findings['uncosted']} payments without a cost in the draft", markup=False
            )


def _table_of_changes(changes: list[dict[str, Any]]) -> Any:
    rows = [
        (
            change["from"],
            change["to"],
            change["decisions"],
            change["orders"],
            f"{change['currency']} {format_amount(change['amount'], change['currency'])}",
        )
        for change in changes
    ]
    return build_table("was", "would be", "decisions", "orders", "money", rows=rows)
