"""The look of a merchant's cashier: set by operators, read by every page."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from acquiring.contracts import CashierStyle
from acquiring.models import CashierLook, Merchant
from acquiring.services.merchants import parse_origin
from paymentplatform.kernel import transactions
from paymentplatform.kernel.cache import ConfigCache
from paymentplatform.kernel.database import PlatformNow
from paymentplatform.kernel.errors import InvalidRequest, NotFound

MAX_LOGO_BYTES: Final = 12 * 1024
"""The first page stays under 60 KB with it."""
MAX_EMBED_ORIGINS: Final = 10
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}", re.ASCII)
_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?", re.ASCII)
_BEGINNINGS: Final = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF"}


@transactions.start
def set_cashier_look(
    *, merchant_no: str, colour: str = "", logo: str = "", embed_origins: tuple[str, ...] = ()
) -> None:
    """Say how a merchant's cashier looks and who may frame it; pages follow within seconds (start).

    ``colour`` is #rrggbb, ``logo`` a PNG, JPEG or WebP of at most 12 KiB as a base64 data: address; both may be empty.
    Raises NotFound, InvalidRequest.
    """
    if not Merchant.objects.filter(merchant_no=merchant_no).exists():
        raise NotFound
    colour, logo = colour.strip().lower(), logo.strip()
    if colour and not _COLOUR.fullmatch(colour):
        raise InvalidRequest("The colour must be written as #rrggbb.")
    if logo:
        _check_logo(logo)
    if len(embed_origins) > MAX_EMBED_ORIGINS:
        raise InvalidRequest(f"At most {MAX_EMBED_ORIGINS} origins may frame the cashier.")
    wanted = {
        "colour": colour,
        "logo": logo,
        "embed_origins": sorted({_parse_embed_origin(origin) for origin in embed_origins}),
        "changed_at": PlatformNow(),
    }
    CashierLook.objects.update_or_create(merchant_id=merchant_no, defaults=wanted)


def find_cashier_style(*, merchant_no: str) -> CashierStyle:
    """Return a merchant's look, a few seconds old at most; the platform's own for one that has none."""
    return _styles.get(merchant_no)


def _parse_embed_origin(origin: str) -> str:
    """Refuse what could say more in the policy's header than an origin. Raises InvalidRequest."""
    parsed = parse_origin(origin)
    if not _ORIGIN.fullmatch(parsed):
        raise InvalidRequest(f"Not a web origin: {origin}")
    return parsed


def _check_logo(logo: str) -> None:
    kind, comma, content = logo.removeprefix("data:image/").partition(";base64,")
    try:
        picture = base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        picture = b""
    begins = _BEGINNINGS.get(kind, b"?")
    if not logo.startswith("data:image/") or not comma or not picture.startswith(begins):
        raise InvalidRequest("The logo must be a PNG, JPEG or WebP as data:image/…;base64,…")
    if len(picture) > MAX_LOGO_BYTES:
        raise InvalidRequest(f"The logo may have {MAX_LOGO_BYTES} bytes at most.")


def _load_style(merchant_no: str) -> CashierStyle:
    look = CashierLook.objects.filter(merchant_id=merchant_no).first()
    if look is None:
        return CashierStyle()
    return CashierStyle(look.colour, look.logo, tuple(look.embed_origins))


_styles: ConfigCache[str, CashierStyle] = ConfigCache(_load_style, name="cashier_looks", seconds=10)
