"""A merchant's colour and logo on its pages, with words that stay readable on any colour."""

from __future__ import annotations

from typing import Any, Final

from acquiring.contracts import CashierStyle

_DARK: Final = "#000000"
_LIGHT: Final = "#ffffff"
_SAME_CONTRAST: Final = 0.1791
"""The luminance on which black and white are equally readable, at 4.58:1 (WCAG asks for 4.5:1)."""


def present_look(style: CashierStyle) -> dict[str, Any]:
    """Return what the frame needs of a merchant's look; an empty ``colour`` is the platform's own."""
    is_light = bool(style.colour) and luminance(style.colour) > _SAME_CONTRAST
    return {
        "colour": style.colour,
        "ink": _DARK if is_light else _LIGHT,
        "line": "rgb(0 0 0 / 24%)" if is_light else "rgb(255 255 255 / 24%)",
        "logo": style.logo,
    }


def luminance(colour: str) -> float:
    """Return the relative luminance (WCAG 2) of #rrggbb, from 0 to 1."""
    red, green, blue = (_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)
