"""Acceptance 受理: the one way in which a payment starts, for pages and for the merchant API.

Advice given by consult is checked again here. Balance payments take two round trips; payments through a channel
are written ahead, with the payer's balance held for its part if there is one, then sent.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec
from django.conf import settings

from acquiring import api as acquiring
from acquiring.contracts import (
    Method,
    PayableOrder,
    PayerTokenInvalid,
    PaymentInProgress,
)
from checkout.contracts import MethodUnavailable, PayAction, PayOptions, PayResult
from checkout.services.balance_payments import BalancePayment, pay_from_balance
from checkout.services.cashier import build_pay_result
from checkout.services.combination import accept_payment, find_spendable
from checkout.services.password_tries import TriedFrom
from checkout.services.payable import Agreement, Payable, read_payable, refuse_unpayable
from checkout.services.risk import Judgement, judge_wish
from checkout.services.routing import plan_route, refuse_unroutable
from checkout.services.spending import release_failed_spending
from checkout.services.wallets import verify_payment_password
from checkout.services.wishes import (
    PayCommand,
    name_payer,
    refuse_hopeless,
    refuse_odd_wish,
    refuse_over_limit,
    refuse_unfit,
    refuse_unoffered,
)
from engine import api as engine
from paymentplatform.kernel import context, metrics, numbers, transactions
from paymentplatform.kernel.errors import InvalidRequest, PermissionRefused
from paymentplatform.kernel.failpoints import failpoint

_ROUNDS: Final = 3
"""How often acceptance looks again after something else moved the order under its hands."""


@transactions.forbid
def pay_order(command: PayCommand) -> PayResult:
    """Accept and carry out one payment as far as it goes now (forbid: may call a channel).

    Raises NotFound, OrderAlreadyPaid, OrderClosed, OrderClosing, OrderFailed, PaymentInProgress,
    MethodUnavailable, PayerTokenInvalid, InvalidRequest, and what ``judge_wish`` raises. Too little money is a FAILED
    payment, not an error.
    """
    judged: Judgement | None = None
    for rounds_left in reversed(range(_ROUNDS)):
        order, agreement, risk_version = _read(command)
        refuse_odd_wish(command, order)
        refuse_unpayable(order)
        digest = _digest_options(command)
        if order.status == "PAYING" and order.payment_no is not None:
            standing = engine.get_payment_progress(payment_no=order.payment_no)
            if standing.is_live and standing.options_digest == digest:
                return build_pay_result(standing)
            if standing.is_live:
                refuse_hopeless(
                    command, order, agreement=agreement, live_payment_no=order.payment_no
                )
                judged = judged or judge_wish(
                    command,
                    order=order,
                    agreement=agreement,
                    rules_version=risk_version,
                    wish_digest=digest,
                )
                _clear_the_way(order.payment_no)
            continue
        refuse_unoffered(command, order)
        judged = judged or judge_wish(
            command,
            order=order,
            agreement=agreement,
            rules_version=risk_version,
            wish_digest=digest,
        )
        wish = _AcceptedWish(command, order, judged, digest)
        try:
            if not command.takes_balance:
                return _pay_through_channel(wish)
            return _pay_with_balance(wish, agreement, may_plan_again=rounds_left > 0)
        except (PaymentInProgress, engine.PlanOutdated):
            continue
    raise PaymentInProgress


@transactions.forbid
def pay_from_cashier(
    *,
    token: str,
    method: str,
    options: dict[str, str],
    payer_no: str | None,
    payment_password: str | None,
    terminal: str,
    use_balance: bool = False,
    payer_ip: str | None = None,
) -> PayResult:
    """Pay from our own pages (forbid). Whoever takes from a balance gives the payer's number and payment password.

    ``use_balance`` with another method than BALANCE: the balance first, the rest by that method, in one payment; a
    balance that covers everything makes it a balance payment, an empty one a plain payment by the method. Number and
    password are needed for it as for BALANCE, and ignored without. Raises what ``pay_order`` raises,
    RateLimited, WrongPaymentPassword and PaymentPasswordLocked.
    """
    opened = acquiring.get_order_by_cashier_token(token=token)
    if not acquiring.is_active_merchant(merchant_no=opened.merchant_no):
        raise MethodUnavailable("The shop takes no payments at present.")
    try:
        command = PayCommand(
            order_no=opened.order.order_no,
            method=Method(method),
            options=msgspec.convert(options, PayOptions),
            cause="cashier",
            merchant_no=opened.merchant_no,
            payer_no=payer_no if use_balance or method == Method.BALANCE else None,
            use_balance=use_balance,
            terminal=terminal,
            payer_ip=payer_ip,
        )
    except (ValueError, msgspec.ValidationError):
        raise InvalidRequest("Choose one of the methods offered.") from None
    if command.options.payer_token is not None:
        raise PermissionRefused("A payer token is for the merchant API only.")
    if command.takes_balance:
        refuse_unpayable(_read(command).order)
        verify_payment_password(
            payer_no=payer_no or "",
            password=payment_password or "",
            tried=TriedFrom(address=payer_ip, page=token),
        )
        with context.acting(as_actor=f"payer:{payer_no}"):
            return pay_order(command)
    with context.acting(as_actor="payer"):
        return pay_order(command)


@dataclass(frozen=True, slots=True)
class _AcceptedWish:
    """A wish that passed every check: what is wished, for which order, the decision, and the wish's digest."""

    command: PayCommand
    order: PayableOrder
    judged: Judgement
    digest: str


def _read(command: PayCommand) -> Payable:
    return read_payable(
        order_no=command.order_no,
        key_id=command.key_id,
        merchant_no=command.merchant_no,
        payer_token=command.options.payer_token,
    )


def _clear_the_way(payment_no: str) -> None:
    """Another method was chosen: the live payment is inquired and closed first, or stays in the way."""
    ended = acquiring.close_live_payment(payment_no=payment_no)
    if ended.is_live:
        raise PaymentInProgress(
            "No new payment was started. The live one is being closed: ask again or query the order."
        )


def _pay_with_balance(
    wish: _AcceptedWish, agreement: Agreement | None, *, may_plan_again: bool
) -> PayResult:
    """Plan which of the payer's assets pay: the balance alone, it and the method, or the method alone."""
    command, order = wish.command, wish.order
    agreement, payer_no = name_payer(command, agreement)
    is_exact = command.is_exact
    spendable = command.find_wanted(order)
    if not is_exact:
        spendable = find_spendable(
            payer_no=payer_no,
            currency=order.currency,
            wanted=order.amount,
            agreement_no=agreement.agreement_no if agreement else None,
            max_per_payment=agreement.max_per_payment if agreement else None,
        )
    else:
        refuse_over_limit(agreement, spendable)
    plan = engine.plan_exchange(
        amount=order.amount,
        assets=(engine.InternalAsset(payer_no, spendable),),
        external_method=command.method,
        is_exact=is_exact or not may_plan_again,
    )
    taken = order.amount - (plan.external.amount if plan.external is not None else 0)
    if not is_exact and taken:
        refuse_unfit(command, order, method=Method.BALANCE, amount=taken)
    agreement_no = agreement.agreement_no if agreement is not None else None
    if plan.external is None:
        return _pay_from_balance(wish, plan, agreement_no)
    return _pay_through_channel(wish, plan=plan, agreement_no=agreement_no)


def _pay_from_balance(
    wish: _AcceptedWish, plan: engine.ExchangePlan, agreement_no: str | None
) -> PayResult:
    order = wish.order
    payment_no, detail_no, journal_no, event_id, delivery_no = numbers.new_numbers(
        numbers.PAYMENT, numbers.DETAIL, numbers.JOURNAL, numbers.EVENT, numbers.DELIVERY
    )
    payment = BalancePayment(
        order_no=order.order_no,
        merchant_no=order.merchant_no,
        payment_no=payment_no,
        detail_no=detail_no,
        journal_no=journal_no,
        event_id=event_id,
        delivery_no=delivery_no,
        payer_no=plan.payer_no or "",
        agreement_no=agreement_no,
        amount=order.amount,
        currency=order.currency,
        fee_amount=acquiring.calculate_fee(order=order, method=Method.BALANCE),
        options_digest=wish.digest,
        cause=agreement_no or wish.command.cause,  # so that operators find what an agreement paid
        actor=context.actor.get(),
        request_id=context.request_id.get(),
        decision=wish.judged.build_row(),
        payer_ref=order.payer_ref,
    )
    try:
        status = pay_from_balance(payment)
    except PayerTokenInvalid:
        # Nothing was written. Perhaps the day's limit is taken up by payments that have failed since.
        if agreement_no is None or not release_failed_spending(agreement_no=agreement_no):
            if not plan.is_exact:
                raise engine.PlanOutdated from None
            raise
        status = pay_from_balance(payment)
    failpoint("balance_payment_committed", order.order_no)
    failure_code = None if status == "PAID" else "insufficient_balance"
    acquiring.ring_deliveries()
    metrics.PAYMENT_OUTCOMES.labels(status, failure_code or "").inc()
    return PayResult(
        payment_no=payment_no,
        status=status,
        failure_code=failure_code,
        action=PayAction(type="none"),
    )


def _pay_through_channel(
    wish: _AcceptedWish,
    *,
    plan: engine.ExchangePlan | None = None,
    agreement_no: str | None = None,
) -> PayResult:
    command, order = wish.command, wish.order
    payment_no = numbers.new_number(numbers.PAYMENT)
    options = command.channel_options
    if wish.judged.demands_challenge:
        options |= engine.DEMANDS_CHALLENGE
    collected = order.amount if plan is None or plan.external is None else plan.external.amount
    if plan is not None:
        refuse_unfit(command, order, method=command.method, amount=collected)
    route = plan_route(
        merchant_no=order.merchant_no,
        method=command.method,
        currency=order.currency,
        amount=collected,
        seed=payment_no,
        terminal=command.terminal,
        options=options,
        card_bin=command.options.card_bin,
    )
    refuse_unroutable(route)
    accept_payment(
        new=engine.NewPayment(
            payment_no=payment_no,
            order_no=order.order_no,
            merchant_no=order.merchant_no,
            method=command.method,
            amount=order.amount,
            currency=order.currency,
            fee_amount=acquiring.calculate_fee(order=order, method=command.method),
            options_digest=wish.digest,
            candidates=route.candidates,
            subject=order.subject,
            expires_at=order.expires_at,
            return_url=f"{settings.BASE_URL}/cashier/{order.cashier_token}/return",
            options=options,
            metadata=order.metadata,
            plan=plan,
            terminal=command.terminal,
            payee=order.payee,
            payer_ref=order.payer_ref,
        ),
        cause=command.cause,
        agreement_no=agreement_no,
        judged=wish.judged,
        route=route,
    )
    failpoint("payment_accepted", order.order_no)
    return build_pay_result(acquiring.submit_payment(payment_no=payment_no))


def _digest_options(command: PayCommand) -> str:
    """Tell same method and options from another wish, without keeping what they were.

    ``card_bin`` is a hint for routing and makes no other wish.
    """
    options = msgspec.structs.asdict(command.options)
    del options["card_bin"]
    parts: list[object] = [command.method, command.payer_no, options]
    if command.use_balance or command.balance_amount is not None:
        parts += [command.use_balance, command.balance_amount]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
