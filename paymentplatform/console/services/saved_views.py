"""An operator's own views of lists, kept under a name."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from paymentplatform.console.models import SavedView
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import InvalidRequest

MOST: Final = 50
_NAME_CHARACTERS: Final = 40
_QUERY_CHARACTERS: Final = 1_000
_EDGES: Final = frozenset({"after", "before", "p"})


class KeptViews:
    """The console's side of ``kernel.saved_views``."""

    def list_views(self, *, operator: Any, page: str) -> list[tuple[str, str]]:
        """Return name and query of each view of this page, by name."""
        rows = SavedView.objects.filter(user=operator, page=page).order_by("name")
        return list(rows.values_list("name", "query"))

    @transactions.start
    def save_view(self, *, operator: Any, page: str, name: str, query: str) -> None:
        """Keep a view, replacing one of the same name; an empty query forgets it (start). Raises InvalidRequest."""
        name = name.strip()
        pairs = [pair for pair in parse_qsl(query) if pair[0] not in _EDGES]
        kept = urlencode(pairs)
        if not 1 <= len(name) <= _NAME_CHARACTERS or len(kept) > _QUERY_CHARACTERS:
            raise InvalidRequest(f"A view has a name of 1 to {_NAME_CHARACTERS} characters.")
        mine = SavedView.objects.filter(user=operator, page=page)
        if not kept:
            mine.filter(name=name).delete()
            return
        if mine.exclude(name=name).count() >= MOST:
            raise InvalidRequest(f"{MOST} views of a list are enough.")
        SavedView.objects.update_or_create(
            user=operator, page=page, name=name, defaults={"query": kept}
        )
