"""What the conformance suite needs to know of an institution: the whole of it. A new adapter writes one of these."""

from __future__ import annotations

from typing import Any, Protocol

from engine.channels.base import Channel, PayRequest, TimeLimits
from tests.engine.channels.receiver import Received


class Counterpart(Protocol):
    """The far side of one channel, in a test's hand."""

    @property
    def channel(self) -> Channel:
        """The adapter, talking to the institution."""

    @property
    def api_url(self) -> str:
        """Where the adapter's calls go (scheme, host and port), so that a test can put a bad line in between."""

    def channel_at(self, api_url: str, time_limits: TimeLimits) -> Channel:
        """The same adapter with the same keys, told to call another address and to wait no longer than this."""

    def new_request(self, method: str, **changes: Any) -> PayRequest:
        """A pay request under fresh numbers, whose callbacks come to ``callbacks``."""

    def confirm(self, request: PayRequest) -> bool:
        """Do what the payer does to pay; False when the institution takes no money for this request."""

    def charged(self, request: PayRequest) -> list[int]:
        """The amounts that the institution really took for this request, in minor units."""

    def given_back(self, refund_no: str) -> list[int]:
        """The amounts that it really gave back under this number."""

    def callbacks(self, request: PayRequest) -> list[Received]:
        """The callbacks that came about this request."""
