"""The dossier's page and its signed export."""

from __future__ import annotations

import json
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override
from django.views.decorators.csrf import csrf_protect

from paymentplatform.console.dossier import Dossier, build_dossier, fingerprint, sign_dossier
from paymentplatform.console.services.audit import record_operator_action
from paymentplatform.kernel import transactions
from paymentplatform.kernel.admin import ReasonForm
from paymentplatform.kernel.admin_tables import link_number, name_amounts, show_time
from paymentplatform.kernel.errors import NotFound
from paymentplatform.kernel.proposing import list_waiting_proposals

KIND_TITLES: Final = {
    "order": _("Order"),
    "payment": _("Payment"),
    "detail": _("Asset of the payment"),
    "attempt": _("Attempt"),
    "refund": _("Refund"),
    "late_money": _("Late money"),
    "case": _("Case"),
    "callback": _("Callback"),
    "channel_call": _("Call to a channel"),
    "journal": _("Journal"),
    "event": _("Event"),
    "delivery": _("Delivery"),
    "try": _("Try"),
    "move": _("Move"),
    "statement_line": _("Line of a statement"),
    "chargeback": _("Chargeback"),
    "difference": _("Difference"),
    "risk_decision": _("Risk decision"),
    "risk_review": _("Risk review"),
    "route_decision": _("Routing decision"),
    "proposal": _("Proposal"),
    "operator": _("Operator"),
}
"""What kinds of entries are called; an app's new kind appears by its own name until it stands here."""
LOOK: Final = "acquiring.view_tradeorder"
EXPORT: Final = "acquiring.export_dossier"


@csrf_protect
def show_dossier(request: HttpRequest, number: str, *, site: AdminSite) -> HttpResponse:
    """Show the dossier for the screen and the printer (GET), or hand out the signed document (POST, with a reason)."""
    if not request.user.has_perm(LOOK):
        raise PermissionDenied
    try:
        dossier = build_dossier(number=number)
    except NotFound as error:
        raise Http404(str(error)) from error
    form = ReasonForm(request.POST or None)
    if request.method == "POST":
        if not request.user.has_perm(EXPORT):
            raise PermissionDenied
        if form.is_valid():
            return _export(request, dossier.order_no, form.cleaned_data["reason"])
    shown = {
        **site.each_context(request),
        "title": say("Dossier of %s") % dossier.order_no,
        "dossier": dossier,
        "order": link_number(dossier.order_no),
        "rows": [_show(entry) for entry in dossier.entries],
        "form": form,
        "waiting_proposals": list_waiting_proposals(subject_nos=_list_subjects(dossier)),
        "may_export": request.user.has_perm(EXPORT),
    }
    return render(request, "console/dossier.html", shown)


def _list_subjects(dossier: Dossier) -> list[str]:
    """Return the order's number and that of everything that belongs to it."""
    return sorted({dossier.order_no, *(entry.number for entry in dossier.entries)})


def _show(entry: Any) -> dict[str, Any]:
    return {
        "at": show_time(entry.at),
        "kind": KIND_TITLES.get(entry.kind, entry.kind),
        "number": link_number(entry.number),
        "says": name_amounts(entry.says),
        "data": json.dumps(entry.data, indent=1, ensure_ascii=False),
    }


def _export(request: HttpRequest, order_no: str, reason: str) -> HttpResponse:
    with override("en"):  # One document for everybody, whatever its exporter reads.
        signed = sign_dossier(build_dossier(number=order_no))
    transactions.start(record_operator_action)(
        operator=request.user,
        action="export_dossier",
        object_no=order_no,
        reason=reason,
        after={"sha256": fingerprint(signed)},
    )
    answer = HttpResponse(
        json.dumps(signed, ensure_ascii=False, indent=1), content_type="application/json"
    )
    answer["Content-Disposition"] = f'attachment; filename="dossier-{order_no}.json"'
    answer["Cache-Control"] = "no-store"
    return answer
