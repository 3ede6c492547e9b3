"""Every address of the platform. The API stands first: it is looked for most often."""

from __future__ import annotations

from importlib.util import find_spec

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from paymentplatform import documentation, health

urlpatterns: list[URLPattern | URLResolver] = [
    path(prefix, include(module))
    for prefix, module in (
        ("api/v1/", "acquiring.urls"),
        ("api/v1/", "checkout.api_urls"),
        ("channels/", "engine.urls"),
        ("cashier/", "checkout.urls"),
        ("agreements/", "checkout.agreement_urls"),
        ("wallet/", "checkout.wallet_urls"),
        ("demo/", "paymentplatform.demo.urls"),
    )
    if (module != "paymentplatform.demo.urls" or "paymentplatform.demo" in settings.INSTALLED_APPS)
    and find_spec(module) is not None
]
urlpatterns += [
    path("api/schema/", documentation.SchemaView.as_view(), name="schema"),
    path("api/docs/", documentation.show_console, name="docs"),
    path("api/reference/", documentation.show_reference, name="reference"),
    path("api/errors", documentation.list_error_codes, name="errors"),
    path("favicon.ico", documentation.show_icon, name="icon"),
    path("admin/", admin.site.urls),
    path("i18n/", include("django.conf.urls.i18n")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]

handler400 = "paymentplatform.exception_handler.handle_400"
handler403 = "paymentplatform.exception_handler.handle_403"
handler404 = "paymentplatform.exception_handler.handle_404"
handler500 = "paymentplatform.exception_handler.handle_500"
