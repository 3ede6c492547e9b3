"""Times as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def format_time(at: datetime) -> str:
    """Write RFC 3339 in UTC with milliseconds, as the SQL function ``platform_rfc3339`` does."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
