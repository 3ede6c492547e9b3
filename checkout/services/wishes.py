"""A wish to pay 支付请求, and why it is refused before anything moves.

A refusal changes nothing: what can be known without asking a channel is asked before the live payment, which another
wish would replace, is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from acquiring.contracts import Method, PayableOrder, PayerTokenInvalid
from checkout.catalogue import Wish
from checkout.contracts import MethodUnavailable, PayOptions
from checkout.services.consult import find_refusal, refuse_odd_options
from checkout.services.payable import Agreement
from checkout.services.routing import plan_route, refuse_unroutable
from checkout.services.spending import find_room_beside, release_failed_spending
from engine import api as engine
from paymentplatform.kernel.errors import FieldError, InvalidRequest

_OURS: Final = frozenset({"payer_token", "card_bin"})


@dataclass(frozen=True, slots=True)
class PayCommand:
    """A wish to pay. Exactly one of ``key_id`` (the merchant API) and ``merchant_no`` (our own pages) is set.

    ``payer_no`` names a payer who has proved himself on our pages. ``use_balance`` takes what the payer's balance may
    give and the rest by ``method``; ``balance_amount`` takes exactly so many minor units from it.
    ``payer_ip`` is where the payer's browser is; a merchant's server is not the payer.
    """

    order_no: str
    method: Method
    options: PayOptions
    cause: str
    key_id: str | None = None
    merchant_no: str | None = None
    payer_no: str | None = None
    use_balance: bool = False
    balance_amount: int | None = None
    terminal: str = "WEB"
    payer_ip: str | None = None

    @property
    def takes_balance(self) -> bool:
        """Whether the payer's balance is to give something."""
        return self.method == Method.BALANCE or self.use_balance or self.balance_amount is not None

    @property
    def is_exact(self) -> bool:
        """Whether the balance is to give a certain amount, not what it has."""
        return self.method == Method.BALANCE or self.balance_amount is not None

    @property
    def channel_options(self) -> dict[str, str]:
        """The options that a channel is told; a payer's token, and what is for routing alone, stay with us."""
        given = msgspec.structs.asdict(self.options).items()
        return {name: value for name, value in given if value is not None and name not in _OURS}

    def list_legs(self, order: PayableOrder) -> list[tuple[Method, int | None]]:
        """Return each method of the wish with what it is to carry, in minor units; None: the balance decides."""
        if self.method == Method.BALANCE or not self.takes_balance:
            return [(self.method, order.amount)]
        if self.balance_amount is None:
            return [(self.method, None), (Method.BALANCE, None)]
        rest = order.amount - self.balance_amount
        return [(self.method, rest or None), (Method.BALANCE, self.balance_amount)]

    def find_wanted(self, order: PayableOrder) -> int:
        """Return the most that the balance is to give, in minor units."""
        return order.amount if self.balance_amount is None else self.balance_amount


def refuse_odd_wish(command: PayCommand, order: PayableOrder) -> None:
    """Say what is wrong with ``balance_amount``, if anything is."""
    wanted = command.balance_amount
    if wanted is None:
        return
    if command.use_balance:
        code, detail = "conflict", "Give use_balance or balance_amount, not both."
    elif not 1 <= wanted <= order.amount:
        code, detail = "range", f"1 to {order.amount} minor units, the amount of the order"
    elif command.method == Method.BALANCE and wanted != order.amount:
        code, detail = "range", f"{order.amount}: BALANCE alone pays the whole order"
    else:
        return
    raise InvalidRequest(detail, errors=(FieldError("balance_amount", code, detail),))


def refuse_unoffered(command: PayCommand, order: PayableOrder) -> None:
    """Raise MethodUnavailable for a method that this order cannot use, InvalidRequest for an option that is not its."""
    for method, amount in command.list_legs(order):
        refuse_unfit(command, order, method=method, amount=amount)
    refuse_odd_options(
        method=command.method,
        bank_code=command.options.bank_code,
        wallet_code=command.options.wallet_code,
        card_token=command.options.card_token,
        card_bin=command.options.card_bin,
    )


def refuse_unfit(
    command: PayCommand, order: PayableOrder, *, method: Method, amount: int | None
) -> None:
    """Raise MethodUnavailable when the method cannot carry so many minor units (None: not known yet) of this order."""
    wish = Wish(
        merchant_no=order.merchant_no,
        currency=order.currency,
        amount=amount,
        terminal=command.terminal,
        allowed_methods=order.allowed_methods,
    )
    refusal = find_refusal(method=method, wish=wish)
    if refusal is not None:
        raise MethodUnavailable(f"{method} is not offered for this order: {refusal}.")


def name_payer(command: PayCommand, agreement: Agreement | None) -> tuple[Agreement | None, str]:
    """Return whose balance gives, and the agreement that lets a merchant take from it.

    Raises InvalidRequest without a token, PayerTokenInvalid for one that is not good.
    """
    if command.payer_no is not None:
        return None, command.payer_no
    if command.options.payer_token is None:
        detail = "Taking from a balance by a merchant needs the payer's token."
        raise InvalidRequest(
            detail, errors=(FieldError("options.payer_token", "required", detail),)
        )
    if agreement is None:
        raise PayerTokenInvalid
    return agreement, agreement.payer_no


def refuse_over_limit(agreement: Agreement | None, amount: int) -> None:
    """Raise PayerTokenInvalid for more minor units than the agreement allows in one payment."""
    if agreement is not None and amount > agreement.max_per_payment:
        raise PayerTokenInvalid("The amount is over the agreement's limit per payment.")


def refuse_hopeless(
    command: PayCommand,
    order: PayableOrder,
    *,
    agreement: Agreement | None,
    live_payment_no: str,
) -> None:
    """Refuse what could not be accepted even with the live payment out of the way; that one goes on untouched.

    Raises what acceptance would raise: InvalidRequest, MethodUnavailable, NoChannel, CardTokenInvalid,
    PayerTokenInvalid. Advice like consult's: acceptance checks everything again under its locks.
    """
    refuse_unoffered(command, order)
    if command.method != Method.BALANCE:
        route = plan_route(
            merchant_no=order.merchant_no,
            method=command.method,
            currency=order.currency,
            amount=max(1, order.amount - (command.balance_amount or 0)),
            terminal=command.terminal,
            options=command.channel_options,
            card_bin=command.options.card_bin,
        )
        refuse_unroutable(route)
        engine.refuse_unroutable(
            card_token=command.options.card_token,
            merchant_no=order.merchant_no,
            payer_ref=order.payer_ref,
            candidates=route.candidates,
        )
    if not command.takes_balance:
        return
    agreement, _payer_no = name_payer(command, agreement)
    if agreement is None or not command.is_exact:
        return
    wanted = command.find_wanted(order)
    refuse_over_limit(agreement, wanted)
    room = find_room_beside(agreement_no=agreement.agreement_no, payment_no=live_payment_no)
    if wanted > room and release_failed_spending(agreement_no=agreement.agreement_no):
        room = find_room_beside(agreement_no=agreement.agreement_no, payment_no=live_payment_no)
    if wanted > room:
        raise PayerTokenInvalid("The amount is over what the agreement still allows today.")
