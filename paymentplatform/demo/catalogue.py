"""The goods. Prices in minor units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Product:
    code: str
    name: Promise | str
    text: Promise | str
    amount: int
    currency: str = "CNY"


PRODUCTS: Final = (
    Product(
        "coffee",
        _("Pour-over coffee set"),
        _("Dripper, glass server and forty paper filters"),
        12_800,
    ),
    Product(
        "tea",
        _("Jasmine tea, 100 g"),
        _("Spring leaves, scented seven times with fresh blossoms"),
        6_650,
    ),
    Product("lamp", _("Paper lantern"), _("Bamboo and rice paper, folds flat, warm light"), 29_900),
)


def find_product(code: str) -> Product | None:
    """Find a product by its code."""
    return next((product for product in PRODUCTS if product.code == code), None)
