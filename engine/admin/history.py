"""What several pages of the engine show alike."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from engine.dossier import list_moves
from paymentplatform.kernel.admin import ReadOnlyAdmin
from paymentplatform.kernel.admin_tables import MOVE_COLUMNS, PageTable, build_page_table

POSTINGS: Final = ("line_no", "debit", "credit", "amount")


class MovesAdmin(ReadOnlyAdmin):
    """A page that shows every move of its object."""

    def build_tables(self, obj: Any) -> list[PageTable]:
        """Show the moves."""
        moves = list_moves(object_nos=[str(obj.pk)])
        return [build_page_table(_("Moves"), moves, columns=MOVE_COLUMNS)]
