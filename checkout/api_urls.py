"""Addresses of the merchant API that checkout answers."""

from django.urls import path

from checkout.views.agreements import AgreementCollection, AgreementItem
from checkout.views.merchant_api import PaymentMethods, PayOrder

urlpatterns = [
    path("orders/<str:order_no>/payment-methods", PaymentMethods.as_view(), name="payment-methods"),
    path("orders/<str:order_no>/pay", PayOrder.as_view(), name="pay"),
    path("payer-agreements", AgreementCollection.as_view(), name="payer-agreements"),
    path("payer-agreements/<str:agreement_no>", AgreementItem.as_view(), name="payer-agreement"),
]
