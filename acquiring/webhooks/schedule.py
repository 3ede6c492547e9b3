"""What becomes of a delivery after a try. Pure: imports no framework."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

MAX_RETRY_AFTER_S: Final = 24 * 3600
EARLIEST: Final = 0.97
LATEST: Final = 1.10
"""Waits differ by at most a tenth; downward less, so that every schedule outlasts 24 hours and 4 minutes."""

_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class Reason(StrEnum):
    """Why a delivery is DEAD or SKIPPED."""

    EXHAUSTED = "exhausted"
    GONE = "gone"
    URL_REFUSED = "url_refused"
    NO_TARGET = "no_target"
    ENDPOINT_DISABLED = "endpoint_disabled"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state after the try; ``wait_s`` seconds until the next one where the state is still DUE."""

    status: str
    reason: str = ""
    wait_s: float = 0.0


def judge_try(
    *,
    status_code: int | None,
    error: str,
    retry_after_s: float | None,
    tries: int,
    ladder: Sequence[float],
    chance: float,
) -> Verdict:
    """Decide after try number ``tries`` (1 is the first).

    2xx ends well and 410 for ever. A URL that no rule allows cannot become better; a name that led to
    an inside address may, so that is tried again like any failure. ``ladder[n]`` seconds (− 3 to
    + 10 %, by ``chance`` in 0 … 1) lie between try n and the next, or longer where the receiver asked for it,
    24 hours at most.
    """
    if status_code is not None and 200 <= status_code <= 299:
        return Verdict("DELIVERED")
    if status_code == 410:
        return Verdict("DEAD", Reason.GONE)
    if error == Reason.URL_REFUSED:
        return Verdict("DEAD", Reason.URL_REFUSED)
    if tries >= len(ladder):
        return Verdict("DEAD", Reason.EXHAUSTED)
    wait_s = ladder[tries] * (EARLIEST + (LATEST - EARLIEST) * chance)
    if retry_after_s is not None:
        wait_s = max(wait_s, min(retry_after_s, MAX_RETRY_AFTER_S))
    return Verdict("DUE", wait_s=wait_s)


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Read a Retry-After header, seconds or an HTTP date; None for nonsense or the past."""
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - now).total_seconds(), 0.0)
