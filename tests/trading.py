"""One trade of a fresh merchant, through the services, with everything a test asks about it afterwards."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection

from acquiring.contracts import CreateOrder, MerchantIdentity, Method
from acquiring.services.merchants import authenticate_bearer
from acquiring.services.orders import create_order
from checkout.contracts import PayOptions, PayResult
from checkout.services.acceptance import PayCommand, pay_order
from tests.makers import make_merchant


@dataclass
class Trade:
    """A merchant's order and the questions about it."""

    merchant: MerchantIdentity
    order_no: str

    def pay(self, method: Method = Method.QR_CODE, **options: str) -> PayResult:
        """Pay as the merchant's server does."""
        return pay_order(
            PayCommand(
                order_no=self.order_no,
                method=method,
                options=PayOptions(**options),
                cause="api",
                key_id=self.merchant.key_id,
            )
        )

    def order(self) -> dict[str, Any]:
        """The order's row."""
        (row,) = rows("SELECT * FROM acquiring_trade_order WHERE order_no = %s", self.order_no)
        return row

    def payments(self) -> list[dict[str, Any]]:
        """The payments of the order, oldest first."""
        return rows(
            "SELECT * FROM engine_payment_order WHERE order_no = %s ORDER BY payment_no",
            self.order_no,
        )

    def attempts(self) -> list[dict[str, Any]]:
        """The channel attempts of the order, oldest first."""
        return rows(
            "SELECT * FROM engine_channel_attempt WHERE order_no = %s ORDER BY attempt_no",
            self.order_no,
        )

    def late_money(self) -> list[dict[str, Any]]:
        """Money that came too late for the order."""
        return rows("SELECT * FROM engine_late_money WHERE order_no = %s", self.order_no)

    def event_types(self) -> list[str]:
        """What the merchant was told, in order."""
        return [
            row["type"]
            for row in rows(
                "SELECT type FROM acquiring_merchant_event WHERE object_no = %s ORDER BY event_id",
                self.order_no,
            )
        ]

    def moves(self) -> list[tuple[str, str]]:
        """The order's recorded moves."""
        return [
            (row["from_status"], row["to_status"])
            for row in rows(
                "SELECT from_status, to_status FROM acquiring_transition WHERE object_no = %s ORDER BY id",
                self.order_no,
            )
        ]

    def merchant_balance(self, currency: str = "CNY") -> int:
        """What the merchant has pending."""
        return balance_of(f"L20:{self.merchant.merchant_no}:{currency}")

    def footprint(self) -> tuple[Any, ...]:
        """Everything that a refusal must leave as it was."""
        return (
            self.order(),
            self.payments(),
            self.attempts(),
            self.event_types(),
            self.moves(),
            self.merchant_balance(),
        )


def make_trade(
    *, amount: int = 10_00, merchant: MerchantIdentity | None = None, **changes: Any
) -> Trade:
    """Create an order of 10.00 CNY, unless told otherwise, for a fresh merchant without fee."""
    who = merchant or make_identity()
    body = CreateOrder(
        **{
            "merchant_order_no": f"T-{secrets.token_hex(8)}",
            "amount": amount,
            "currency": "CNY",
            "subject": "Tea",
        }
        | changes
    )
    _, order_json = create_order(body=body, merchant=who)
    return Trade(who, msgspec.json.decode(order_json)["order_no"])


def make_identity(**settings: Any) -> MerchantIdentity:
    """Make a merchant and log it in; no fee unless told."""
    made = make_merchant(**{"fee_rate_ppm": 0} | settings)
    return authenticate_bearer(secret=made["secret_key"])


def rows(sql: str, *parameters: Any) -> list[dict[str, Any]]:
    """Ask the unit database."""
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def balance_of(account_code: str) -> int:
    """The balance of an account, 0 when it was never opened."""
    (row,) = rows("SELECT ledger_account_balance(%s) AS balance", account_code)
    return int(row["balance"])
