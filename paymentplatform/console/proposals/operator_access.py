"""What an operator may do, and whether his second factor is forgotten: two admins agree, so none makes a helper."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext_lazy as _

from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.console.services.operators import change_access, list_roles, lock_operator
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.roles import ONLY_ADMINS, Role


def build_payload(
    *, username: str, roles: Iterable[str], is_active: bool, forget_second_factor: bool
) -> dict[str, Any]:
    """Return the payload of a change of access; ``roles`` are all that the account has afterwards."""
    return {
        "username": username,
        "roles": sorted(roles),
        "is_active": is_active,
        "forget_second_factor": forget_second_factor,
    }


def _read_roles(payload: Payload) -> list[Role]:
    try:
        return [Role(name) for name in payload["roles"]]
    except ValueError:
        raise InvalidRequest("There is no such role.") from None


def _build_preview(payload: Payload) -> Preview:
    """Raises NotFound and InvalidRequest."""
    roles = _read_roles(payload)
    user = lock_operator(username=payload["username"])
    before = ", ".join(list_roles(user)) or "–"
    effects = {
        "username": user.username,
        "roles": f"{before} → {', '.join(role for role in Role if role in roles) or '–'}",
        "is_active": f"{user.is_active} → {payload['is_active']}",
        "forget_second_factor": str(payload["forget_second_factor"]),
    }
    return Preview(None, effects)


def _execute(payload: Payload, _approval: Approval) -> str:
    change_access(
        username=payload["username"],
        roles=_read_roles(payload),
        is_active=payload["is_active"],
        forget_second_factor=payload["forget_second_factor"],
    )
    return str(payload["username"])


OPERATOR_ACCESS = ProposalKind(
    name="operator_access",
    title=_("Operator's access"),
    subject_of=lambda payload: str(payload["username"]),
    reference_of=lambda payload: str(payload["username"]),
    build_preview=_build_preview,
    execute=_execute,
    once=False,
    proposed_by=ONLY_ADMINS,
    approved_by=ONLY_ADMINS,
)
