"""Pay pressed twice, and two tabs with two methods: one live payment, one charge."""

from __future__ import annotations

from typing import Any

from tests.barrier import run_times, run_together
from tests.live import LiveMerchant, LivePlatform

_ROUNDS = 6


def live_payments(platform: LivePlatform, order_no: str) -> list[dict[str, Any]]:
    """The payments of an order that could still take money, or have."""
    return platform.sql(
        "SELECT payment_no, method, status FROM engine_payment_order"
        " WHERE order_no = %s AND status <> 'FAILED'",
        order_no,
    )


def test_pressing_pay_twice_makes_one_payment_and_one_charge(platform: LivePlatform):
    merchant = platform.merchant(fee_rate_ppm=0)
    for _ in range(_ROUNDS):
        order_no = merchant.create()["order_no"]

        answers = run_times(4, lambda number=order_no: merchant.try_pay(number))

        assert {answer.status_code for answer in answers} == {200}, [a.text for a in answers]
        (payment_no,) = {answer.json()["payment_no"] for answer in answers}
        platform.confirm(payment_no)
        merchant.wait_for_status(order_no, "SUCCESS")
        assert platform.charges(order_no) == ["SUCCEEDED"]
    assert merchant.balance() == _ROUNDS * 10_00


def test_pressing_pay_twice_from_the_balance_takes_the_money_once(platform: LivePlatform):
    merchant, payer_no = platform.merchant(fee_rate_ppm=0), platform.payer(balance=1_000_00)
    token = merchant.payer_token(payer_no)
    for number in range(1, _ROUNDS + 1):
        order_no = merchant.create()["order_no"]

        answers = run_times(
            4, lambda no=order_no: merchant.try_pay(no, "BALANCE", payer_token=token)
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
        for answer in answers:
            told = answer.json()
            assert told["status"] == "PAID" or told["code"] == "order_already_paid"
        assert platform.balance(f"L10:{payer_no}:CNY") == 1_000_00 - number * 10_00
        assert merchant.balance() == number * 10_00


def test_two_tabs_with_two_methods_charge_once(platform: LivePlatform):
    merchant, payer_no = platform.merchant(fee_rate_ppm=0), platform.payer(balance=1_000_00)
    token = merchant.payer_token(payer_no)
    paid_from_balance = 0
    for _ in range(_ROUNDS):
        order_no = merchant.create()["order_no"]

        answers = run_together(
            [
                lambda no=order_no: merchant.try_pay(no),
                lambda no=order_no: merchant.try_pay(no, "BALANCE", payer_token=token),
            ]
        )

        assert {answer.status_code for answer in answers} <= {200, 409}, [a.text for a in answers]
        (payment,) = live_payments(platform, order_no)
        finish(merchant, order_no, payment)
        is_balance = payment["method"] == "BALANCE"
        paid_from_balance += is_balance
        assert platform.charges(order_no).count("SUCCEEDED") == (0 if is_balance else 1)
    assert merchant.balance() == _ROUNDS * 10_00
    assert platform.balance(f"L10:{payer_no}:CNY") == 1_000_00 - paid_from_balance * 10_00


def finish(merchant: LiveMerchant, order_no: str, payment: dict[str, Any]) -> None:
    """Have the payer pay what is left to pay; the order must succeed by this payment."""
    if payment["status"] != "PAID":
        merchant.platform.confirm(payment["payment_no"])
    order = merchant.wait_for_status(order_no, "SUCCESS")
    assert order["payment"]["payment_no"] == payment["payment_no"]
