"""What the children are told, and the secrets that stay the same from one start to the next."""

import base64
import secrets
from pathlib import Path

from deploy.local.files import read_json, write_json

ADDRESSES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL")


def keep_secrets(state: Path) -> dict[str, str]:
    """Return the state folder's secrets, drawing those that it does not have yet.

    Losing this file loses the fields that are encrypted with it; `reset` is the only one to do so.
    """
    path = state / "secrets.json"
    known = read_json(path)
    drawn = {
        "secret_key": secrets.token_urlsafe(48),
        "sandbox_signing_key": secrets.token_hex(32),
        "field_encryption_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "postgres_admin": secrets.token_hex(16),
        "postgres_owner": secrets.token_hex(16),
        "postgres_app": secrets.token_hex(16),
        "valkey": secrets.token_hex(16),
    }
    kept = drawn | {key: str(value) for key, value in known.items()}
    if kept != known:
        write_json(path, kept)
    return kept


def compose(
    *,
    kept: dict[str, str],
    addresses: dict[str, str],
    port: int,
    sandbox_port: int,
    metrics: Path,
    platform_env: str,
) -> dict[str, str]:
    """Return the environment of every child, which is also what `.run/env` says."""
    return {
        **addresses,
        "DJANGO_SETTINGS_MODULE": "paymentplatform.settings",
        "PLATFORM_ENV": platform_env,
        "SECRET_KEY": kept["secret_key"],
        "FIELD_ENCRYPTION_KEY": kept["field_encryption_key"],
        "BASE_URL": f"http://127.0.0.1:{port}",
        "SANDBOX_URL": f"http://127.0.0.1:{sandbox_port}",
        "SANDBOX_SIGNING_KEY": kept["sandbox_signing_key"],
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
