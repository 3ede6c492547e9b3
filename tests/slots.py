"""No thread of this process is free to wait for a channel: what would call one is left to a worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.conf import settings

from engine.services.call_slots import take_call_slot


@contextmanager
def no_slot_free() -> Iterator[None]:
    """Hold every slot for the block, however many there are."""
    with ExitStack() as held:
        for _slot in range(settings.CHANNEL_CALL_SLOTS):
            assert held.enter_context(take_call_slot())
        yield
