"""``manage.py replay_callback``: take a stored callback through verification and the funnel once more."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from engine.services.callbacks import replay_callback
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Replay. 0 applied (or repeated), 1 no such callback or refused, 2 wrong use or no request of ours."""

    help = "Verify a stored callback again and apply it; a second time has no second effect."

    def add_options(self, parser: ArgumentParser) -> None:
        """Name the callback."""
        parser.add_argument("callback_id", type=int, metavar="CALLBACK_ID")

    def perform(self, options: dict[str, Any]) -> Report:
        """Replay it."""
        done = asdict(replay_callback(callback_id=options["callback_id"]))
        return Report({name: value for name, value in done.items() if name != "refusal"})
