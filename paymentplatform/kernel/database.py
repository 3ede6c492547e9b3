"""SQL expressions that models of several apps use."""

from __future__ import annotations

from django.db.models import DateTimeField, Func


class PlatformNow(Func):
    """``platform_now()``: the one clock of the platform (see ``kernel.clock``)."""

    function = "platform_now"
    template = "%(function)s()"
    output_field = DateTimeField()
