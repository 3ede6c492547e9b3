"""What commands share that propose a journal of money, and with ``--approve`` let another operator post it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, ClassVar

from rich.console import Console

from paymentplatform.console.contracts import ProposalView
from paymentplatform.console.proposals.base import ProposalKind
from paymentplatform.console.services.proposals import (
    NewProposal,
    approve_proposal,
    get_proposal,
    make_proposal,
    preview_proposal,
)
from paymentplatform.kernel.commands import OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.money import format_amount


class ProposalCommand(OperatorCommand):
    """Propose or approve. 0 done (or done before), 1 refused, 2 wrong use.

    Subclasses name their ``kind``, what is ``needed`` to propose (with ``reason``), and make the payload of it.
    """

    kind: ClassVar[ProposalKind]
    needed: ClassVar[tuple[str, ...]]
    writes = "a proposal; approved: a journal"
    again = "the same reference is the same proposal, approved once"

    def build_payload(self, options: dict[str, Any]) -> dict[str, Any]:
        """Return the payload of what the options say."""
        raise NotImplementedError

    def add_options(self, parser: ArgumentParser) -> None:
        """Declare the money, or the proposal to approve, and who is acting."""
        parser.add_argument("--amount", type=int, help="minor units")
        parser.add_argument("--currency", default="CNY")
        parser.add_argument("--reference", help="e.g. the bank's number; used once")
        parser.add_argument("--approve", metavar="PRP_NO", help="approve this proposal")
        parser.add_argument("--hash", help="with --approve: the preview hash that you saw")
        parser.add_argument("--operator", required=True, help="who proposes, or who approves")
        parser.add_argument("--reason", help="why; needed to propose")

    def perform(self, options: dict[str, Any]) -> Report:
        """Propose, approve, or show what would be posted."""
        given = [name for name in self.needed if options[name] is not None]
        if options["approve"] is not None:
            if set(given) - {"reason"}:
                raise InvalidRequest("--approve takes what was proposed: give nothing else.")
            return self._approve(options)
        missing = [name for name in self.needed if name not in given]
        if missing or options["hash"] is not None:
            raise InvalidRequest(f"To propose, give {', '.join(missing) or 'no hash'}.")
        return self._propose(options)

    def _propose(self, options: dict[str, Any]) -> Report:
        new = NewProposal(
            kind=self.kind.name,
            payload=self.build_payload(options),
            operator=options["operator"],
            reason=options["reason"],
        )
        if options["dry_run"]:
            sealed = preview_proposal(new)
            return _report(
                sealed.payload,
                sealed.preview,
                dry_run=True,
                proposal_no=None,
                status=None,
                preview_hash=sealed.preview_hash,
                journal_no=None,
            )
        made = make_proposal(new)
        return _report_proposal(made.proposal, dry_run=False, repeated=made.repeated)

    def _approve(self, options: dict[str, Any]) -> Report:
        shown = get_proposal(proposal_no=options["approve"])
        if shown.kind != self.kind.name:
            raise InvalidRequest(f"{shown.proposal_no} is no {self.kind.name} but {shown.kind}.")
        done = approve_proposal(
            proposal_no=shown.proposal_no,
            operator=options["operator"],
            preview_hash=options["hash"] or shown.preview_hash,
            reason=options["reason"] or shown.reason,
            dry_run=options["dry_run"],
        )
        return _report_proposal(done.proposal, dry_run=options["dry_run"], repeated=done.repeated)


def _report_proposal(proposal: ProposalView, *, dry_run: bool, repeated: bool) -> Report:
    return _report(
        proposal.payload,
        proposal.preview,
        dry_run=dry_run,
        proposal_no=proposal.proposal_no,
        status=proposal.status,
        repeated=repeated,
        preview_hash=proposal.preview_hash,
        maker=proposal.maker,
        checker=proposal.checker,
        expires_at=proposal.expires_at,
        journal_no=proposal.result,
    )


def _report(payload: Mapping[str, Any], preview: Mapping[str, Any], **facts: Any) -> Report:
    document = {**facts, **payload, "postings": preview["journal"]["postings"]}
    return Report(document, show=lambda console: _show(document, console))


def _show(document: dict[str, Any], console: Console) -> None:
    lines = {name: value for name, value in document.items() if name not in {"amount", "postings"}}
    width = max(map(len, lines))
    for name, value in lines.items():
        console.print(f"{name:{width}}  {'–' if value is None else value}", markup=False)
    rows: list[tuple[Any, ...]] = [
        (
            posting["debit"],
            posting["credit"],
            f"{format_amount(posting['amount'], posting['currency'])} {posting['currency']}",
        )
        for posting in document["postings"]
    ]
    console.print(build_table("Debit", "Credit", "Amount", rows=rows))
    if document["status"] == "OPEN":
        console.print("Another person must approve it.")
