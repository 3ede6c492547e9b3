"""What operators read of a delivery or endpoint that was given up: one sentence for each reason."""

from __future__ import annotations

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from acquiring.models import DeliveryTry, WebhookEndpoint
from acquiring.webhooks.schedule import Reason

_DELIVERY: Final[dict[str, Promise]] = {
    Reason.EXHAUSTED: _("every try failed, for more than a day"),
    Reason.GONE: _("the receiver answered 410"),
    Reason.URL_REFUSED: _("no webhook may go to this address"),
    Reason.NO_TARGET: _("there was neither a notify_url nor an endpoint that wanted it"),
    Reason.ENDPOINT_DISABLED: _("its endpoint was switched off while it waited"),
}
_ENDPOINT: Final[dict[str, Promise]] = {
    WebhookEndpoint.DisabledReason.GONE: _("the receiver answered 410"),
    WebhookEndpoint.DisabledReason.EXHAUSTED: _(
        "every try of a delivery failed, for more than a day"
    ),
    WebhookEndpoint.DisabledReason.MERCHANT: _("the merchant switched it off"),
    WebhookEndpoint.DisabledReason.OPERATOR: _("an operator switched it off"),
}


def explain_delivery(reason: str) -> str:
    """Return why a delivery is DEAD or SKIPPED: the code and a sentence; a dash for one that is neither."""
    return f"{reason}: {_DELIVERY[reason]}" if reason in _DELIVERY else reason or "–"


def explain_endpoint(reason: str | None) -> str:
    """Return why an endpoint is off: the code and a sentence; a dash for one that is on."""
    return f"{reason}: {_ENDPOINT[reason]}" if reason in _ENDPOINT else reason or "–"


def explain_try(made: DeliveryTry) -> str:
    """Return how a try ended."""
    if made.status_code is not None:
        return say("the receiver answered %d") % made.status_code
    return made.error
