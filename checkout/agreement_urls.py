"""Addresses of the consent page; mounted at ``/agreements/``."""

from __future__ import annotations

from django.urls import path

from checkout.views import consent

app_name = "agreements"

urlpatterns = [
    path("<slug:token>", consent.show_consent, name="consent"),
    path("<slug:token>/answer", consent.answer_consent, name="answer"),
]
