"""Risk 风控 at acceptance: every wish to pay is judged before anything moves, and the decision is kept.

No PostgreSQL round trip for a wish that passes: the version of the rules comes with the order, the rules out of the
process, the decision goes in with the payment. One round trip to Redis, and only where a velocity rule applies.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings

from acquiring.contracts import Method, PayableOrder
from checkout.contracts import PayerConfirmationRequired, RiskPending, RiskRejected
from checkout.models import RiskDecision, RiskReview
from checkout.risk.deciding import Decision, RiskOutcome, decide, list_counters
from checkout.risk.facts import Facts, Proof, name_proof, tidy_address
from checkout.risk.rules import RuleSet
from checkout.services.payable import Agreement
from checkout.services.risk_rules import read_rules
from checkout.services.velocity import count_tries
from checkout.services.wishes import PayCommand, name_payer
from engine import api as engine
from engine.contracts import Capability
from paymentplatform.kernel import metrics, numbers, transactions

_REFUSALS: Final = {
    RiskOutcome.BLOCK: RiskRejected,
    RiskOutcome.CONFIRM: PayerConfirmationRequired,
    RiskOutcome.REVIEW: RiskPending,
    RiskOutcome.UNCOUNTED: RiskPending,
}
"""What is said outward: never which rule, which list or which count."""


class DecisionRow(NamedTuple):
    """A decision as its table keeps it; facts and the rules that fired are JSON."""

    outcome: str
    reason: str
    facts: str
    fired: str
    rules_version: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """A decision with the facts and the version of the rules that it was made from."""

    decision: Decision
    facts: Facts
    rules_version: int

    @property
    def demands_challenge(self) -> bool:
        """Whether the channel must ask the payer for 3-D Secure."""
        return self.decision.outcome is RiskOutcome.CHALLENGE

    def build_row(self) -> DecisionRow:
        """Return the row to be kept, without the numbers of order and payment."""
        fired = [
            (one.rule.rule_no, one.rule.revision, one.rule.mode, one.is_known)
            for one in self.decision.fired
        ]
        return DecisionRow(
            self.decision.outcome,
            self.decision.reason,
            msgspec.json.encode(self.facts).decode(),
            msgspec.json.encode(fired).decode(),
            self.rules_version,
        )


@transactions.forbid
def judge_wish(
    command: PayCommand,
    *,
    order: PayableOrder,
    agreement: Agreement | None,
    rules_version: int,
    wish_digest: str,
) -> Judgement:
    """Judge a wish to pay and return the judgement that lets it through (forbid: may ask Redis).

    Raises RiskRejected, RiskPending or PayerConfirmationRequired for one that does not pass; the decision, and a
    review where one is asked for, are kept then, and nothing else has changed. Raises what ``name_payer`` raises.
    """
    rules = read_rules(version=rules_version)
    facts = _gather_facts(command, order, agreement)
    counters = list_counters(facts, rules)
    if counters:
        facts = msgspec.structs.replace(facts, counts=count_tries(counters))
    judgement = _judge(facts, rules)
    if judgement.decision.outcome is RiskOutcome.REVIEW:
        judgement = _hear_reviewer(judgement, rules, order_no=order.order_no, digest=wish_digest)
    outcome = judgement.decision.outcome
    metrics.RISK_DECISIONS.labels(outcome).inc()
    if judgement.decision.passes:
        return judgement
    _keep_refusal(judgement=judgement, order=order, wish_digest=wish_digest)
    raise _REFUSALS[outcome]


@transactions.require
def record_judgement(judgement: Judgement, *, order_no: str, payment_no: str | None) -> None:
    """Keep a decision in the transaction of what was decided (require)."""
    row = judgement.build_row()
    RiskDecision.objects.create(
        order_no=order_no,
        payment_no=payment_no,
        outcome=row.outcome,
        reason=row.reason,
        facts=msgspec.json.decode(row.facts),
        fired=msgspec.json.decode(row.fired),
        rules_version=row.rules_version,
    )


def _judge(facts: Facts, rules: RuleSet) -> Judgement:
    bound = settings.RISK_ALLOW_UNCOUNTED_UP_TO.get(facts.currency, 0)
    return Judgement(decide(facts, rules, allow_uncounted_up_to=bound), facts, rules.version)


def _gather_facts(command: PayCommand, order: PayableOrder, agreement: Agreement | None) -> Facts:
    payer_no = name_payer(command, agreement)[1] if command.takes_balance else None
    now = time.time()
    local = datetime.fromtimestamp(now, ZoneInfo(settings.BUSINESS_TIME_ZONE))
    return Facts(
        at=int(now),
        merchant=order.merchant_no,
        method=command.method,
        amount=order.amount,
        currency=order.currency,
        source=command.cause,
        terminal=command.terminal,
        weekday=local.isoweekday(),
        minute=local.hour * 60 + local.minute,
        payer=payer_no,
        card=_name_card(command.options.card_token),
        ip=tidy_address(command.payer_ip) if command.payer_ip else None,
        proof=_find_proof(command, order.currency),
    )


def _name_card(card_token: str | None) -> str | None:
    """Name a card without being able to pay with the name: its number here, or a digest of the institution's token."""
    if card_token is None or numbers.is_number(card_token, numbers.CARD):
        return card_token
    return hashlib.sha256(card_token.encode()).hexdigest()[:32]


def _find_proof(command: PayCommand, currency: str) -> Proof:
    can_challenge = command.method == Method.BANK_CARD and any(
        channel.takes_method and channel.can_challenge
        for channel in engine.list_channel_facts(method=Capability.BANK_CARD, currency=currency)
    )
    return name_proof(
        method=command.method,
        takes_balance=command.takes_balance,
        by_password=command.payer_no is not None,
        can_challenge=can_challenge,
    )


def _hear_reviewer(
    judgement: Judgement, rules: RuleSet, *, order_no: str, digest: str
) -> Judgement:
    """Judge again what an operator has approved; what was refused for good is blocked."""
    found = (
        RiskReview.objects.filter(order_no=order_no, wish_digest=digest)
        .values_list("status", "review_no")
        .first()
    )
    status, review_no = found or (None, "")
    if status == "APPROVED":
        return _judge(msgspec.structs.replace(judgement.facts, is_approved=True), rules)
    if status == "REJECTED":
        refused = Decision(RiskOutcome.BLOCK, review_no, judgement.decision.fired)
        return Judgement(refused, judgement.facts, judgement.rules_version)
    return judgement


@transactions.start
def _keep_refusal(*, judgement: Judgement, order: PayableOrder, wish_digest: str) -> None:
    record_judgement(judgement, order_no=order.order_no, payment_no=None)
    if judgement.decision.outcome is not RiskOutcome.REVIEW:
        return
    waiting = RiskReview(
        review_no=numbers.new_number(numbers.RISK_REVIEW),
        order_no=order.order_no,
        merchant_no=order.merchant_no,
        wish_digest=wish_digest,
        amount=order.amount,
        currency=order.currency,
        method=judgement.facts.method,
        rule_no=judgement.decision.reason,
        expires_at=order.expires_at,
    )
    RiskReview.objects.bulk_create([waiting], ignore_conflicts=True)
