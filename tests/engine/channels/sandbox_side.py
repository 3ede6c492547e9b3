"""The sandbox institution as the conformance suite sees it."""

from __future__ import annotations

from typing import Any

from engine.channels.base import STANDARD_TIME_LIMITS, Channel, PayRequest, TimeLimits
from engine.channels.sandbox.adapter import SandboxChannel
from tests.engine.channels.receiver import Received, Receiver
from tests.engine.channels.requests import make_request
from tests.institution_process import InstitutionProcess


class SandboxSide:
    """One acquirer of a running institution."""

    def __init__(self, *, code: str, institution: InstitutionProcess, receiver: Receiver) -> None:
        self._code, self._institution, self._receiver = code, institution, receiver
        self.api_url = institution.api_url
        self.channel: Channel = self.channel_at(self.api_url, STANDARD_TIME_LIMITS)

    def channel_at(self, api_url: str, time_limits: TimeLimits) -> Channel:
        return SandboxChannel(
            code=self._code,
            signing_key=self._institution.key,
            api_url=api_url,
            time_limits=time_limits,
        )

    def new_request(self, method: str, **changes: Any) -> PayRequest:
        notify_url = f"{self._receiver.url}/notify"
        return make_request(**{"method": method, "notify_url": notify_url} | changes)

    def confirm(self, request: PayRequest) -> bool:
        return self._institution.confirm(request.payment_no).get("status") == "SUCCEEDED"

    def charged(self, request: PayRequest) -> list[int]:
        charges = self._institution.book(payment_no=request.payment_no)["charges"]
        return [charge["amount"] for charge in charges if charge["status"] == "SUCCEEDED"]

    def given_back(self, refund_no: str) -> list[int]:
        refunds = self._institution.book(full="1")["refunds"]
        return [
            refund["amount"]
            for refund in refunds
            if refund["refund_no"] == refund_no and refund["status"] == "SUCCEEDED"
        ]

    def callbacks(self, request: PayRequest) -> list[Received]:
        return self._receiver.about(request.request_no)
