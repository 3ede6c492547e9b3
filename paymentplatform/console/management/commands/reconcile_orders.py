"""``manage.py reconcile_orders``: orders beside payments, journals and events, both ways. Repairs nothing."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from rich.console import Console

from paymentplatform.console.selectors import (
    OrderDifference,
    check_order_exists,
    find_order_differences,
)
from paymentplatform.kernel.commands import FAILED, FINE, OperatorCommand, Report, build_table
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.numbers import ORDER, is_number


class Command(OperatorCommand):
    """Compare. 0 everything agrees, 1 differences or no such order, 2 wrong use."""

    writes = ""
    ends_1 = "differences, or no such order"
    help = (
        "Find orders, payments, journals and events that do not agree; --order looks at one order."
    )

    def add_options(self, parser: ArgumentParser) -> None:
        """Add ``--order``."""
        parser.add_argument("--order", metavar="ORDER_NO", help="look at this order only")

    def perform(self, options: dict[str, Any]) -> Report:
        """Compare and list the differences."""
        order_no = options["order"]
        if order_no is not None and not is_number(order_no, ORDER):
            raise InvalidRequest(f"{order_no!r} is not an order number.")
        differences = find_order_differences(order_no=order_no)
        if order_no is not None and not differences:
            check_order_exists(order_no=order_no)
        return Report(
            document={"ok": not differences, "order": order_no, "differences": differences},
            show=lambda console: _show(differences, console),
            code=FAILED if differences else FINE,
        )


def _show(differences: list[OrderDifference], console: Console) -> None:
    if not differences:
        console.print("Orders, payments, journals and events agree.")
        return
    rows: list[tuple[Any, ...]] = [
        (row.order_no or "–", row.subject, row.problem) for row in differences
    ]
    console.print(build_table("Order", "Subject", "Problem", rows=rows))
