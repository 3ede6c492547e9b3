"""Webhook secrets at rest: one encrypted JSON list, the newest first; a replaced one may have an end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from acquiring.webhooks.signing import make_webhook_secret
from paymentplatform.kernel.encryption import decrypt_text, encrypt_text

OVERLAP: Final = timedelta(hours=24)
"""How long a replaced secret of an endpoint goes on signing beside the new one."""
MOST_AT_ONCE: Final = 4


class KeptSecret(msgspec.Struct, frozen=True):
    """One secret; ``ends_at`` is when it stops signing, ``made_under`` the claim of the request that made it."""

    secret: str
    ends_at: datetime | None = None
    made_under: str | None = None


def start_secrets(*, made_under: str | None) -> str:
    """Return the text column of an endpoint that has just been made."""
    return _seal([KeptSecret(make_webhook_secret(), made_under=made_under)])


def read_newest(sealed: str) -> KeptSecret:
    """Return the secret that was made last."""
    return _unseal(sealed)[0]


def rotate_secrets(sealed: str, *, now: datetime, made_under: str | None) -> str:
    """Put a new secret in front; what it replaces signs for 24 hours more, what had been replaced no longer than that.

    More than four at once are not kept: the header would grow with every rotation.
    """
    previous, *older = _unseal(sealed)
    kept = [
        KeptSecret(make_webhook_secret(), made_under=made_under),
        KeptSecret(previous.secret, ends_at=now + OVERLAP),
        *(secret for secret in older if secret.ends_at and secret.ends_at > now),
    ]
    return _seal(kept[:MOST_AT_ONCE])


def read_signing_secrets(sealed: str, *, now: datetime) -> list[str]:
    """Return the secrets that sign at ``now``, the newest first; a merchant's own list holds plain texts."""
    kept = _unseal(sealed)
    return [secret.secret for secret in kept if secret.ends_at is None or secret.ends_at > now]


def _seal(kept: list[KeptSecret]) -> str:
    return encrypt_text(msgspec.json.encode(kept).decode())


def _unseal(sealed: str) -> list[KeptSecret]:
    found = msgspec.json.decode(decrypt_text(sealed), type=list[KeptSecret | str])
    return [item if isinstance(item, KeptSecret) else KeptSecret(item) for item in found]
