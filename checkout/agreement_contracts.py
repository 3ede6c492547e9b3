"""Payer agreements 代扣协议 as merchants see and ask for them. Pure: imports no framework."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from acquiring.contracts import CashierStyle
from paymentplatform.kernel import fields
from paymentplatform.kernel.errors import Conflict
from paymentplatform.kernel.numbers import AGREEMENT


class AgreementStatus(StrEnum):
    """States of an agreement that a merchant asks for; DECLINED, EXPIRED and REVOKED are terminal."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    DECLINED = "DECLINED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class CreateAgreement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /payer-agreements. The payer sees the limits, your name and the subject, and decides."""

    max_per_payment: Annotated[
        int, fields.amount_of("The most that one payment may take.", least=1)
    ]
    max_per_day: Annotated[
        int, fields.amount_of("The most that all payments of a business day may take.", least=1)
    ]
    return_url: Annotated[
        str,
        fields.shown(
            "Where the payer goes afterwards; under an origin of yours.",
            format="uri",
            maxLength=2048,
        ),
    ]
    currency: fields.Currency = "CNY"
    subject: Annotated[str, fields.text_of("What it is for.", least=1, most=128)] | None = None
    payer_ref: (
        Annotated[str, fields.text_of("Your name for the payer; not shown.", least=1, most=64)]
        | None
    ) = None


class AgreementView(msgspec.Struct, frozen=True):
    """The PayerAgreement object of the merchant API; limits in minor units, times RFC 3339 UTC.

    `agreement_url` is where to send the payer, null once he has answered. `payer_token` is there for ten minutes after
    the consent, afterwards null for ever: keep it like a password.
    """

    agreement_no: Annotated[str, fields.number_of(AGREEMENT, "Our number of the agreement.")]
    status: Annotated[AgreementStatus, fields.shown("Only `ACTIVE` lets you take money.")]
    currency: fields.Currency
    max_per_payment: Annotated[int, fields.amount_of("The most that one payment may take.")]
    max_per_day: Annotated[
        int, fields.amount_of("The most that all payments of a business day may take.")
    ]
    subject: Annotated[str | None, fields.shown("What it is for.")]
    payer_ref: Annotated[str | None, fields.shown("Your name for the payer.")]
    return_url: Annotated[str | None, fields.shown("Where the payer goes afterwards.")]
    agreement_url: Annotated[
        str | None, fields.shown("Where to send the payer; null once he has answered.")
    ]
    payer_token: Annotated[
        str | None,
        fields.shown(
            "What pays; shown for ten minutes after the consent. Keep it like a password."
        ),
    ]
    created_at: fields.Time
    expires_at: fields.Time
    consented_at: fields.Time | None
    revoked_at: fields.Time | None


class AgreementEnded(Conflict):
    """The payer is no longer asked: somebody has answered, the merchant took it back, or the time is over."""

    code = "agreement_ended"
    title = "This agreement does not wait for an answer any more"


@dataclass(frozen=True, slots=True)
class LiveAgreement:
    """Another agreement in force of the same payer with the same merchant; limits in minor units."""

    agreement_no: str
    currency: str
    max_per_payment: int
    max_per_day: int


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """What the consent page may know; limits in minor units. ``return_url`` is the merchant's registered address.

    ``payer_no`` is who agreed, None before. ``beside`` are agreements that come in addition, told while this one is
    in force. ``style`` is the merchant's colour and logo.
    """

    page_token: str
    agreement_no: str
    status: AgreementStatus
    merchant_name: str
    currency: str
    max_per_payment: int
    max_per_day: int
    subject: str | None
    return_url: str | None
    expires_at: datetime
    expires_in_s: int
    payer_no: str | None = None
    beside: tuple[LiveAgreement, ...] = ()
    style: CashierStyle = field(default_factory=CashierStyle)
