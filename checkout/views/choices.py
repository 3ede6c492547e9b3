"""The ways to pay as HTML: the dearest part of the first page, and the same for most orders, so it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString

from checkout.support import present_support

_KEPT: Final = 256
"""Languages times lists of methods as they are offered, with what is chosen first; one is about 6 KB."""


def draw_first_choices(rows: Sequence[dict[str, Any]]) -> SafeString:
    """Draw the rows of ``present_methods`` for somebody who has typed nothing yet, in the present language."""
    return _draw_kept(translation.get_language() or "", msgspec.json.encode(rows))


def draw_choices(
    rows: Sequence[dict[str, Any]], *, entered: Mapping[str, str], errors: Mapping[str, str]
) -> SafeString:
    """Draw the rows with what was typed before and what was wrong with it."""
    context = {
        "methods": rows,
        "may_use_balance": any(row["is_balance"] for row in rows) and len(rows) > 1,
        "entered": entered,
        "errors": errors,
        "support": present_support(settings.SUPPORT_CONTACT),
    }
    return render_to_string("cashier/choices.html", context)


@lru_cache(maxsize=_KEPT)
def _draw_kept(_language: str, rows: bytes) -> SafeString:
    return draw_choices(msgspec.json.decode(rows), entered={}, errors={})
