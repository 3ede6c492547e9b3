"""What other floors may know of a channel's state before they send a payment there. Pure: imports no framework."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paymentplatform.kernel.errors import Conflict


class BreakerState(StrEnum):
    """State of a circuit breaker 熔断器: OPEN sends nothing, HALF_OPEN lets some through to see."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """One channel as routing sees it for one method and currency, at most some seconds old.

    ``options`` are the codes of the banks or wallets that it knows inside the method (none: nothing to choose).
    ``can_challenge``: it can be told to ask for 3-D Secure. ``is_disabled``: an operator lets nothing new go there.
    ``success_ppm`` is the share of payments that succeeded among those that ended lately, in millionths; None while
    ``sample``, their number, is too small to say.
    """

    code: str
    takes_method: bool
    options: tuple[str, ...] = ()
    is_over_limit: bool = False
    can_challenge: bool = False
    in_maintenance: bool = False
    is_disabled: bool = False
    breaker: BreakerState = BreakerState.CLOSED
    success_ppm: int | None = None
    sample: int = 0


class ChannelDisabled(Conflict):
    """An operator has let nothing new go to the channel already."""

    code = "channel_disabled"
    title = "The channel is disabled already"


class ChannelNotDisabled(Conflict):
    """There is nothing to enable: payments may go to the channel."""

    code = "channel_not_disabled"
    title = "The channel is not disabled"
