"""A merchant that operators have disabled: its links stay, but nobody pays it or agrees with it any more."""

from __future__ import annotations

import pytest

from acquiring.models import Merchant
from checkout.contracts import MethodUnavailable
from checkout.services.acceptance import pay_from_cashier
from checkout.services.consent import AgreementEnded
from tests.checkout.test_acceptance import cashier_token, paying
from tests.checkout.test_agreements import Asking
from tests.makers import PASSWORD, make_payer


def disable(merchant_no: str) -> None:
    Merchant.objects.filter(pk=merchant_no).update(status=Merchant.Status.DISABLED)


def test_no_payment_starts_on_the_cashier():
    trade, payer_no, _ = paying()
    disable(trade.merchant.merchant_no)
    before = trade.footprint()
    for method in ("BALANCE", "QR_CODE"):
        with pytest.raises(MethodUnavailable):
            pay_from_cashier(
                token=cashier_token(trade),
                method=method,
                options={},
                payer_no=payer_no,
                payment_password=PASSWORD,
                terminal="WEB",
            )
    assert trade.footprint() == before


def test_no_payer_agrees():
    asking = Asking()
    disable(asking.row()["merchant_no"])
    before = asking.footprint()
    with pytest.raises(AgreementEnded):
        asking.agree(make_payer(balance=0))
    assert asking.footprint() == before
