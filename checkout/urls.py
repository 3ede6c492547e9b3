"""Addresses of the cashier; mounted at ``/cashier/``."""

from __future__ import annotations

from django.urls import path

from checkout.views import cashier

app_name = "cashier"

urlpatterns = [
    path("<slug:token>", cashier.show_order, name="order"),
    path("<slug:token>/pay", cashier.pay_order, name="pay"),
    path("<slug:token>/payments/<slug:payment_no>", cashier.show_payment, name="payment"),
    path("<slug:token>/status", cashier.show_status, name="status"),
    path("<slug:token>/result", cashier.show_result, name="result"),
    path("<slug:token>/return", cashier.return_from_channel, name="return"),
]
