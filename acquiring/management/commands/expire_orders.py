"""``manage.py expire_orders``: close what is past its time, as the clock does; for catching up by hand."""

from __future__ import annotations

from typing import Any

from acquiring.selectors import count_due_orders
from acquiring.services.closing import expire_due_orders
from paymentplatform.kernel.commands import OperatorCommand, Report


class Command(OperatorCommand):
    """Expire. 0 done, 2 wrong use; safe to run again, and beside the workers."""

    writes = "orders past their time: moves, events; what closing a live payment brings out"
    again = "finds nothing due"
    ends_1 = "never"
    help = "Close orders past their time; those with a live payment go through inquiry and close first."

    def perform(self, options: dict[str, Any]) -> Report:
        """Take batches until nothing is due; what the channel cannot answer for comes again by itself."""
        if options["dry_run"]:
            return Report({"dry_run": True, "orders": count_due_orders()})
        taken = 0
        while batch := expire_due_orders():
            taken += batch
        return Report({"orders": taken})
