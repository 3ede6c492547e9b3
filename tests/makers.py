"""Making merchants and payers under fresh numbers, through the same services as everybody else."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from acquiring.services import cashier_looks
from acquiring.services.merchants import create_merchant
from checkout.services.agreements import create_agreement
from checkout.services.wallets import create_wallet
from paymentplatform.kernel import numbers

PASSWORD = "payment-password-1"
RETURN_ORIGIN = "https://shop.example"
PLENTY = 1_000_000_00


def make_merchant(
    *,
    fee_rate_ppm: int = 6_000,
    max_tries: int | None = None,
    return_origin: str = RETURN_ORIGIN,
    name: str | None = None,
    late_money_policy: str = "REFUND",
    late_money_ask_minutes: int = 60,
) -> dict[str, str]:
    """Make a merchant; returns merchant_no, key_id, secret_key and webhook_secret."""
    made = create_merchant(
        name=name or f"Shop {secrets.token_hex(4)}",
        return_origins=(return_origin,),
        fee_rate_ppm=fee_rate_ppm,
        max_tries=max_tries,
        late_money_policy=late_money_policy,
        late_money_ask_minutes=late_money_ask_minutes,
    )
    return {
        "merchant_no": made.merchant_no,
        "key_id": made.credential.key_id,
        "secret_key": made.credential.secret,
        "webhook_secret": made.webhook_secret,
    }


def set_cashier_look(
    *, merchant_no: str, colour: str = "", logo: str = "", embed_origins: Sequence[str] = ()
) -> None:
    """Give a merchant's cashier a look of its own; its pages show it when they ask for it the first time."""
    cashier_looks.set_cashier_look(
        merchant_no=merchant_no, colour=colour, logo=logo, embed_origins=tuple(embed_origins)
    )


def make_payer(*, balance: int = PLENTY, currency: str = "CNY") -> str:
    """Open a wallet with ``PASSWORD`` and this much money; returns payer_no."""
    payer_no = create_wallet(display_name="Payer", password=PASSWORD)
    if balance:
        top_up(payer_no=payer_no, amount=balance, currency=currency)
    return payer_no


def top_up(*, payer_no: str, amount: int, currency: str = "CNY") -> None:
    """Bring money in from the platform's bank account."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ledger_post(%s, 'top_up', %s, %s, %s, %s::text[], %s::text[], %s::bigint[])",
            [
                numbers.new_number(numbers.JOURNAL),
                numbers.new_number(numbers.REQUEST),
                timezone.now().date(),
                currency,
                [f"A20:platform:{currency}"],
                [f"L10:{payer_no}:{currency}"],
                [amount],
            ],
        )


def make_payer_token(
    *,
    payer_no: str,
    merchant_no: str,
    max_per_payment: int = PLENTY,
    max_per_day: int = 100 * PLENTY,
    currency: str = "CNY",
) -> str:
    """Record the payer's consent for one merchant; returns the payer_token."""
    return create_agreement(
        payer_no=payer_no,
        merchant_no=merchant_no,
        currency=currency,
        max_per_payment=max_per_payment,
        max_per_day=max_per_day,
    ).payer_token


def order_body(**changes: Any) -> dict[str, Any]:
    """The body of POST /orders for a fresh number; ``None`` takes a field away."""
    body: dict[str, Any] = {
        "merchant_order_no": f"T-{secrets.token_hex(8)}",
        "amount": 10_00,
        "currency": "CNY",
        "subject": "Tea",
    }
    body |= changes
    return {name: value for name, value in body.items() if value is not None}
