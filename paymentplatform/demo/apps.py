"""Names the app; it is installed only outside production."""

from __future__ import annotations

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "paymentplatform.demo"
    label = "demo"
    verbose_name = "Demo shop"
