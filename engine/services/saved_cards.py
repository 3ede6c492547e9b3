"""Saved cards: kept when the payer ticked it on the institution's page, paid with by ``crd_…``, removed at once.

The channel's token is encrypted at rest and never shown, logged or given to anybody but its channel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from engine.channels.base import Capability, SavedCardData
from engine.channels.registry import list_channels
from engine.contracts import CardTokenInvalid, NoChannel, SavedCardView
from engine.models import PaymentOrder, SavedCard
from paymentplatform.kernel import numbers, transactions
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.encryption import decrypt_text, encrypt_text
from paymentplatform.kernel.errors import NotFound

_LAST_DIGITS = 4
_SEALED = "sealed_card_token"


def list_saved_cards(*, merchant_no: str, payer_ref: str | None) -> tuple[SavedCardView, ...]:
    """Return the cards with which this payer can pay this merchant now, newest first; none without a payer_ref."""
    if payer_ref is None:
        return ()
    codes = [channel.code for channel in list_channels(Capability.BANK_CARD)]
    cards = SavedCard.objects.filter(
        merchant_no=merchant_no,
        payer_ref=payer_ref,
        channel_code__in=codes,
        removed_at__isnull=True,
    ).order_by("-card_no")
    return tuple(SavedCardView(card.card_no, card.brand, card.last4) for card in cards)


def name_card_owner(*, merchant_no: str, payer_ref: str) -> str:
    """Name the payer at this merchant for channels: always the same name, which tells them nothing."""
    return hashlib.sha256(f"{merchant_no}\0{payer_ref}".encode()).hexdigest()[:40]


def find_card_channel(*, card_token: str | None, merchant_no: str) -> str | None:
    """Return the channel that a saved card of this merchant belongs to; None for whatever is no such card."""
    if card_token is None or not is_saved_card(card_token):
        return None
    cards = SavedCard.objects.filter(card_no=card_token, merchant_no=merchant_no)
    return cards.values_list("channel_code", flat=True).first()


def route_card_token(
    *, card_token: str | None, merchant_no: str, payer_ref: str | None, candidates: Sequence[str]
) -> tuple[str, ...]:
    """Return the channels that may be tried: for a saved card its own alone, else all candidates.

    Raises CardTokenInvalid when the card is not this payer's at this merchant, was removed, or its channel is not
    among the candidates.
    """
    if card_token is None or not is_saved_card(card_token):
        return tuple(candidates)
    card = SavedCard.objects.filter(
        card_no=card_token,
        merchant_no=merchant_no,
        payer_ref=payer_ref,
        removed_at__isnull=True,
    ).first()
    if card is None or payer_ref is None or card.channel_code not in candidates:
        raise CardTokenInvalid
    return (card.channel_code,)


def refuse_unroutable(
    *, card_token: str | None, merchant_no: str, payer_ref: str | None, candidates: Sequence[str]
) -> None:
    """Raise NoChannel without a candidate, CardTokenInvalid for a card that leads to none; changes nothing."""
    if not candidates:
        raise NoChannel
    route_card_token(
        card_token=card_token, merchant_no=merchant_no, payer_ref=payer_ref, candidates=candidates
    )


def is_saved_card(card_token: str) -> bool:
    """Tell one of our numbers from a token of a channel."""
    return numbers.is_number(card_token, numbers.CARD)


def find_channel_token(*, card_no: str) -> str | None:
    """Return the channel's token of a card, to be sent at once and kept nowhere; None when it was removed."""
    card = SavedCard.objects.filter(card_no=card_no, removed_at__isnull=True).first()
    return decrypt_text(card.token) if card is not None else None


def seal_options(options: Mapping[str, str]) -> dict[str, str]:
    """Return a payment's options as they are stored: a channel's card token encrypted, no clear one."""
    stored = dict(options)
    token = stored.get("card_token")
    if token is not None and not is_saved_card(token):
        del stored["card_token"]
        stored[_SEALED] = encrypt_text(token)
    return stored


def open_options(stored: Mapping[str, str]) -> dict[str, str] | None:
    """Return stored options for the channel, with its card token in clear; None when the saved card was removed."""
    options = dict(stored)
    sealed, given = options.pop(_SEALED, None), options.get("card_token", "")
    token = decrypt_text(sealed) if sealed is not None else given
    if is_saved_card(given):
        found = find_channel_token(card_no=given)
        if found is None:
            return None
        token = found
    return options | {"card_token": token} if token else options


@transactions.require
def save_card(*, payment: PaymentOrder, channel_code: str, card: SavedCardData) -> None:
    """Keep the card of a payment whose order names its payer, once (require); without payer_ref nothing is kept.

    Nor is a card that cannot be stored or shown: the success it came with counts all the same.
    """
    payer_ref = payment.context.get("payer_ref")
    if payer_ref is None or not _is_presentable(card):
        return
    SavedCard.objects.get_or_create(
        merchant_no=payment.merchant_no,
        payer_ref=payer_ref,
        channel_code=channel_code,
        token_digest=hashlib.sha256(card.token.encode()).hexdigest(),
        removed_at=None,
        defaults={
            "card_no": numbers.new_number(numbers.CARD),
            "token": encrypt_text(card.token),
            "brand": card.brand,
            "last4": card.last4,
        },
    )


def _is_presentable(card: SavedCardData) -> bool:
    words = (card.token, card.brand, card.last4)
    return all(word and word.isprintable() for word in words) and len(card.last4) <= _LAST_DIGITS


@transactions.start
def remove_saved_card(*, card_no: str, merchant_no: str | None = None) -> None:
    """Take a card away from its payer, at once; repeating changes nothing (start).

    ``merchant_no`` is who asks (None: an operator). Raises NotFound, also for another merchant's card.
    """
    card = SavedCard.objects.select_for_update().filter(card_no=card_no).first()
    if card is None or merchant_no not in {None, card.merchant_no}:
        raise NotFound
    if card.removed_at is None:
        card.removed_at = database_now()
        card.save(update_fields=["removed_at"])
