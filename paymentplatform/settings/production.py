"""What production refuses. All faults are named at once: nobody likes to find them one start at a time."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

SECRET_KEY_MIN_CHARACTERS: Final = 50
SECRET_KEY_MIN_DISTINCT: Final = 8
LEAST: Final = {"SWEEP_BATCH": 1, "ORDER_MAX_TRIES": 1, "NOT_FOUND_GRACE_S": 10}
"""A grace shorter than a request may take would have payments closed that are on their way."""
KNOWN_DEMO_WORDS: Final = (
    "demo",
    "insecure",
    "changeme",
    "change-me",
    "example",
    "django-insecure",
)


def refuse_faults(settings: Mapping[str, Any]) -> None:
    """Raise ImproperlyConfigured with every unsafe setting when this is production; else do nothing."""
    if settings["PLATFORM_ENV"] != "production":
        return
    faults = list(find_faults(settings))
    if faults:
        lines = "\n".join(f"  - {fault}" for fault in faults)
        message = (
            f"Production refuses to start:\n{lines}\n(PLATFORM_ENV=demo is for trying things out.)"
        )
        raise ImproperlyConfigured(message)


def find_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for each value that must not reach production."""
    if settings["DEBUG"]:
        yield "DEBUG must be off."
    yield from _secret_faults(settings)
    yield from _address_faults(settings)
    yield from _database_faults(settings)
    yield from _time_faults(settings)
    if not settings["OPERATOR_SECOND_FACTOR_REQUIRED"]:
        yield "OPERATOR_SECOND_FACTOR_REQUIRED must be on: nobody works by a password alone."
    if settings["WEBHOOK_ALLOW_LOOPBACK"]:
        yield "WEBHOOK_ALLOW_LOOPBACK must be off: webhooks may not reach this machine."
    if any("sandbox" in channel.lower() for channel in settings["CHANNELS"]):
        yield "CHANNELS must not name the sandbox institution."
    if any(
        settings.get(name) for name in ("SANDBOX_URL", "SANDBOX_API_URL", "SANDBOX_SIGNING_KEY")
    ):
        yield "SANDBOX_URL, SANDBOX_API_URL and SANDBOX_SIGNING_KEY must not be set."
    if settings.get("PLATFORM_FAILPOINT_DIR"):
        yield "PLATFORM_FAILPOINT_DIR must not be set: it lets files kill processes."
    if any("paymentplatform.demo" in app for app in settings["INSTALLED_APPS"]):
        yield "the demo shop must not be installed."


def _secret_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    keys = {"SECRET_KEY": settings["SECRET_KEY"]}
    keys |= {
        f"SECRET_KEY_FALLBACKS[{n}]": key for n, key in enumerate(settings["SECRET_KEY_FALLBACKS"])
    }
    for name, key in keys.items():
        if not key:
            yield f"{name} is missing."
        elif len(key) < SECRET_KEY_MIN_CHARACTERS or len(set(key)) < SECRET_KEY_MIN_DISTINCT:
            yield f"{name} is too weak: at least {SECRET_KEY_MIN_CHARACTERS} random characters."
        elif any(word in key.lower() for word in KNOWN_DEMO_WORDS):
            yield f"{name} is a known example."
    encryption_keys = [key for key in settings["FIELD_ENCRYPTION_KEY"].split(",") if key.strip()]
    if not encryption_keys:
        yield "FIELD_ENCRYPTION_KEY is missing."
    for key in encryption_keys:
        if not _is_fernet_key(key.strip()):
            yield "FIELD_ENCRYPTION_KEY must be 32 random bytes in URL-safe base 64."


def _is_fernet_key(key: str) -> bool:
    try:
        material = base64.urlsafe_b64decode(key.encode("ascii"))
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return False
    return len(material) == 32 and b"demo" not in material.lower()


def _address_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    hosts = settings["ALLOWED_HOSTS"]
    if not [host for host in hosts if host]:
        yield "ALLOWED_HOSTS is empty: name the hosts that the platform answers to."
    if "*" in hosts:
        yield "ALLOWED_HOSTS must not be '*'."
    base = urlsplit(settings["BASE_URL"])
    if not base.hostname:
        yield "BASE_URL is missing."
    elif base.scheme != "https":
        yield "BASE_URL must begin with https://."
    elif _is_loopback(base.hostname):
        yield "BASE_URL must not be this machine."
    if base.path or base.query or base.fragment or base.username:
        yield "BASE_URL must be an origin without a path."
    if any(not origin.startswith("https://") for origin in settings["CSRF_TRUSTED_ORIGINS"]):
        yield "CSRF_TRUSTED_ORIGINS must all begin with https://."
    if not settings["REDIS_URL"]:
        yield "REDIS_URL is missing."


def _database_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    if not settings["DATABASE_URL"]:
        yield "DATABASE_URL is missing."
    elif not settings["DATABASES"]["default"].get("PASSWORD") and not _is_socket(settings):
        yield "DATABASE_URL must name a role with a password."
    owner = settings["DATABASES"].get("owner")
    if owner and owner.get("USER") == settings["DATABASES"]["default"].get("USER"):
        yield "MIGRATION_DATABASE_URL must name another role than DATABASE_URL."


def _time_faults(settings: Mapping[str, Any]) -> Iterator[str]:
    """What would stop sweeps, inquiries or every posting, found out when money is under way already."""
    try:
        ZoneInfo(settings["BUSINESS_TIME_ZONE"])
    except (ValueError, OSError, ZoneInfoNotFoundError):
        yield "BUSINESS_TIME_ZONE is no time zone: write it like Asia/Shanghai."
    for name, least in LEAST.items():
        if settings[name] < least:
            yield f"{name} must be at least {least}."
    for name in ("INQUIRY_SCHEDULE_S", "WEBHOOK_LADDER_S"):
        if not settings[name] or min(settings[name][1:], default=1) < 1 or settings[name][0] < 0:
            yield f"{name} must be a list of seconds."


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_socket(settings: Mapping[str, Any]) -> bool:
    return str(settings["DATABASES"]["default"].get("HOST", "")).startswith("/")
