"""One trade of a fresh merchant, through the services, with everything a test asks about it afterwards."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection

from acquiring.contracts import CreateOrder, CreateRefund, MerchantIdentity, Method
from acquiring.services.callers import authenticate_bearer
from acquiring.services.orders import create_order
from acquiring.services.refunds import create_refund
from checkout.contracts import PayOptions, PayResult
from checkout.services.acceptance import pay_order
from checkout.services.wishes import PayCommand
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

    def pay_combined(
        self,
        method: Method = Method.QR_CODE,
        *,
        payer_token: str | None = None,
        payer_no: str | None = None,
        use_balance: bool = False,
        balance_amount: int | None = None,
    ) -> PayResult:
        """Pay in part from a balance: as the merchant's server does, or as a payer who proved himself."""
        by_merchant = payer_no is None
        return pay_order(
            PayCommand(
                order_no=self.order_no,
                method=method,
                options=PayOptions(payer_token=payer_token),
                cause="api" if by_merchant else "cashier",
                key_id=self.merchant.key_id if by_merchant else None,
                merchant_no=None if by_merchant else self.merchant.merchant_no,
                payer_no=payer_no,
                use_balance=use_balance,
                balance_amount=balance_amount,
            )
        )

    def refund(self, amount: int, *, number: str | None = None, **changes: Any) -> dict[str, Any]:
        """Refund as the merchant's server does; returns the Refund object."""
        named = {
            "order_no": self.order_no,
            "merchant_refund_no": number or f"R-{secrets.token_hex(8)}",
        }
        body = CreateRefund(**named | {"amount": amount} | changes)
        _, refund_json = create_refund(body=body, merchant=self.merchant)
        return dict(msgspec.json.decode(refund_json))

    def refunds(self) -> list[dict[str, Any]]:
        """The refunds of the order, oldest first."""
        return rows(
            "SELECT * FROM engine_refund WHERE order_no = %s ORDER BY refund_no", self.order_no
        )

    def details(self) -> list[dict[str, Any]]:
        """The details of the order's payments, payment by payment, the balance's part first."""
        return rows(
            "SELECT d.* FROM engine_payment_detail d JOIN engine_payment_order p ON p.payment_no = d.payment_id"
            " WHERE p.order_no = %s ORDER BY p.payment_no, d.channel_code NULLS FIRST",
            self.order_no,
        )

    def holds(self) -> list[dict[str, Any]]:
        """The holds of the order's payments, oldest first."""
        return rows(
            "SELECT h.* FROM ledger_hold h JOIN engine_payment_order p ON p.payment_no = h.reference"
            " WHERE p.order_no = %s ORDER BY h.hold_no",
            self.order_no,
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
            self.details(),
            self.attempts(),
            self.holds(),
            self.refunds(),
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


def held_of(payer_no: str, currency: str = "CNY") -> tuple[int, int]:
    """(balance, held) of a payer."""
    found = rows(
        "SELECT b.balance, b.held FROM ledger_payer_balance b JOIN ledger_account a ON a.id = b.account_id"
        " WHERE a.code = %s",
        f"L10:{payer_no}:{currency}",
    )
    return (found[0]["balance"], found[0]["held"]) if found else (0, 0)


def open_holds_of(payer_no: str, currency: str = "CNY") -> int:
    """What the open holds of a payer add up to."""
    (row,) = rows(
        "SELECT coalesce(sum(h.amount), 0) AS total FROM ledger_hold h JOIN ledger_account a ON a.id = h.account_id"
        " WHERE a.code = %s AND h.status = 'OPEN'",
        f"L10:{payer_no}:{currency}",
    )
    return int(row["total"])
