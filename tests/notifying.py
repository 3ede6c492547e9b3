"""The sandbox institution's signed notifications that attempts were paid, posted to this process."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.conf import settings
from django.http import HttpResponse
from django.test import Client

from engine.channels.sandbox import codec
from engine.models import ChannelAttempt


def sign_paid(*, order_no: str) -> Callable[[], HttpResponse]:
    """Sign that the order's live attempt was paid, as agreed; what is returned posts it."""
    attempt = ChannelAttempt.objects.get(order_no=order_no, live_detail_no__isnull=False)
    account = codec.ACCOUNTS[attempt.channel_code]
    body = codec.encode(
        {
            "merchant_account": account,
            "request_no": attempt.attempt_no,
            "status": "SUCCEEDED",
            "channel_trade_no": f"ch-{secrets.token_hex(6)}",
            "amount": attempt.amount,
            "currency": attempt.currency,
        }
    )
    key = codec.derive_key(
        secret=settings.SANDBOX_SIGNING_KEY,
        channel=attempt.channel_code,
        purpose=codec.Purpose.NOTIFICATION,
    )
    headers = codec.sign_notification(key=key, account=account, body=body)
    return lambda: Client().post(
        f"/channels/{attempt.channel_code}/notify",
        body,
        content_type="application/json",
        headers=headers,
    )
