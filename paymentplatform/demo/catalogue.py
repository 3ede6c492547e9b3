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


TEST_CARDS: Final = (
    ("4242 4242 4242 4242", _("taken at once")),
    ("4000 0000 0000 0002", _("declined")),
    ("4000 0000 0000 9995", _("declined: insufficient funds")),
    ("4000 0000 0000 3220", _("asks for 3-D Secure")),
    ("4000 0000 0000 0119", _("taken, but the answer comes late")),
)
"""The sandbox's cards (``engine/channels/sandbox``) and what becomes of a payment with each."""


def find_product(code: str) -> Product | None:
    """Find a product by its code."""
    return next((product for product in PRODUCTS if product.code == code), None)
