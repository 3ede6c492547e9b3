"""A merchant's API key: who holds its secret can move the merchant's money, so nobody of ours makes one alone."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from acquiring import api as acquiring
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.kernel.roles import ONLY_ADMINS, Role


def build_payload(
    *, merchant_no: str, algorithm: str, public_key: str | None = None, replaces: str | None = None
) -> dict[str, Any]:
    """Return the payload of a key; ``algorithm`` as the key's row has it, ``replaces`` the key that ends for it."""
    return {
        "merchant_no": merchant_no,
        "algorithm": algorithm,
        "public_key": public_key,
        "replaces": replaces,
    }


def _read(payload: Payload) -> acquiring.KeyWish:
    return acquiring.KeyWish(
        merchant_no=str(payload["merchant_no"]),
        algorithm=str(payload["algorithm"]),
        public_key=payload["public_key"],
        replaces=payload["replaces"],
    )


def _build_preview(payload: Payload) -> Preview:
    """Raises NotFound and InvalidRequest."""
    view = acquiring.preview_key_grant(wish=_read(payload))
    effects = {
        "merchant_no": str(payload["merchant_no"]),
        "merchant_name": view.merchant_name,
        "algorithm": view.algorithm,
        "replaces": payload["replaces"] or "–",
    }
    if view.fingerprint is not None:
        effects["fingerprint"] = view.fingerprint
    else:
        effects["secret"] = "collected once, by its proposer"  # noqa: S105 - words, no secret
    return Preview(None, effects)


def _execute(payload: Payload, approval: Approval) -> str:
    return acquiring.grant_key(wish=_read(payload), collector=approval.maker)


MERCHANT_KEY = ProposalKind(
    name="merchant_key",
    title=_("Merchant's key"),
    subject_of=lambda payload: str(payload["merchant_no"]),
    reference_of=lambda payload: str(payload["merchant_no"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=ONLY_ADMINS,
    approved_by=(Role.OPERATOR, Role.ADMIN),
    once=False,  # a merchant has several keys, one proposal at a time
)
