"""The port to saved views 已保存的视图: lists of every app offer them, the console keeps them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class SavedViews(Protocol):
    """Keeps an operator's own views of lists: a name and the query behind it."""

    def list_views(self, *, operator: Any, page: str) -> Sequence[tuple[str, str]]:
        """Return name and query of each view of this page (``app.model``), by name."""

    def save_view(self, *, operator: Any, page: str, name: str, query: str) -> None:
        """Keep a view, replacing one of the same name; an empty query forgets it. Raises InvalidRequest."""


_kept: list[SavedViews] = []


def register_saved_views(views: SavedViews) -> None:
    """Plug in the console, once, at start-up."""
    _kept[:] = [views]


def saved_views() -> SavedViews:
    """Return the registered ones."""
    (views,) = _kept
    return views
