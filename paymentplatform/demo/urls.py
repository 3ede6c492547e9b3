"""Addresses of the demo shop; mounted at ``/demo/`` outside production."""

from __future__ import annotations

from django.urls import path

from paymentplatform.demo import views

app_name = "demo"

urlpatterns = [
    path("", views.show_shop, name="shop"),
    path("buy", views.buy_product, name="buy"),
    path("orders/<slug:number>", views.show_sale, name="sale"),
    path("webhook", views.receive, name="webhook"),
]
