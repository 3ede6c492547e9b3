"""A new fee contract of a merchant: its price, and when its money becomes available. Older orders keep theirs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from acquiring import api as acquiring
from paymentplatform.console.contracts import Approval, Preview
from paymentplatform.console.proposals.base import Payload, ProposalKind
from paymentplatform.kernel.errors import InvalidRequest
from paymentplatform.kernel.roles import Role


def build_payload(
    *,
    merchant_no: str,
    rate_ppm: int,
    terms: Sequence[dict[str, Any]] = (),
    returned_on_refund: bool = True,
    settlement_days: int = 1,
    valid_from: datetime | None = None,
) -> dict[str, Any]:
    """Return the payload of a contract; ``terms`` as in ``acquiring.fee_terms``, ``valid_from`` None is on approval."""
    return {
        "merchant_no": merchant_no,
        "rate_ppm": rate_ppm,
        "terms": list(terms),
        "returned_on_refund": returned_on_refund,
        "settlement_days": settlement_days,
        "valid_from": valid_from.isoformat() if valid_from is not None else None,
    }


def _build_preview(payload: Payload) -> Preview:
    """Raises NotFound and InvalidRequest."""
    new = _read(payload)
    acquiring.check_fee_contract(new=new)
    effects: dict[str, int | str] = {
        "merchant_no": new.merchant_no,
        "rate_ppm": new.rate_ppm,
        "returned_on_refund": "yes" if new.returned_on_refund else "no",
        "settlement_days": new.settlement_days,
        "valid_from": payload["valid_from"] or "on approval",
    }
    for count, term in enumerate(payload["terms"], start=1):
        effects[f"term_{count}"] = ", ".join(
            f"{name} {value}" for name, value in sorted(term.items())
        )
    return Preview(None, effects)


def _execute(payload: Payload, _approval: Approval) -> str:
    return acquiring.make_fee_contract(new=_read(payload))


def _read(payload: Payload) -> acquiring.NewFeeContract:
    try:
        valid_from = payload["valid_from"] and datetime.fromisoformat(payload["valid_from"])
    except ValueError:
        raise InvalidRequest("valid_from is no time.") from None
    if valid_from and valid_from.tzinfo is None:
        raise InvalidRequest("valid_from needs its offset from UTC.")
    return acquiring.NewFeeContract(
        merchant_no=str(payload["merchant_no"]),
        rate_ppm=payload["rate_ppm"],
        terms=acquiring.read_terms(payload["terms"]),
        returned_on_refund=payload["returned_on_refund"],
        settlement_days=payload["settlement_days"],
        valid_from=valid_from or None,
    )


FEE_CONTRACT = ProposalKind(
    name="fee_contract",
    title=_("Fee contract"),
    subject_of=lambda payload: str(payload["merchant_no"]),
    reference_of=lambda payload: str(payload["merchant_no"]),
    build_preview=_build_preview,
    execute=_execute,
    proposed_by=(
        Role.OPERATOR,
        Role.ACCOUNTANT,
    ),
    approved_by=(Role.ACCOUNTANT,),
    once=False,  # the next contract is another agreement with the same merchant
)
