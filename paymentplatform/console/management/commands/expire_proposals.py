"""``manage.py expire_proposals``: end proposals that nobody decided in time, as the clock does."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from paymentplatform.console.services.proposals import count_due_proposals, expire_due_proposals
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Expire. Exit 0; run again, it finds nothing."""

    help = "End open proposals past their time; nothing of them is executed."
    writes = "proposals past their time"
    again = "finds nothing due"
    ends_1 = "never"

    def perform(self, options: dict[str, Any]) -> Report:
        """Sweep until nothing is due."""
        if options["dry_run"]:
            return Report({"dry_run": True, "proposals": count_due_proposals()})
        total = 0
        while ended := expire_due_proposals(limit=settings.SWEEP_BATCH):
            total += ended
        return Report({"proposals": total})
