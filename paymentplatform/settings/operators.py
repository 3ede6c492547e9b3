"""The operators' pages: log-in limits and looks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from paymentplatform.settings.environment import env, in_production, read_amounts
from paymentplatform.settings.security import BEHIND_TLS_PROXY

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

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

OPERATOR_SECOND_FACTOR_REQUIRED = env.bool("OPERATOR_SECOND_FACTOR_REQUIRED", default=in_production)
"""Nobody works here by a password alone; an operator without a second factor enrols one at his next log-in."""
OPERATOR_IDLE_S = env.int("OPERATOR_IDLE_S", default=1800)
"""A session in which nobody has done anything for so long is over."""
OPERATOR_SESSION_S = env.int("OPERATOR_SESSION_S", default=8 * 3600)
"""A session is over after so long, whatever is done in it."""
OPERATOR_SESSIONS_MAX = env.int("OPERATOR_SESSIONS_MAX", default=3)
"""An operator's sessions at once; one more ends the oldest."""

OPERATOR_REFUND_LIMIT = read_amounts("OPERATOR_REFUND_LIMIT", default="CNY=500.00")
"""What one operator alone may refund of an order, all its refunds together: minor units by currency, 0 for others."""
OPERATOR_REFUND_DAY_LIMIT = read_amounts("OPERATOR_REFUND_DAY_LIMIT", default="CNY=2000.00")
"""What one operator alone may refund on one day, of all orders together: minor units by currency, 0 for others."""

METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
"""Lets a scraper on another machine read /metrics (as a Bearer token); without it only loopback may."""


def _link(title: Any, icon: str, model: str, *, query: str = "") -> dict[str, Any]:
    """Make one line of the sidebar, for those who may look at the model (``app.name``); ``query`` narrows its list."""
    app, name = model.split(".")

    def may_look(request: HttpRequest) -> bool:
        return request.user.has_perm(f"{app}.view_{name}")

    return {
        "title": title,
        "icon": icon,
        "link": format_lazy("{}{}", reverse_lazy(f"admin:{app}_{name}_changelist"), query),
        "permission": may_look,
    }


UNFOLD = {
    "SITE_TITLE": _("Payment platform"),
    "SITE_HEADER": _("Payment platform"),
    # There is no page at "/": no link may lead operators there.
    "SITE_URL": None,
    "SITE_SYMBOL": "account_balance",
    "SHOW_HISTORY": False,
    "DASHBOARD_CALLBACK": "paymentplatform.console.dashboard_views.fill_dashboard",
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": [lambda _request: static("console/console.css")],
    "SIDEBAR": {
        "show_search": True,
        "show_all_applications": False,
        "navigation": [
            {
                "title": _("Payments"),
                "items": [
                    _link(_("Orders"), "shopping_bag", "acquiring.tradeorder"),
                    _link(_("Payments"), "payments", "engine.paymentorder"),
                    _link(_("Refunds"), "undo", "engine.refund"),
                    _link(_("Attempts"), "sync_alt", "engine.channelattempt"),
                    _link(_("Callbacks"), "call_received", "engine.channelcallback"),
                ],
            },
            {
                "title": _("To be looked at"),
                "items": [
                    _link(_("Cases"), "report", "engine.case"),
                    _link(_("Late money"), "schedule", "engine.latemoney"),
                    _link(_("Differences"), "difference", "engine.discrepancy"),
                    _link(_("Risk reviews"), "gavel", "checkout.riskreview"),
                    _link(
                        _("Proposals"),
                        "approval",
                        "console.proposal",
                        query="?status__exact=OPEN",
                    )
                    | {"badge": "paymentplatform.console.notices.count_waiting_proposals"},
                ],
            },
            {
                "title": _("Told to merchants"),
                "items": [
                    _link(_("Events"), "campaign", "acquiring.merchantevent"),
                    _link(_("Webhook endpoints"), "webhook", "acquiring.webhookendpoint"),
                    _link(_("Deliveries"), "send", "acquiring.delivery"),
                    _link(
                        _("Dead letters"),
                        "unsubscribe",
                        "acquiring.delivery",
                        query="?status__exact=DEAD&resent=no",
                    ),
                ],
            },
            {
                "title": _("Parties"),
                "items": [
                    _link(_("Merchants"), "storefront", "acquiring.merchant"),
                    _link(_("Keys"), "key", "acquiring.credential"),
                    _link(_("Payers"), "wallet", "checkout.payerwallet"),
                    _link(_("Agreements"), "handshake", "checkout.payeragreement"),
                    _link(_("Agreement requests"), "contract_edit", "checkout.agreementrequest"),
                    _link(_("Saved cards"), "credit_card", "engine.savedcard"),
                ],
            },
            {
                "title": _("Where payments go"),
                "items": [
                    _link(_("Payment methods"), "tune", "checkout.paymentmethod"),
                    _link(_("Route book"), "alt_route", "checkout.routebookversion"),
                    _link(_("Channels"), "hub", "engine.knownchannel"),
                    _link(_("Maintenance windows"), "engineering", "engine.maintenancewindow"),
                ],
            },
            {
                "title": _("Risk rules"),
                "items": [
                    _link(_("Rules"), "rule", "checkout.riskrule"),
                    _link(_("List entries"), "list_alt", "checkout.risklistentry"),
                    _link(_("Risk decisions"), "policy", "checkout.riskdecision"),
                ],
            },
            {
                "title": _("Settlement"),
                "items": [
                    _link(_("Batches"), "inventory_2", "acquiring.settlementbatch"),
                    _link(_("Payouts"), "outbound", "acquiring.payout"),
                    _link(_("Risk holds"), "front_hand", "acquiring.settlementhold"),
                    _link(_("Fee contracts"), "percent", "acquiring.feecontract"),
                ],
            },
            {
                "title": _("Books"),
                "items": [
                    _link(_("Statements"), "description", "engine.statement"),
                    _link(_("Proofs"), "verified", "console.proofrun"),
                    _link(_("Accounts"), "account_balance", "ledger.account"),
                    _link(_("Journals"), "receipt_long", "ledger.journal"),
                    _link(_("Holds"), "lock", "ledger.hold"),
                ],
            },
            {
                "title": _("Operators"),
                "items": [
                    _link(_("Audit log"), "history", "console.auditlog"),
                    _link(_("Users"), "person", "auth.user"),
                    _link(_("Groups"), "group", "auth.group"),
                ],
            },
        ],
    },
}
