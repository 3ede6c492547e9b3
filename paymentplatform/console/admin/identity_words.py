"""What operators read of whose account one is."""

from __future__ import annotations

from django.utils.translation import gettext as say

from paymentplatform.console.models import OperatorIdentity


def name_person(row: OperatorIdentity | None) -> str:
    """Say who vouches for the person behind an account, or what is still missing."""
    if row is None:
        return say("Made on the server")
    if row.chosen_at is None:
        return say("%s gave it a password; its owner has not chosen his own") % row.password_from
    if row.confirmed_at is None:
        return say("Waits: another administrator must confirm its owner")
    return say("Confirmed by %s") % row.confirmed_by
