"""Demo data: merchants, a rich payer and a poor one, an agreement, operators. Refused in production, safe to repeat."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user_model

from acquiring import api as acquiring
from checkout import api as checkout
from ledger import api as ledger
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.errors import PermissionRefused, Unauthenticated

CURRENCY: Final = "CNY"
BALANCE: Final = 100_000_000_000
"""What the demo payer owns after seeding, in fen."""

SMALL_BALANCE: Final = 2_000
"""What the second payer owns, in fen: less than anything in the demo shop costs, so that he pays by two methods."""

AGREEMENT_LIMIT: Final = 999_999_999_999
FEE_RATE_PPM: Final = 6_000
ADMIN: Final = "admin"
CHECKER: Final = "checker"
"""Approves what the first one proposes: nobody approves his own."""


def seed_demo(*, previous: Mapping[str, Any]) -> dict[str, str]:
    """Make what a demo needs and return it, secrets included; what ``previous`` names and still works is kept.

    Raises PermissionRefused in production. Each part is its own transaction: after a crash, seed again.
    """
    _refuse_in_production()
    checkout.seed_velocity_rules()
    shop = _seed_merchant(previous, prefix="shop_", name="Lantern 灯笼小铺")
    merchant = _seed_merchant(previous, prefix="", name="Demo Merchant")
    payer = _seed_payer(previous, merchant_no=merchant["merchant_no"])
    small_payer = _seed_small_payer(previous)
    operators = {
        **_seed_operator(previous, name=ADMIN, prefix="admin"),
        **_seed_operator(previous, name=CHECKER, prefix="checker"),
    }
    return {**merchant, **payer, **small_payer, **shop, **operators}


def plan_demo(*, previous: Mapping[str, Any]) -> dict[str, str]:
    """Tell of each part whether it would be kept or made; writes nothing. Raises PermissionRefused in production."""
    _refuse_in_production()

    def works(secret_key: Any) -> bool:
        try:
            acquiring.authenticate_bearer(secret=str(secret_key or ""))
        except Unauthenticated:
            return False
        return True

    users = get_user_model().objects
    kept = {
        "merchant": works(previous.get("secret_key")),
        "shop": works(previous.get("shop_secret_key")),
        "payer": checkout.is_payer(payer_no=str(previous.get("payer_no", ""))),
        "small_payer": checkout.is_payer(payer_no=str(previous.get("small_payer_no", ""))),
        ADMIN: users.filter(username=ADMIN).exists(),
        CHECKER: users.filter(username=CHECKER).exists(),
    }
    return {part: "kept" if is_there else "made" for part, is_there in kept.items()}


def _refuse_in_production() -> None:
    if settings.PLATFORM_ENV == "production":
        raise PermissionRefused("Demo data are not for production.")


def _seed_merchant(previous: Mapping[str, Any], *, prefix: str, name: str) -> dict[str, str]:
    kept = {
        key: str(previous.get(prefix + key, ""))
        for key in ("merchant_no", "secret_key", "webhook_secret")
    }
    try:
        identity = acquiring.authenticate_bearer(secret=kept["secret_key"])
    except Unauthenticated:
        made = acquiring.create_merchant(
            name=name, return_origins=(settings.BASE_URL,), fee_rate_ppm=FEE_RATE_PPM
        )
        kept = {
            "merchant_no": made.merchant_no,
            "secret_key": made.credential.secret,
            "webhook_secret": made.webhook_secret,
        }
    else:
        kept["merchant_no"] = identity.merchant_no
        acquiring.add_return_origin(merchant_no=identity.merchant_no, origin=settings.BASE_URL)
    return {prefix + key: value for key, value in kept.items()}


def _seed_payer(previous: Mapping[str, Any], *, merchant_no: str) -> dict[str, str]:
    payer_no = str(previous.get("payer_no", ""))
    password = str(previous.get("payer_password", ""))
    token = str(previous.get("payer_token", ""))
    if not payer_no or not checkout.is_payer(payer_no=payer_no):
        payer_no, password = _make_wallet("Demo Payer")
        token = ""
    if not token or previous.get("merchant_no") != merchant_no:
        token = checkout.create_agreement(
            payer_no=payer_no,
            merchant_no=merchant_no,
            currency=CURRENCY,
            max_per_payment=AGREEMENT_LIMIT,
            max_per_day=AGREEMENT_LIMIT,
        ).payer_token
    _fill_balance(payer_no=payer_no, up_to=BALANCE)
    return {"payer_no": payer_no, "payer_password": password, "payer_token": token}


def _seed_small_payer(previous: Mapping[str, Any]) -> dict[str, str]:
    payer_no = str(previous.get("small_payer_no", ""))
    password = str(previous.get("small_payer_password", ""))
    if not payer_no or not checkout.is_payer(payer_no=payer_no):
        payer_no, password = _make_wallet("Payer With Little")
    _fill_balance(payer_no=payer_no, up_to=SMALL_BALANCE)
    return {"small_payer_no": payer_no, "small_payer_password": password}


def _make_wallet(display_name: str) -> tuple[str, str]:
    password = f"{secrets.randbelow(10**6):06d}"
    return checkout.create_wallet(display_name=display_name, password=password), password


@transactions.start
def _fill_balance(*, payer_no: str, up_to: int) -> None:
    """Bring the payer's balance up to so many fen with a marked top-up (start)."""
    account = ledger.payer_balance(payer_no=payer_no, currency=CURRENCY)
    missing = up_to - ledger.get_balance(account_code=account).balance
    if missing > 0:
        ledger.post_journal(
            draft=ledger.build_top_up(
                reference=numbers.new_number("demo"),
                payer_no=payer_no,
                currency=CURRENCY,
                amount=missing,
            )
        )


def _seed_operator(previous: Mapping[str, Any], *, name: str, prefix: str) -> dict[str, str]:
    users = get_user_model()
    user = users.objects.filter(username=name).first()
    password = str(previous.get(f"{prefix}_password", ""))
    if user is None or not password or not user.check_password(password):
        password = secrets.token_urlsafe(12)
        if user is None:
            users.objects.create_superuser(username=name, password=password)
        else:
            user.set_password(password)
            user.save(update_fields=["password"])
    return {f"{prefix}_user": name, f"{prefix}_password": password}
