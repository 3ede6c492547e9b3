"""Addresses of a payer's own wallet; mounted at ``/wallet/``."""

from __future__ import annotations

from django.urls import path

from checkout.views import wallet

app_name = "wallet"

_NOBODYS = {"token": ""}
"""Pages of an order or an agreement are found by a token; these belong to whoever is logged in."""

urlpatterns = [
    path("", wallet.show_wallet, _NOBODYS, name="home"),
    path("login", wallet.show_login, _NOBODYS, name="login"),
    path("login/enter", wallet.take_login, _NOBODYS, name="enter"),
    path("logout", wallet.leave, _NOBODYS, name="logout"),
    path("agreements", wallet.show_agreements, _NOBODYS, name="agreements"),
    path("agreements/<slug:agreement_no>", wallet.show_agreement, _NOBODYS, name="agreement"),
    path("agreements/<slug:agreement_no>/revoke", wallet.revoke_agreement, _NOBODYS, name="revoke"),
]
