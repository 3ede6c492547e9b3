"""How channels do: what routing may know before it sends a payment to one of them."""

from __future__ import annotations

from engine import exposure
from engine.channels import registry
from engine.channels.base import Capability
from engine.health_contracts import ChannelFacts


def list_channel_facts(*, method: Capability, currency: str | None) -> tuple[ChannelFacts, ...]:
    """Return every channel, in configured order, as it stands for this method and currency.

    Without a ``currency`` a channel that is over its exposure limit in any currency counts as over it.
    """
    return tuple(
        ChannelFacts(
            code=channel.code,
            takes_method=method in channel.capabilities,
            options=tuple(option.code for option in channel.payment_options.get(method, ())),
            is_over_limit=exposure.is_over_limit(channel_code=channel.code, currency=currency),
        )
        for channel in registry.list_channels()
    )
