"""Disabling a channel 停用渠道: one operator lets nothing new go there; two people let it go there again.

What runs goes on: inquiries, callbacks, closes and refunds of payments that are there already ask nobody for this.
"""

from __future__ import annotations

from typing import Final

from django.db import connection

from engine.channels import registry
from engine.health import forget_health
from engine.health_contracts import ChannelDisabled, ChannelNotDisabled
from engine.models import ChannelSwitch
from paymentplatform.kernel import transactions
from paymentplatform.kernel.errors import NotFound

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended('engine channel switch ' || %s, 0))"


@transactions.start
def disable_channel(*, channel_code: str, reason: str, made_by: str) -> None:
    """Let no new payment go to a channel: in this process at once, in every other within a second (start).

    Raises NotFound for a channel that this installation has not, ChannelDisabled when it is disabled already.
    """
    if _lock(channel_code):
        raise ChannelDisabled(f"{channel_code} is disabled already.")
    _switch(channel_code, is_disabled=True, reason=reason, made_by=made_by)


@transactions.require
def check_disabled_channel(*, channel_code: str) -> None:
    """Lock how the channel stands; raises NotFound, and ChannelNotDisabled when payments go there anyway (require)."""
    if not _lock(channel_code):
        raise ChannelNotDisabled(f"{channel_code} is not disabled.")


@transactions.require
def enable_channel(*, channel_code: str, reason: str, made_by: str) -> None:
    """Let payments go to a disabled channel again (require). Raises as ``check_disabled_channel`` does."""
    check_disabled_channel(channel_code=channel_code)
    _switch(channel_code, is_disabled=False, reason=reason, made_by=made_by)


def is_disabled(*, channel_code: str) -> bool:
    """Tell whether a channel is disabled, by the table itself."""
    newest = ChannelSwitch.objects.filter(channel_code=channel_code).order_by("-id").first()
    return newest is not None and newest.is_disabled


def list_disabled_channels() -> list[str]:
    """Return the codes of this installation's channels that are disabled."""
    newest = ChannelSwitch.objects.filter(channel_code__in=registry.list_channel_codes())
    newest = newest.order_by("channel_code", "-id").distinct("channel_code")
    return [row.channel_code for row in newest if row.is_disabled]


def _lock(channel_code: str) -> bool:
    """Let nobody else switch this channel until the transaction ends; returns whether it is disabled."""
    if channel_code not in registry.list_channel_codes():
        raise NotFound(f"There is no channel {channel_code}.")
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [channel_code])
    return is_disabled(channel_code=channel_code)


def _switch(channel_code: str, *, is_disabled: bool, reason: str, made_by: str) -> None:
    ChannelSwitch.objects.create(
        channel_code=channel_code, is_disabled=is_disabled, reason=reason, made_by=made_by
    )
    transactions.after_commit(forget_health)
