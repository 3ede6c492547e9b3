"""How channels do: what routing may know before it sends a payment to one of them.

Read out of the tables and kept for about a second (success rates: ten), so that no payment waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db import connection

from engine import exposure
from engine.channels import registry
from engine.channels.base import Capability
from engine.health_contracts import BreakerState, ChannelFacts
from paymentplatform.kernel.cache import ConfigCache

LEAST_SAMPLE: Final = 20
"""Of fewer ended payments no success rate is told."""
_LAST_PAYMENTS: Final = 200

_BREAKERS: Final = """
    SELECT DISTINCT ON (channel_code, method) channel_code, method,
        CASE WHEN state = 'OPEN' AND until <= platform_now() THEN 'HALF_OPEN' ELSE state END
    FROM engine_breaker_move
    ORDER BY channel_code, method, id DESC
"""
_WINDOWS: Final = """
    SELECT DISTINCT channel_code, method FROM engine_maintenance_window
    WHERE ended_at IS NULL AND ends_at > platform_now() AND starts_at <= platform_now()
"""
_DISABLED: Final = """
    SELECT channel_code FROM (
        SELECT DISTINCT ON (channel_code) channel_code, is_disabled FROM engine_channel_switch
        ORDER BY channel_code, id DESC
    ) AS newest WHERE is_disabled
"""
_RATES: Final = """
    SELECT count(*) FILTER (WHERE status = 'SUCCEEDED'), count(*) FILTER (WHERE status = 'FAILED')
    FROM (
        SELECT status FROM engine_channel_attempt
        WHERE channel_code = %s AND method = %s AND created_at > platform_now() - interval '1 day'
        ORDER BY created_at DESC LIMIT %s
    ) AS lately
"""


@dataclass(frozen=True, slots=True)
class _Health:
    breakers: dict[tuple[str, str], BreakerState] = field(default_factory=dict)
    windows: frozenset[tuple[str, str | None]] = frozenset()
    disabled: frozenset[str] = frozenset()

    def is_in_maintenance(self, code: str, method: str) -> bool:
        return (code, None) in self.windows or (code, method) in self.windows

    def breaker_of(self, code: str, method: str) -> BreakerState:
        return self.breakers.get((code, method), BreakerState.CLOSED)


def list_channel_facts(*, method: Capability, currency: str | None) -> tuple[ChannelFacts, ...]:
    """Return every channel, in configured order, as it stands for this method and currency.

    Without a ``currency`` a channel that is over its exposure limit in any currency counts as over it.
    """
    health = _healths.get("")
    facts = []
    for channel in registry.list_channels():
        success_ppm, sample = _read_rate(channel.code, method)
        facts.append(
            ChannelFacts(
                code=channel.code,
                takes_method=method in channel.capabilities,
                options=tuple(option.code for option in channel.payment_options.get(method, ())),
                can_challenge=Capability.CHALLENGE in channel.capabilities,
                is_over_limit=exposure.is_over_limit(channel_code=channel.code, currency=currency),
                is_disabled=channel.code in health.disabled,
                in_maintenance=health.is_in_maintenance(channel.code, method),
                breaker=health.breaker_of(channel.code, method),
                success_ppm=success_ppm,
                sample=sample,
            )
        )
    return tuple(facts)


def describe_channel(*, code: str) -> list[tuple[Capability, ChannelFacts]]:
    """Return how each method of a channel stands, for operators; nothing for a channel that is no more."""
    channel = registry.find_channel(code)
    if channel is None:
        return []
    return [
        (method, facts)
        for method in sorted(registry.METHODS & channel.capabilities)
        for facts in list_channel_facts(method=method, currency=None)
        if facts.code == code
    ]


def find_open_channel(codes: Iterable[str], *, method: str, currency: str) -> str | None:
    """Return the first of these channels to which something new may go now, if there is one."""
    health = _healths.get("")
    for code in codes:
        if (
            code not in health.disabled
            and health.breaker_of(code, method) != BreakerState.OPEN
            and not health.is_in_maintenance(code, method)
            and not exposure.is_over_limit(channel_code=code, currency=currency)
        ):
            return code
    return None


def forget_health() -> None:
    """Let the next look be at the tables themselves."""
    _healths.forget()
    _rates.forget()


def _read_rate(code: str, method: str) -> tuple[int | None, int]:
    """Return the success rate in millionths, None when too little is known, and of how many payments it is."""
    if code in settings.CHANNEL_EXPOSURE_EXEMPT:
        return None, 0
    good, bad = _rates.get((code, method))
    if good + bad < LEAST_SAMPLE:
        return None, good + bad
    return good * 1_000_000 // (good + bad), good + bad


def _load_health(_key: str) -> _Health:
    with connection.cursor() as cursor:
        cursor.execute(_BREAKERS)
        breakers = {
            (code, method): BreakerState(state) for code, method, state in cursor.fetchall()
        }
        cursor.execute(_WINDOWS)
        windows = frozenset(cursor.fetchall())
        cursor.execute(_DISABLED)
        return _Health(breakers, windows, frozenset(code for (code,) in cursor.fetchall()))


def _load_rate(key: tuple[str, str]) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(_RATES, [*key, _LAST_PAYMENTS])
        good, bad = cursor.fetchone()
        return good, bad


_healths: ConfigCache[str, _Health] = ConfigCache(_load_health, name="channel_health", seconds=1)
_rates: ConfigCache[tuple[str, str], tuple[int, int]] = ConfigCache(
    _load_rate, name="channel_rates", seconds=10
)
