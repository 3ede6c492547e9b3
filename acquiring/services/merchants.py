"""Merchants and their webhook secrets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection

from acquiring.models import Credential, FeeContract, Merchant
from acquiring.services.credentials import IssuedCredential, add_first_credential, check_reference
from acquiring.webhooks.signing import make_webhook_secret
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.encryption import decrypt_text, encrypt_text
from paymentplatform.kernel.errors import Action, Conflict, InvalidRequest, NotFound

MAX_ASK_MINUTES = 10_080
"""A week: the payer is waiting for the money all this time."""

MAX_REFUNDS_PER_ORDER = 1_000
MAX_REFUND_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """A merchant just made, with the secrets that are shown once; ``repeated``: made before, and no secret is shown."""

    merchant_no: str
    credential: IssuedCredential
    webhook_secret: str
    repeated: bool = False


class MerchantReferenceUsed(Conflict):
    """A merchant of another name was made under this reference."""

    code = "merchant_reference_used"
    title = "The reference belongs to another merchant"
    action = Action.FIX_REQUEST


@transactions.start
def create_merchant(
    *,
    name: str,
    return_origins: tuple[str, ...] = (),
    fee_rate_ppm: int = 0,
    late_money_policy: str = Merchant.LateMoneyPolicy.REFUND,
    late_money_ask_minutes: int = 60,
    max_tries: int | None = None,
    reference: str | None = None,
) -> NewMerchant:
    """Create a merchant with one credential, one webhook secret and a fee contract valid at once (start).

    ``fee_rate_ppm`` is in millionths of the amount; a merchant with the policy ASK has ``late_money_ask_minutes`` to
    answer. ``reference`` is the caller's own number for this wish: with the same one again nothing is made, and the
    merchant is named without its secrets. Raises InvalidRequest, MerchantReferenceUsed.
    """
    if not name.strip():
        raise InvalidRequest("A merchant needs a name.")
    if not 0 <= fee_rate_ppm <= 1_000_000:
        raise InvalidRequest("fee_rate_ppm must be between 0 and 1000000.")
    _check_minutes(late_money_ask_minutes)
    known = _find_made(reference, name.strip()) if reference is not None else None
    if known is not None:
        return known
    webhook_secret = make_webhook_secret()
    merchant = Merchant.objects.create(
        merchant_no=numbers.new_number(numbers.MERCHANT),
        name=name.strip(),
        return_origins=[parse_origin(origin) for origin in return_origins],
        webhook_secrets=encrypt_text(json.dumps([webhook_secret])),
        late_money_policy=late_money_policy,
        late_money_ask_minutes=late_money_ask_minutes,
        max_tries=max_tries or settings.ORDER_MAX_TRIES,
        reference=reference,
    )
    FeeContract.objects.create(
        contract_no=numbers.new_number(numbers.FEE_CONTRACT),
        merchant=merchant,
        rate_ppm=fee_rate_ppm,
        valid_from=database_now(),
    )
    return NewMerchant(merchant.merchant_no, add_first_credential(merchant), webhook_secret)


def _find_made(reference: str, name: str) -> NewMerchant | None:
    """Return what was made under this reference; whoever wants the same at once waits."""
    check_reference(reference)
    with connection.cursor() as cursor:
        named = f"merchant reference {reference}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [named])
    merchant = Merchant.objects.filter(reference=reference).first()
    if merchant is None:
        return None
    if merchant.name != name:
        raise MerchantReferenceUsed(
            f"{reference} has made {merchant.merchant_no}, {merchant.name}."
        )
    first = Credential.objects.filter(merchant=merchant).earliest("key_id")
    issued = IssuedCredential(first.key_id, "", first.algorithm)
    return NewMerchant(merchant.merchant_no, issued, "", repeated=True)


@transactions.start
def add_return_origin(*, merchant_no: str, origin: str) -> None:
    """Register one more origin for return_url; repeating changes nothing (start). Raises NotFound."""
    merchant = Merchant.objects.select_for_update().filter(merchant_no=merchant_no).first()
    if merchant is None:
        raise NotFound
    wanted = parse_origin(origin)
    if wanted not in merchant.return_origins:
        merchant.return_origins = [*merchant.return_origins, wanted]
        merchant.save(update_fields=["return_origins"])


def parse_origin(origin: str) -> str:
    """Normalise ``scheme://host[:port]``. Raises InvalidRequest for anything else."""
    parts = urlsplit(origin)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.username:
        raise InvalidRequest(f"Not a web origin: {origin}")
    return f"{parts.scheme}://{parts.netloc.lower()}"


@transactions.start
def change_merchant(
    *,
    merchant_no: str,
    name: str,
    return_origins: tuple[str, ...],
    late_money_policy: str,
    late_money_ask_minutes: int,
    max_refunds_per_order: int,
    refund_window_days: int,
    status: str,
    rate_limit_per_s: int | None,
    signed_only: bool = False,
) -> None:
    """Change what operators may change of a merchant (start). Raises NotFound, InvalidRequest.

    ``rate_limit_per_s`` None means the platform's default. New limits of refunds hold for orders that are paid already,
    and 0 lets none be refunded. A DISABLED merchant's keys are refused at once and payers
    can neither pay it nor agree with it; payments under way end as they would have. ``signed_only`` refuses its
    Bearer keys at once.
    """
    merchant = Merchant.objects.select_for_update().filter(merchant_no=merchant_no).first()
    if merchant is None:
        raise NotFound
    _check_minutes(late_money_ask_minutes)
    _check_refund_limits(max_refunds_per_order, refund_window_days)
    merchant.name = name.strip()
    merchant.return_origins = [parse_origin(origin) for origin in return_origins]
    merchant.late_money_policy, merchant.status = late_money_policy, status
    merchant.late_money_ask_minutes = late_money_ask_minutes
    merchant.max_refunds_per_order = max_refunds_per_order
    merchant.refund_window_days = refund_window_days
    merchant.rate_limit_per_s = rate_limit_per_s
    merchant.signed_only = signed_only
    try:
        merchant.full_clean(exclude=["webhook_secrets"])
    except ValidationError as error:
        raise InvalidRequest("; ".join(error.messages)) from error
    changed = ("name", "return_origins", "late_money_policy", "late_money_ask_minutes", "status")
    limits = ("max_refunds_per_order", "refund_window_days", "rate_limit_per_s")
    merchant.save(update_fields=(*changed, *limits, "signed_only"))


def _check_minutes(minutes: int) -> None:
    if not 1 <= minutes <= MAX_ASK_MINUTES:
        raise InvalidRequest(f"A merchant has 1 to {MAX_ASK_MINUTES} minutes to answer.")


def _check_refund_limits(per_order: int, days: int) -> None:
    if not (0 <= per_order <= MAX_REFUNDS_PER_ORDER and 0 <= days <= MAX_REFUND_DAYS):
        raise InvalidRequest(
            f"An order takes 0 to {MAX_REFUNDS_PER_ORDER} refunds, within 0 to {MAX_REFUND_DAYS} days."
        )


class WebhookSecretStillSigns(Conflict):
    """A third secret would silence the older of the two that sign now, which the receiver may still verify by."""

    code = "webhook_secret_still_signs"
    title = "Two webhook secrets sign already"


@transactions.start
def rotate_webhook_secret(*, merchant_no: str, drop_oldest: bool = False) -> str:
    """Add a new signing secret in front; the previous one keeps signing beside it (start).

    Where two sign already the older one is dropped only when that is said: a rotation that was repeated by mistake
    would silence the secret that the receiver knows. Raises NotFound, WebhookSecretStillSigns.
    """
    merchant = Merchant.objects.select_for_update().filter(merchant_no=merchant_no).first()
    if merchant is None:
        raise NotFound(f"There is no merchant {merchant_no}.")
    fresh = make_webhook_secret()
    previous = json.loads(decrypt_text(merchant.webhook_secrets))
    if len(previous) > 1 and not drop_oldest:
        raise WebhookSecretStillSigns(
            f"Two webhook secrets of {merchant_no} sign already. Once its receiver verifies by the newer one, drop the"
            " older one (--drop-oldest)."
        )
    merchant.webhook_secrets = encrypt_text(json.dumps([fresh, *previous[:1]]))
    merchant.save(update_fields=["webhook_secrets"])
    return fresh


def list_webhook_secrets(*, merchant_no: str) -> list[str]:
    """Return the merchant's signing secrets, the newest first. Raises NotFound."""
    stored = (
        Merchant.objects.filter(merchant_no=merchant_no)
        .values_list("webhook_secrets", flat=True)
        .first()
    )
    if stored is None:
        raise NotFound
    return list(json.loads(decrypt_text(stored)))
