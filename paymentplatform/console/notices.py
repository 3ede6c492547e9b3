"""What the menu tells an operator without being asked: how many proposals wait for him."""

from __future__ import annotations

from typing import Final

from django.db import connection
from django.http import HttpRequest

from paymentplatform.console.proposals.table import KINDS

COUNTED: Final = 99
_WAITING: Final = """
SELECT count(*) FROM (SELECT 1 FROM console_proposal
    WHERE status = 'OPEN' AND expires_at > platform_now() AND kind = ANY(%s) AND maker <> %s LIMIT %s) AS waiting
"""


def count_waiting_proposals(request: HttpRequest) -> str:
    """Return how many proposals of others this operator may decide, as a badge."""
    user = request.user
    kinds = [name for name in KINDS if user.has_perm(f"console.approve_{name}")]
    if not kinds:
        return "0"
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [kinds, user.get_username(), COUNTED])
        (count,) = cursor.fetchone()
    return str(count)
