"""The scripts of the payer's pages: each with its reason and the hash of what was looked at (PCI DSS 6.4.3).

The hash stands in the page, so a browser runs the script as it is here or not at all; a test compares it with the file.
Whoever changes a script looks at it and writes its new hash here: ``openssl dgst -sha384 -binary FILE | base64``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class PageScript:
    """One script: its static ``path``, ``purpose``, and ``integrity`` (subresource integrity, SHA-384)."""

    path: str
    purpose: str
    integrity: str


CASHIER: Final = PageScript(
    path="checkout/cashier.js",
    purpose="Counts down the time left, asks how the payment stands, keeps a form from being sent twice, copies the "
    "address of a QR code. Reads no field that the payer fills in.",
    integrity="sha384-uU8whm2my8AksRlCdSElL0xUX2ShAUPnv3V2/j43qXt7cMcDIiwNvIQnoCdrXTqO",
)
INVENTORY: Final = (CASHIER,)
