"""``manage.py certify_merchant``: try a merchant's webhook receiver with twelve cases."""

from __future__ import annotations

import dataclasses
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from rich.console import Console

from acquiring.services.certification import (
    MOST_TIMEOUT_S,
    Certificate,
    certify_receiver,
    check_receiver,
    list_cases,
)
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table


class Command(OperatorCommand):
    """Certify. 0 all passed, 1 some failed, 2 wrong use. Changes nothing at the platform."""

    writes = ""
    again = "sends the events again"
    ends_1 = "a case failed"
    help = (
        "Send a merchant's webhook receiver twelve made-up events, correct and forged ones, and report what it makes "
        "of them."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        """Say whose receiver, and where it is."""
        parser.add_argument("--merchant", required=True, metavar="NO", help="whose receiver it is")
        parser.add_argument(
            "--url", metavar="URL", help="signed with the secrets that sign for notify_url"
        )
        parser.add_argument(
            "--endpoint", metavar="ID", help="a webhook endpoint, signed with its own"
        )
        parser.add_argument(
            "--timeout",
            type=float,
            default=MOST_TIMEOUT_S,
            metavar="S",
            help="seconds that an answer may take (15 at most, and unless given)",
        )

    def perform(self, options: dict[str, Any]) -> Report:
        """Try all cases; with --dry-run only say where they would go."""
        if options["dry_run"]:
            url, endpoint_id = check_receiver(
                merchant_no=options["merchant"],
                url=options["url"],
                endpoint_id=options["endpoint"],
                timeout_s=options["timeout"],
            )
            cases = [{"name": name, "expected": expected} for name, expected in list_cases()]
            told = {"merchant_no": options["merchant"], "url": url, "endpoint_id": endpoint_id}
            return Report(told | {"passed": None, "cases": cases, "dry_run": True})
        certificate = certify_receiver(
            merchant_no=options["merchant"],
            url=options["url"],
            endpoint_id=options["endpoint"],
            timeout_s=options["timeout"],
        )
        return Report(
            {
                "merchant_no": certificate.merchant_no,
                "url": certificate.url,
                "endpoint_id": certificate.endpoint_id,
                "passed": certificate.passed,
                "cases": [dataclasses.asdict(case) for case in certificate.cases],
            },
            show=_show(certificate),
            code=FINE if certificate.passed else FAILED,
        )


def _show(certificate: Certificate) -> Callable[[Console], None]:
    def show(console: Console) -> None:
        rows = [
            (
                "passed" if case.passed else "FAILED",
                case.name,
                case.expected,
                case.came,
                case.duration_ms,
            )
            for case in certificate.cases
        ]
        console.print(
            build_table(
                "",
                "case",
                "expected",
                "came",
                "ms",
                rows=rows,
                title="Receiver " + certificate.url.replace("[", r"\["),
            )
        )
        failed = [case for case in certificate.cases if not case.passed]
        for case in failed:
            console.print(f"{case.name}: {case.mend}", markup=False)
        console.print(f"{len(certificate.cases) - len(failed)} passed, {len(failed)} failed.")

    return show
