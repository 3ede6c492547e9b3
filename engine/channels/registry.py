"""The channels this installation has, built once from the setting CHANNELS.

The only module here that knows Django: adapters are given plain values. CHANNELS is a list of dotted names of
factories; a factory says which settings it needs (``setting_names``) and makes a channel of them (``build``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final, Protocol, cast

from django.conf import settings
from django.utils.module_loading import import_string

from engine.channels.base import Capability, Channel
from paymentplatform.kernel import metrics
from paymentplatform.kernel.transactions import forbid_transaction

NETWORK_CALLS: Final = frozenset(
    {"pay", "query", "close", "refund", "query_refund", "fetch_statement"}
)
"""What makes an adapter wait for its institution."""


class ChannelFactory(Protocol):
    """What an entry of CHANNELS names."""

    @property
    def setting_names(self) -> tuple[str, ...]:
        """The settings whose values ``build`` is to be given (an absent one is left out)."""

    def build(self, values: Mapping[str, Any]) -> Channel:
        """Make the channel."""


class UnknownChannel(LookupError):
    """No channel of this code is configured."""


class GuardedChannel:
    """A channel as the platform gets it: no call that waits for an institution starts inside a transaction."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._channel, name)
        if name not in NETWORK_CALLS:
            return member
        forbid_transaction(f"{self._channel.code}.{name}")
        return partial(self._call, name, member)

    def _call(self, name: str, member: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make one call and count it, with what it came to and how long it took."""
        code, started, outcome = self._channel.code, time.monotonic(), "raised"
        try:
            answer = member(*args, **kwargs)
            outcome = str(getattr(answer, "outcome", "done"))
            return answer
        finally:
            metrics.CHANNEL_CALLS.labels(code, name, outcome).inc()
            metrics.CHANNEL_SECONDS.labels(code, name).observe(time.monotonic() - started)


@cache
def _channels() -> dict[str, Channel]:
    channels: dict[str, Channel] = {}
    for path in settings.CHANNELS:
        factory: ChannelFactory = import_string(path)
        names = (name for name in factory.setting_names if hasattr(settings, name))
        channel = factory.build({name: getattr(settings, name) for name in names})
        if channel.code in channels:
            message = f"two channels have the code {channel.code!r}"
            raise ValueError(message)
        channels[channel.code] = cast("Channel", GuardedChannel(channel))
    return channels


def get_channel(code: str) -> Channel:
    """Return the channel of this code. Raises UnknownChannel."""
    channel = find_channel(code)
    if channel is None:
        raise UnknownChannel(code)
    return channel


def find_channel(code: str) -> Channel | None:
    """Return the channel of this code, or None."""
    return _channels().get(code)


def list_channels(capability: Capability | None = None) -> tuple[Channel, ...]:
    """Return the channels, in configured order, that can do this (all of them when nothing is asked)."""
    return tuple(
        channel
        for channel in _channels().values()
        if capability is None or capability in channel.capabilities
    )


def forget_channels() -> None:
    """Build them anew at the next call (after a change of settings, in tests)."""
    _channels.cache_clear()
