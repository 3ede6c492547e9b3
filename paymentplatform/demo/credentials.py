"""The shop's keys: from the settings, else from the file that ``run.py`` writes for people and scripts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings


class ShopNotReady(Exception):
    """The shop has no key yet: the demo data are not seeded."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The payers' numbers and passwords are what the page shows as a hint; empty when unknown."""

    secret_key: str
    webhook_secret: str
    payer_no: str = ""
    payer_password: str = ""
    small_payer_no: str = ""
    small_payer_password: str = ""


def load_credentials() -> Credentials:
    """Return the shop's keys, read anew each time: seeding may come after the start. Raises ShopNotReady."""
    seeded = _read_seeded(Path(settings.DEMO_SHOP_FILE))
    secret_key = settings.DEMO_SHOP_SECRET_KEY or seeded.get("shop_secret_key", "")
    webhook_secret = settings.DEMO_SHOP_WEBHOOK_SECRET or seeded.get("shop_webhook_secret", "")
    if not secret_key or not webhook_secret:
        raise ShopNotReady
    return Credentials(
        secret_key=secret_key,
        webhook_secret=webhook_secret,
        payer_no=str(seeded.get("payer_no", "")),
        payer_password=str(seeded.get("payer_password", "")),
        small_payer_no=str(seeded.get("small_payer_no", "")),
        small_payer_password=str(seeded.get("small_payer_password", "")),
    )


def _read_seeded(path: Path) -> dict[str, Any]:
    try:
        seeded = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return seeded if isinstance(seeded, dict) else {}
