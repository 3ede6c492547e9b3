"""What several pages of the engine show alike."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from engine.dossier import list_moves
from engine.models import ChannelCall
from paymentplatform.kernel.admin import ReadOnlyAdmin
from paymentplatform.kernel.admin_tables import MOVE_COLUMNS, PageTable, build_page_table

POSTINGS: Final = ("line_no", "debit", "credit", "amount")
_CALLS: Final = (
    *("answered_at", "operation", "outcome", "duration_ms"),
    *("cause", "actor", "answer"),
)


def build_calls_table(*, order_no: str, **about: str) -> PageTable:
    """Show the calls to channels that were made about an attempt or a refund of this order, oldest first."""
    calls = ChannelCall.objects.filter(order_no=order_no, **about).order_by("id")
    return build_page_table(_("Calls to the channel"), calls, columns=_CALLS)


class MovesAdmin(ReadOnlyAdmin):
    """A page that shows every move of its object."""

    def build_tables(self, obj: Any) -> list[PageTable]:
        """Show the moves."""
        moves = list_moves(object_nos=[str(obj.pk)])
        return [build_page_table(_("Moves"), moves, columns=MOVE_COLUMNS)]
