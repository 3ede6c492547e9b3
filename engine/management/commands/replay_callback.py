"""``manage.py replay_callback``: take a stored callback through verification and the funnel once more."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from engine.services.callbacks import rehearse_replay, replay_callback
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Replay. 0 applied (or repeated), 1 no such callback or refused, 2 wrong use or no request of ours."""

    help = "Verify a stored callback again and apply it; a second time has no second effect."
    writes = "what the callback moves, once; the note beside it"
    again = "verifies again; no second effect"
    ends_1 = "no such callback or channel, or its signature does not verify"

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the callback."""
        parser.add_argument("callback_id", type=int, metavar="CALLBACK_ID")

    def perform(self, options: dict[str, Any]) -> Report:
        """Replay it."""
        replay = rehearse_replay if options["dry_run"] else replay_callback
        done = asdict(replay(callback_id=options["callback_id"]))
        told = {name: value for name, value in done.items() if name != "refusal"}
        return Report(told | ({"dry_run": True} if options["dry_run"] else {}))
