"""Every address of the platform."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [path("admin/", admin.site.urls)]

for prefix, module in (
    ("api/v1/", "acquiring.urls"),
    ("api/v1/", "checkout.api_urls"),
    ("channels/", "engine.urls"),
    ("cashier/", "checkout.urls"),
):
    if find_spec(module) is not None:
        urlpatterns.append(path(prefix, include(module)))
