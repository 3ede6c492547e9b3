"""The figures as a picture: one bar for each path, with what it must hold and what it aims at."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from bench.budgets import BUDGETS
from bench.measuring import Row

_LEFT: Final = 170
_WIDTH: Final = 560
_STEP: Final = 30
_STYLE: Final = "font-family:sans-serif;font-size:12px"


def draw(rows: Sequence[Row], *, title: str) -> str:
    """Return an SVG document."""
    most = max(
        [row.tps for row in rows] + [BUDGETS[r.path].aim_tps for r in rows if r.path in BUDGETS]
    )
    height = _STEP * len(rows) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 90}" height="{height}" style="{_STYLE}">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="10" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for at, row in enumerate(rows):
        top = 36 + at * _STEP
        label = escape(f"{row.path}, {row.connections} conn." if row.connections else row.path)
        parts += [
            f'<text x="{_LEFT - 8}" y="{top + 14}" text-anchor="end">{label}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{row.tps / most * _WIDTH:.1f}" height="18" fill="#2f6f9f"/>',
            f'<text x="{_LEFT + row.tps / most * _WIDTH + 6:.1f}" y="{top + 14}">{row.tps:,.0f}</text>',
        ]
        if (budget := BUDGETS.get(row.path)) is not None:
            for value, colour in ((budget.must_tps, "#c0392b"), (budget.aim_tps, "#27804a")):
                x = _LEFT + value / most * _WIDTH
                place = f'x1="{x:.1f}" x2="{x:.1f}" y1="{top - 3}" y2="{top + 21}"'
                parts.append(f'<line {place} stroke="{colour}" stroke-width="2"/>')
    parts.append(
        f'<text x="{_LEFT}" y="{height - 10}">a second; red: must, green: aim</text>\n</svg>\n'
    )
    return "\n".join(parts)
