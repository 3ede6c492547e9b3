"""What the environment says: read here, and nowhere else in the platform."""

from __future__ import annotations

from datetime import time
from pathlib import Path
from typing import Final

import environ
from django.core.exceptions import ImproperlyConfigured

from paymentplatform.kernel.money import parse_decimal

PROJECT_DIR: Final = Path(__file__).resolve().parents[2]
KINDS: Final = ("demo", "test", "production")

env: Final = environ.Env()
kind: Final = env.str("PLATFORM_ENV", default="production")
if kind not in KINDS:
    message = f"PLATFORM_ENV must be one of {', '.join(KINDS)}, not {kind!r}"
    raise ImproperlyConfigured(message)

in_production: Final = kind == "production"


def outside_production(value: str) -> str:
    """Give a comfortable default to demo and test; production must be told and refuses an empty value."""
    return "" if in_production else value


def tunable_int(name: str, default: int) -> int:
    """Read a number of seconds or tries that tests may shrink with ``PLATFORM_TEST_<name>``."""
    return env.int(f"PLATFORM_TEST_{name}", default) if kind == "test" else env.int(name, default)


def smaller_in_tests(name: str, value: int) -> int:
    """Give a number that nobody may change but tests, with ``PLATFORM_TEST_<name>``."""
    return env.int(f"PLATFORM_TEST_{name}", value) if kind == "test" else value


def tunable_ints(name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    """Read a schedule of seconds that tests may shrink with ``PLATFORM_TEST_<name>`` (comma-separated)."""
    source = f"PLATFORM_TEST_{name}" if kind == "test" else name
    return tuple(int(part) for part in env.list(source, default=list(default)))


def read_amounts(name: str, *, default: str) -> dict[str, int]:
    """Read amounts by currency, as people write them (``CNY=500.00,JPY=10000``), in minor units."""
    text = env.str(name, default=default)
    amounts: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        currency, _, amount = part.partition("=")
        try:
            amounts[currency] = parse_decimal(amount, currency)
        except ValueError as error:
            refusal = f"{name}: {part!r} is not like CNY=500.00 ({error})"
            raise ImproperlyConfigured(refusal) from None
    return amounts


def read_time_of_day(name: str, *, default: str) -> time:
    """Read an hour and a minute (``19:30``)."""
    text = env.str(name, default=default)
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None or text != f"{found:%H:%M}":
        refusal = f"{name} is a time of day like 19:30, not {text!r}"
        raise ImproperlyConfigured(refusal)
    return found
