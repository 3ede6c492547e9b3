"""The operators' pages: log-in limits and looks."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _

from paymentplatform.settings.environment import env
from paymentplatform.settings.security import BEHIND_TLS_PROXY

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "admin:login"

AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_SENSITIVE_PARAMETERS: list[str] = []
AXES_IPWARE_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=1) if BEHIND_TLS_PROXY else 0
AXES_IPWARE_META_PRECEDENCE_ORDER = (
    ["HTTP_X_FORWARDED_FOR", "REMOTE_ADDR"] if BEHIND_TLS_PROXY else ["REMOTE_ADDR"]
)

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""Lets a scraper on another machine read /metrics (as a Bearer token); without it only loopback may."""

UNFOLD = {
    "SITE_TITLE": _("Payment platform"),
    "SITE_HEADER": _("Payment platform"),
    "SITE_SYMBOL": "account_balance",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": True,
        "navigation": [
            {
                "title": _("Operations"),
                "items": [
                    {
                        "title": _("Audit log"),
                        "icon": "history",
                        "link": reverse_lazy("admin:console_auditlog_changelist"),
                    },
                ],
            },
        ],
    },
}
