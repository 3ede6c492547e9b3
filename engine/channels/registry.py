"""The channels this installation has, built once from the setting CHANNELS.

The only module here that knows Django: adapters are given plain values. CHANNELS is a list of dotted names of
factories; a factory says which settings it needs (``setting_names``) and makes a channel of them (``build``).
``engine.checks`` builds them all when the platform starts.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from functools import cache, partial
from typing import Any, Final, Protocol, cast

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from engine.channels.base import Capability, Channel, PaymentOption
from paymentplatform.kernel import metrics
from paymentplatform.kernel.transactions import forbid_transaction

NETWORK_CALLS: Final = frozenset(
    {"pay", "query", "close", "refund", "query_refund", "fetch_statement"}
)
"""What makes an adapter wait for its institution; ``TimeLimits`` has a ``…_s`` for each."""
METHODS: Final = frozenset(
    {Capability.QR_CODE, Capability.WALLET, Capability.NET_BANKING, Capability.BANK_CARD}
)
RESERVED_CODE: Final = "bank"
_CODE: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")
_TOLERATED_S: Final = 0.5

_log = structlog.get_logger(__name__)


class ChannelFactory(Protocol):
    """What an entry of CHANNELS names."""

    @property
    def code(self) -> str:
        """The code of the channel that ``build`` makes."""

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
            seconds = time.monotonic() - started
            metrics.CHANNEL_CALLS.labels(code, name, outcome).inc()
            metrics.CHANNEL_SECONDS.labels(code, name).observe(seconds)
            if seconds > getattr(self._channel.time_limits, f"{name}_s") + _TOLERATED_S:
                # A thread cannot be stopped from outside: the adapter has to be mended.
                _log.error(
                    "channel_call_overran", channel=code, call=name, seconds=round(seconds, 1)
                )


@cache
def _channels() -> dict[str, Channel]:
    channels: dict[str, Channel] = {}
    for path in settings.CHANNELS:
        channel = _build_channel(path)
        if channel.code in channels:
            message = f"two channels have the code {channel.code!r}"
            raise ValueError(message)
        channels[channel.code] = cast("Channel", GuardedChannel(channel))
    return channels


def _build_channel(path: str) -> Channel:
    factory: ChannelFactory = import_string(path)
    names = (name for name in factory.setting_names if hasattr(settings, name))
    channel = factory.build({name: getattr(settings, name) for name in names})
    if channel.code != factory.code:
        message = f"the factory says {factory.code!r}, its channel {channel.code!r}"
        raise ValueError(message)
    return channel


def find_bad_channels() -> list[tuple[str, str]]:
    """Build every entry of CHANNELS and return (entry, what is wrong with it) of those that cannot be used."""
    bad: list[tuple[str, str]] = []
    codes: set[str] = set()
    for path in settings.CHANNELS:
        try:
            channel = _build_channel(path)
            problems = find_problems(channel, codes)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's factory does is to be reported
            bad.append((path, f"{type(error).__name__}: {error}"))
            continue
        codes.add(channel.code)
        bad += [(path, problem) for problem in problems]
    return bad


def find_problems(channel: Channel, codes: Collection[str] = ()) -> list[str]:
    """Compare a channel with the contract (``base.Channel``), as far as that needs no institution.

    ``codes`` are those of the channels before it.
    """
    problems = []
    if channel.code in codes:
        problems.append(f"another channel has the code {channel.code!r}")
    if channel.code == RESERVED_CODE:
        problems.append(f"{RESERVED_CODE!r} is the code of our own bank account's statements")
    if not _CODE.match(channel.code):
        problems.append(f"{channel.code!r} cannot stand in an address and an account code")
    if not channel.merchant_account:
        problems.append("it has no merchant_account")
    if not channel.capabilities & METHODS:
        problems.append("it declares no payment method")
    problems += [
        f"{option} is chosen inside {capability}, which it does not declare"
        for capability, options in channel.payment_options.items()
        for option in options
        if capability not in channel.capabilities & METHODS
    ]
    problems += [
        f"it has no {name}()"
        for name in (*sorted(NETWORK_CALLS), "parse_notification", "acknowledge")
        if not callable(getattr(channel, name, None))
    ]
    problems += [
        f"its time limit {name}_s is not above 0"
        for name in sorted(NETWORK_CALLS)
        if getattr(channel.time_limits, f"{name}_s") <= 0
    ]
    return problems


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


def list_channel_codes() -> tuple[str, ...]:
    """Return the codes of all channels, in configured order."""
    return tuple(_channels())


def list_payment_options(capability: Capability) -> tuple[PaymentOption, ...]:
    """Return the banks or wallets of a method over all channels that take it, each code once, in their order."""
    found: dict[str, PaymentOption] = {}
    for channel in list_channels(capability):
        for option in channel.payment_options.get(capability, ()):
            found.setdefault(option.code, option)
    return tuple(found.values())


def forget_channels() -> None:
    """Build them anew at the next call (after a change of settings, in tests)."""
    _channels.cache_clear()
