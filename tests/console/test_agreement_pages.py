"""An operator answers "I never agreed to this": what was asked, who agreed how, what was taken, and the end of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from acquiring.api import authenticate_bearer
from acquiring.contracts import Method
from checkout.models import AgreementRequest, PayerAgreement
from checkout.services.acceptance import pay_from_cashier
from paymentplatform.console.models import AuditLog
from paymentplatform.kernel import numbers
from tests.checkout.test_agreements import Asking
from tests.checkout.test_combined import AMOUNT, channel, collect, setting
from tests.makers import PASSWORD, make_payer, make_payer_token
from tests.trading import make_trade, rows

__all__ = ["channel"]


@pytest.fixture
def client(unit_database: str) -> Client:
    operator = User.objects.create_superuser(username=numbers.new_number("op"), password=None)
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(operator, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, *arguments: object) -> str:
    return reverse(f"admin:checkout_{name}", args=arguments)


def tables_of(text: str) -> dict[str, str]:
    found = re.findall(
        r'<section class="mt-8" aria-label="([^"]+)">(.*?)</section>', text, re.DOTALL
    )
    return dict(found)


def table(text: str, title: str) -> str:
    (found,) = [body for name, body in tables_of(text).items() if name.startswith(title)]
    return found


def pay(merchant: dict[str, str], **how: Any) -> str:
    trade = make_trade(merchant=authenticate_bearer(secret=merchant["secret_key"]))
    if "payer" in how:
        token = rows(
            "SELECT substr(order_no, 5) || cashier_secret AS t FROM acquiring_trade_order WHERE order_no = %s",
            trade.order_no,
        )[0]["t"]
        paid = pay_from_cashier(
            token=token,
            method="BALANCE",
            options={},
            payer_no=how["payer"],
            payment_password=PASSWORD,
            terminal="WEB",
        )
    else:
        paid = trade.pay(Method.BALANCE, payer_token=how["token"])
    assert paid.status == "PAID"
    return str(paid.payment_no)


def test_the_page_tells_what_was_taken_under_it_and_what_not(client):
    asking, payer = Asking(subject="Tea", payer_ref="customer-7"), make_payer()
    asking.agree(payer)
    token = asking.get()["payer_token"]
    other = make_payer_token(payer_no=payer, merchant_no=asking.merchant["merchant_no"])
    other_no = PayerAgreement.objects.filter(payer=payer).exclude(pk=asking.number).get().pk
    under = pay(asking.merchant, token=token)
    beside = pay(asking.merchant, token=other)
    himself = pay(asking.merchant, payer=payer)
    text = client.get(page("payeragreement_change", asking.number)).content.decode()
    made, others = table(text, "Payments made under it"), table(text, "Other payments")
    assert [no in made for no in (under, beside, himself)] == [True, False, False]
    assert [no in others for no in (under, beside, himself)] == [False, True, True]
    assert page("payeragreement_change", other_no) in others
    assert "cashier" in others
    assert "ACTIVE" in table(text, "Moves")
    for shown in ("Tea", "customer-7", "/account", "with the payment password, on our page"):
        assert shown in text
    assert f"{reverse('admin:console_auditlog_changelist')}?q={asking.number}" in text
    recorded = client.get(page("payeragreement_change", other_no)).content.decode()
    assert "Recorded by an operator" in recorded
    assert under not in table(recorded, "Payments made under it")


@pytest.mark.usefixtures("channel")
def test_a_combined_payment_is_under_it_before_and_after_it_ends(client):
    made = setting(balance=5_000)
    number, address = made.agreement().pk, page("payeragreement_change", made.agreement().pk)
    accepted = made.trade.pay_combined(payer_token=made.token, balance_amount=3_000)
    for status in ("PAYING", "PAID"):
        under = table(client.get(address).content.decode(), "Payments made under it")
        assert accepted.payment_no in under
        assert ("30.00 CNY" in under, f">{status}<" in under) == (True, True), number
        if status == "PAYING":
            collect(made.trade, AMOUNT - 3_000)


def test_requests_are_listed_by_number_and_status_without_what_opens_them(client):
    asking, declined = Asking(payer_ref="anna"), Asking()
    declined.delete()
    listed = page("agreementrequest_changelist")
    for query in ({"q": asking.number}, {"q": asking.merchant["merchant_no"]}):
        found = client.get(listed, query).content.decode()
        assert asking.number in found
        assert declined.number not in found
    revoked = client.get(listed, {"status__exact": "REVOKED"}).content.decode()
    assert (declined.number in revoked, asking.number in revoked) == (True, False)
    asking.agree(make_payer())
    text = client.get(page("agreementrequest_change", asking.number)).content.decode()
    assert page("payeragreement_change", asking.number) in text
    kept = AgreementRequest.objects.get(pk=asking.number)
    for secret in (kept.page_secret, kept.sealed_token, asking.get()["payer_token"]):
        assert secret
        assert secret not in text


def test_ending_it_names_whose_it_is_and_is_written_once(client):
    asking, payer = Asking(), make_payer()
    asking.agree(payer)
    address = page("payeragreement_change", asking.number).removesuffix("change/") + "revoke/"
    asked = client.get(address).content.decode()
    for shown in (payer, asking.merchant["merchant_no"], "50.00", "80.00"):
        assert shown in asked
    first = client.post(address, {"reason": "He asked"}, follow=True).content.decode()
    assert "The agreement is revoked." in first
    before = asking.footprint()
    again = client.post(address, {"reason": "He asked"}, follow=True).content.decode()
    assert "has ended already" in again
    assert asking.footprint() == before
    assert AuditLog.objects.filter(object_no=asking.number).count() == 1
    log = client.get(reverse("admin:console_auditlog_changelist"), {"q": asking.number})
    assert page("payeragreement_change", asking.number) in log.content.decode()
    merchant_no = asking.merchant["merchant_no"]
    shop = client.get(reverse("admin:acquiring_merchant_change", args=[merchant_no]))
    assert f"{page('payeragreement_changelist')}?q={merchant_no}" in shop.content.decode()
