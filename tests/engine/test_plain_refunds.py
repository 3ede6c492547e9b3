"""Plain refunds are accepted and ended in one call: to the last row what the readable way would have left."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from acquiring.contracts import CreateRefund, Method
from acquiring.endpoint_contracts import CreateWebhookEndpoint
from acquiring.models import FeeContract, Merchant
from acquiring.services import plain_refunds
from acquiring.services.credentials import revoke_credential
from acquiring.services.plain_refunds import (
    AcceptedRefund,
    RefundWish,
    accept_plain_refund,
    accept_together,
    describe_wish,
    take_refund_success,
)
from acquiring.services.refunds import _accept_any, create_refund
from acquiring.services.webhook_endpoints import create_endpoint
from engine.channels.base import ChannelAnswer, Notification, Outcome
from engine.contracts import Cause, InsufficientMerchantBalance
from engine.models import ChannelCallback, Chargeback
from engine.services import callbacks
from engine.services.plain_refunds import describe_refund_success
from engine.services.plain_successes import RawCallback
from engine.services.refund_outcomes import apply_refund_outcome, fold_refund_answer
from ledger import api as ledger
from ledger.contracts import JournalDraft, PostingDraft
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.context import acting
from paymentplatform.kernel.errors import DomainError, Unauthenticated, Unavailable
from tests.acquiring.settling import LONG as UNTIL_RELEASED
from tests.acquiring.settling import make_seller
from tests.barrier import failures, run_together
from tests.clock import VirtualClock
from tests.comparing import comparable_rows
from tests.engine.scripted import FIRST_CHANNEL, UNKNOWN, ScriptedChannel, charged
from tests.engine.test_refunds import NOT_FOUND, REFUSED, events_of, given_back
from tests.environment import LONG
from tests.ledger.test_races import deadlocks
from tests.makers import make_payer, make_payer_token
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, balance_of, make_identity, make_trade, rows
from tests.waiting import wait_until

Channels = tuple[ScriptedChannel, ScriptedChannel]

AMOUNT, OF_BALANCE = 10_00, 3_00
HEADERS = {"X-Sign": 'odd "}\\{, 签'}
BODY = b'{"odd": "\\u0000"}\x00\xff'
RAW = 'said: {"card_no": "4111 1111 1111 1111", "tok_123456789"}\x00'
OFTEN = 40 if LONG else 6
DRAWN = settings(
    max_examples=150 if LONG else 8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Wish:
    """What is refunded and what the request meets, as the property draws them."""

    paid_by: str = "channel"
    asks: str = "part"
    names: str = "ours"
    meets: str = ""
    earlier: tuple[tuple[int, str], ...] = ()
    fee_rate_ppm: int = 0
    returns_fee: bool = True
    is_notified: bool = False
    reason: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether one call of the database is to take it."""
        fits = self.asks != "more" and self.names != "another's" and not self.meets
        return fits and self.paid_by != "both"


IN_THE_WAY = ["no payment", "a chargeback", "its limit", "its window", "its number"]
wishes = st.builds(
    Wish,
    paid_by=st.sampled_from(["channel", "balance", "channel", "balance", "both"]),
    asks=st.sampled_from(["part", "part", "rest", "rest", "more"]),
    names=st.sampled_from(["ours", "theirs", "both", "another's"]),
    meets=st.sampled_from([""] * 8 + IN_THE_WAY),
    earlier=st.lists(
        st.tuples(st.integers(1, 3_33), st.sampled_from(["done", "failed", "waiting"])), max_size=2
    ).map(tuple),
    fee_rate_ppm=st.sampled_from([0, 6_000, 333_333]),
    returns_fee=st.booleans(),
    is_notified=st.booleans(),
    reason=st.sampled_from([None, 'Cold "}\\{, 冷']),
)


@dataclass(frozen=True)
class Case:
    """One order of a fresh merchant, and the refund that is asked for."""

    trade: Trade
    payer_no: str
    body: CreateRefund

    def describe(self) -> RefundWish:
        """What the database is told of it."""
        return describe_wish(body=self.body, merchant=self.trade.merchant)

    def accept_row_by_row(self) -> object:
        """The readable way; what it says."""
        try:
            made, accepted = _accept_any(self.body, self.trade.merchant)
        except DomainError as refusal:
            return type(refusal), str(refusal.detail), refusal.errors
        return made, accepted.status


def prepare(wish: Wish) -> Case:
    """Make everything that the wish needs under fresh numbers."""
    merchant = make_identity(fee_rate_ppm=wish.fee_rate_ppm)
    who = merchant.merchant_no
    if not wish.returns_fee:
        FeeContract.objects.create(
            contract_no=numbers.new_number("fee"),
            merchant_id=who,
            rate_ppm=wish.fee_rate_ppm,
            returned_on_refund=False,
            valid_from=database_now(),
        )
        move_money(
            "A20:platform:CNY", f"L20:{who}:CNY", AMOUNT
        )  # the fee has to come from somewhere
    if wish.is_notified:
        wanted = CreateWebhookEndpoint(url="https://shop.example/hook", events=[])
        create_endpoint(merchant_no=who, body=wanted)
    notify_url = "https://shop.example/notify" if wish.is_notified else None
    payer_no = make_payer()
    token = make_payer_token(payer_no=payer_no, merchant_no=who)
    trade = make_trade(
        merchant=merchant, amount=AMOUNT, merchant_order_no="T-1", notify_url=notify_url
    )
    if wish.meets != "no payment":
        pay(trade, wish.paid_by, token)
        for at, (amount, end) in enumerate(wish.earlier):
            FIRST_CHANNEL.refund_answers[:] = answers_of(amount, end)
            trade.refund(amount, number=f"E-{at}")
    meet(trade, wish)
    order = trade.order()
    left = AMOUNT - order["refunded_amount"] - order["refunding_amount"]
    amount = {"part": min(left, 3_33), "rest": left, "more": left + 1}[wish.asks]
    return Case(
        trade,
        payer_no,
        CreateRefund(
            merchant_refund_no="R-1",
            amount=amount,
            order_no=None if wish.names == "theirs" else trade.order_no,
            merchant_order_no={"ours": None, "another's": "T-2"}.get(wish.names, "T-1"),
            reason=wish.reason,
        ),
    )


@transaction.atomic
def move_money(debit: str, credit: str, amount: int, *, spend: bool = False) -> None:
    posting = PostingDraft(debit, credit, amount, spend=spend)
    draft = JournalDraft("test", numbers.new_number("ref"), None, "CNY", (posting,))
    ledger.post_journal(draft=draft)


def pay(trade: Trade, paid_by: str, token: str) -> None:
    charge = AMOUNT - (OF_BALANCE if paid_by == "both" else 0)
    FIRST_CHANNEL.pay_answers[:] = [charged(charge, trade_no=new_charge())]
    if paid_by == "balance":
        result = trade.pay(Method.BALANCE, payer_token=token)
    elif paid_by == "both":
        result = trade.pay_combined(payer_token=token, balance_amount=OF_BALANCE)
    else:
        result = trade.pay()
    assert result.status == "PAID"


def answers_of(amount: int, end: str) -> list[ChannelAnswer]:
    """What the channel says to a refund that is to end so, whichever part of it the channel gives."""
    part = min(amount, AMOUNT - OF_BALANCE)
    return {"done": [given_back(part)], "failed": [REFUSED], "waiting": [UNKNOWN]}[end]


def meet(trade: Trade, wish: Wish) -> None:
    """Put into the way of the refund what the wish says."""
    who = trade.merchant.merchant_no
    if wish.meets == "a chargeback":
        (payment,) = trade.payments()
        Chargeback.objects.create(
            chargeback_no=numbers.new_number("cbk"),
            channel_code="scripted",
            channel_trade_no=new_charge(),
            attempt_no="",
            payment_no=payment["payment_no"],
            order_no=trade.order_no,
            merchant_no=who,
            amount=1,
            currency="CNY",
            statement_no="",
        )
    elif wish.meets == "its limit":
        live = sum(row["status"] != "FAILED" for row in trade.refunds())
        Merchant.objects.filter(pk=who).update(max_refunds_per_order=live)
    elif wish.meets == "its window":
        Merchant.objects.filter(pk=who).update(refund_window_days=0)
    elif wish.meets == "its number":
        other = make_trade(merchant=trade.merchant, amount=AMOUNT, merchant_order_no="T-3")
        pay(other, "channel", "")
        FIRST_CHANNEL.refund_answers[:] = [given_back(1)]
        other.refund(1, number="R-1")


def new_charge() -> str:
    return f"ch-{secrets.token_hex(6)}"


def plain_case(**changes: Any) -> Case:
    return prepare(Wish(**changes))


def written(case: Case) -> list[Any]:
    """Every row that a refund could have written, with its numbers and times made comparable."""
    payments = "(SELECT payment_no FROM engine_payment_order WHERE order_no = %(order)s)"
    refunds = "(SELECT refund_no FROM engine_refund WHERE order_no = %(order)s)"
    events = f"(SELECT event_id FROM acquiring_merchant_event WHERE object_no IN {refunds})"
    journals = f"(SELECT journal_no FROM ledger_journal WHERE event_id IN {refunds})"
    about = {
        "acquiring_trade_order": "order_no = %(order)s",
        "acquiring_transition": f"""object_no = %(order)s OR object_no IN
            (SELECT delivery_no FROM acquiring_delivery WHERE event_id IN {events})""",
        "acquiring_merchant_event": f"object_no IN {refunds}",
        "acquiring_delivery": f"event_id IN {events} ORDER BY event_id, target",
        "engine_payment_order": "order_no = %(order)s",
        "engine_payment_detail": f"payment_id IN {payments} ORDER BY channel_code",
        "engine_channel_attempt": "order_no = %(order)s",
        "engine_refund": "order_no = %(order)s",
        "engine_transition": f"object_no IN {refunds}",
        "engine_case": f"object_no IN {refunds}",
        "engine_channel_callback": f"refund_no IN {refunds}",
        "ledger_journal": f"journal_no IN {journals}",
        "ledger_posting": f"journal_no IN {journals} ORDER BY journal_no, line_no",
        "ledger_payer_balance": "account_id = (SELECT id FROM ledger_account WHERE code = %(payer)s)",
    }
    values = {"order": case.trade.order_no, "payer": f"L10:{case.payer_no}:CNY"}
    posted = rows(
        f"""SELECT d.code AS debit, c.code AS credit, p.amount FROM ledger_posting p
            JOIN ledger_account d ON d.id = p.debit_account_id JOIN ledger_account c ON c.id = p.credit_account_id
            WHERE p.journal_no IN {journals.replace("%(order)s", "%s")} ORDER BY p.journal_no, p.line_no""",
        case.trade.order_no,
    )
    who = case.trade.merchant.merchant_no
    named = [
        tuple(
            str(value).replace(who, "me").replace(case.payer_no, "payer") for value in row.values()
        )
        for row in posted
    ]
    balances = [balance_of(f"{kind}:{who}:CNY") for kind in ("L20", "L21")]
    return [*comparable_rows(about, values), named, balances]


def assert_same(one: Case, other: Case) -> None:
    for mine, theirs in zip(written(one), written(other), strict=True):
        assert mine == theirs


@pytest.mark.timeout(900)
@DRAWN
@example(
    [
        Wish(fee_rate_ppm=6_000, earlier=((3_33, "waiting"), (1, "done")), asks="rest"),
        Wish(paid_by="balance", fee_rate_ppm=333_333, earlier=((3_33, "done"),), is_notified=True),
        Wish(names="theirs", fee_rate_ppm=6_000, earlier=((3_33, "failed"),), reason="Cold"),
        Wish(paid_by="balance", names="both", fee_rate_ppm=6_000, returns_fee=False),
    ]
)
@example([Wish(fee_rate_ppm=6_000, meets=what) for what in IN_THE_WAY])
@example([Wish(asks="more"), Wish(names="another's"), Wish(paid_by="both", asks="rest")])
@given(st.lists(wishes, min_size=1, max_size=4))
def test_what_is_accepted_at_once_is_what_would_have_been_accepted_row_by_row(
    channels: Channels, asked: list[Wish]
):
    with acting(as_actor="merchant:me", under_request="req_" + "0" * 22):
        at_once, row_by_row = ([prepare(wish) for wish in asked] for _ in range(2))
        before = [case.trade.footprint() for case in at_once]
        accepted = accept_together([case.describe() for case in at_once])
        for wish, case, was, told in zip(asked, at_once, before, accepted, strict=True):
            assert (told is not None) == wish.is_plain
            if told is None:
                assert case.trade.footprint() == was
        said = [
            (True, told.status) if told is not None else case.accept_row_by_row()
            for case, told in zip(at_once, accepted, strict=True)
        ]
        assert said == [case.accept_row_by_row() for case in row_by_row]
        for one, other in zip(at_once, row_by_row, strict=True):
            assert_same(one, other)


@pytest.mark.parametrize("paid_by", ["balance", "channel"])
def test_what_was_released_comes_out_of_what_is_available(
    channels: Channels, clock: VirtualClock, paid_by: str
):
    cases = []
    for _ in range(2):
        seller = make_seller(fee_rate_ppm=6_000)
        trade = seller.sell() if paid_by == "balance" else seller.sell_by_channel(channels[0])
        clock.advance(UNTIL_RELEASED)
        seller.settle()
        body = CreateRefund(merchant_refund_no="R-1", amount=3_33, order_no=trade.order_no)
        cases.append(Case(trade, seller.payer_no, body))
    with acting(as_actor="merchant:me", under_request="req_" + "0" * 22):
        (accepted,) = accept_together([cases[0].describe()])
        cases[1].accept_row_by_row()
    assert accepted is not None
    assert cases[0].trade.refunds()[0]["source"] == "L21"
    assert_same(*cases)


@dataclass(frozen=True)
class Word:
    """What a channel says about a refund, and what that meets, as the property draws them."""

    cause: Cause = Cause.CALLBACK
    says: str = "all"
    paid_by: str = "channel"
    heard: tuple[str, ...] = ()
    raw: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether one call of the database is to take it."""
        waits = "less" not in self.heard and not {"all", "refused"} & set(self.heard)
        return self.says == "all" and self.paid_by == "channel" and waits


words = st.builds(
    Word,
    cause=st.sampled_from([Cause.CALLBACK, Cause.SYNC_ANSWER, Cause.INQUIRY, Cause.STATEMENT]),
    says=st.sampled_from(["all"] * 6 + ["less", "yen", "refused", "unknown"]),
    paid_by=st.sampled_from(["channel", "channel", "channel", "both"]),
    heard=st.lists(
        st.sampled_from(["unknown", "not found", "unknown", "less", "all", "refused"]), max_size=2
    ).map(tuple),
    raw=st.sampled_from(["", RAW]),
)


@dataclass(frozen=True)
class Waiting:
    """A refund on its way through a channel, and the channel's word."""

    case: Case
    refund_no: str
    answer: ChannelAnswer
    cause: Cause

    def take(self) -> str | None:
        """Bring it in at once."""
        kept = RawCallback("scripted", HEADERS, BODY) if self.cause == Cause.CALLBACK else None
        told = describe_refund_success(
            refund_no=self.refund_no, answer=self.answer, cause=self.cause, callback=kept
        )
        return take_refund_success(refund_no=self.refund_no, words=told)

    def fold(self) -> None:
        """Bring it in row by row."""
        if self.cause != Cause.CALLBACK:
            fold_refund_answer(refund_no=self.refund_no, answer=self.answer, cause=self.cause)
            return
        stored = ChannelCallback.objects.create(channel_code="scripted", headers=HEADERS, body=BODY)
        said = Notification(answer=self.answer, refund_no=self.refund_no, merchant_account="acct-1")
        callbacks._hand_over(stored, FIRST_CHANNEL, said)


def wait_for(word: Word) -> Waiting:
    """Make a refund that waits for its channel, which has said something before."""
    case = prepare(Wish(paid_by=word.paid_by, asks="rest", fee_rate_ppm=6_000, is_notified=True))
    _made, accepted = _accept_any(case.body, case.trade.merchant)
    (row,) = case.trade.refunds()
    ours = replace(given_back(row["external_amount"]), channel_trade_no=new_charge())
    said = {
        "all": ours,
        "less": replace(ours, amount=row["external_amount"] - 1),
        "yen": replace(ours, currency="JPY"),
        "refused": REFUSED,
        "unknown": UNKNOWN,
        "not found": NOT_FOUND,
    }
    for earlier in word.heard:
        fold_refund_answer(refund_no=accepted.refund_no, answer=said[earlier], cause=Cause.INQUIRY)
    return Waiting(case, accepted.refund_no, replace(said[word.says], raw=word.raw), word.cause)


@pytest.mark.timeout(900)
@DRAWN
@example(Word(raw=RAW, heard=("unknown", "not found")))
@example(Word(cause=Cause.SYNC_ANSWER))
@example(Word(cause=Cause.STATEMENT, heard=("less",)))
@given(words)
def test_what_is_ended_at_once_is_what_would_have_been_folded(channels: Channels, word: Word):
    with acting(as_actor="channel:scripted", under_request="req_" + "0" * 22):
        at_once, folded = wait_for(word), wait_for(word)
        before = at_once.case.trade.footprint()
        taken = at_once.take() if at_once.answer.outcome == Outcome.SUCCEEDED else None
        assert (taken == at_once.case.trade.order_no) == word.is_plain
        if taken is None:
            assert at_once.case.trade.footprint() == before
            at_once.fold()
        folded.fold()
        assert_same(at_once.case, folded.case)


def assert_refunded_once(case: Case, *, amount: int, fee: int = 0) -> None:
    """The whole effect of one refund that is done, and of no other."""
    order, (refund,) = case.trade.order(), case.trade.refunds()
    assert (order["refunded_amount"], order["refunding_amount"]) == (amount, 0)
    assert (refund["status"], refund["amount"], refund["returned_fee"]) == ("SUCCESS", amount, fee)
    assert [event["type"] for event in events_of(refund["refund_no"])] == ["refund.success"]
    assert case.trade.merchant_balance() == AMOUNT - amount


def accept_in_another_process(case: Case) -> AcceptedRefund | None:
    """Two processes share no queue: what keeps them apart is the database."""
    return accept_together([case.describe()], patience_ms=None)[0]


def test_one_number_at_once_and_row_by_row_is_one_refund(channels: Channels):
    for _round in range(OFTEN):
        case = plain_case(paid_by="balance")
        ended = run_together(
            [
                lambda case=case: accept_in_another_process(case),
                lambda case=case: accept_in_another_process(case),
                case.accept_row_by_row,
            ]
        )
        assert failures(ended) == []
        made = [end for end in ended[:2] if end is not None]
        assert len(made) == int(ended[2][0] is False)
        assert_refunded_once(case, amount=3_33)


def test_of_two_that_are_more_than_was_paid_one_is_accepted(channels: Channels):
    for _round in range(OFTEN):
        case = plain_case(paid_by="balance")
        first, second = (
            replace(case, body=CreateRefund(f"R-{at}", 6_00, order_no=case.trade.order_no))
            for at in range(2)
        )
        ended = run_together(
            [lambda c=first: accept_in_another_process(c), second.accept_row_by_row]
        )
        assert failures(ended) == []
        assert (ended[0] is not None) != (ended[1][0] is True)
        assert_refunded_once(case, amount=6_00)


def test_two_names_of_one_order_in_one_set_are_not_both_accepted(channels: Channels):
    case = plain_case(paid_by="balance")
    theirs = CreateRefund("R-2", 6_00, merchant_order_no="T-1")
    both = [replace(case, body=replace_amount(case.body, 6_00)), replace(case, body=theirs)]
    accepted = accept_together([one.describe() for one in both])
    assert [told is not None for told in accepted] == [True, False]
    assert_refunded_once(case, amount=6_00)


def replace_amount(body: CreateRefund, amount: int) -> CreateRefund:
    return CreateRefund(body.merchant_refund_no, amount, order_no=body.order_no)


def test_an_outcome_beside_a_new_refund_and_beside_itself_has_one_effect(channels: Channels):
    for _round in range(OFTEN):
        waiting = wait_for(Word(cause=Cause.INQUIRY))
        again = replace(
            waiting.case, body=CreateRefund("R-2", 1, order_no=waiting.case.trade.order_no)
        )
        ended = run_together(
            [
                waiting.take,
                waiting.take,
                waiting.fold,
                lambda again=again: accept_in_another_process(again),
            ]
        )
        assert failures(ended) == []
        assert ended[3] is None
        order, (refund,) = waiting.case.trade.order(), waiting.case.trade.refunds()
        assert (order["refunded_amount"], order["refunding_amount"]) == (AMOUNT, 0)
        assert refund["status"] == "SUCCESS"
        assert len(events_of(refund["refund_no"])) == 1
        assert waiting.case.trade.merchant_balance() == 0


def test_one_without_the_money_keeps_no_other_from_its_own(channels: Channels):
    poor, *others = [plain_case(paid_by="balance", asks="rest") for _ in range(3)]
    who = poor.trade.merchant.merchant_no
    move_money(f"L20:{who}:CNY", f"L21:{who}:CNY", 1, spend=True)
    before = [case.trade.footprint() for case in (poor, *others)]
    with pytest.raises(InsufficientMerchantBalance):
        accept_together([case.describe() for case in (poor, *others)])
    assert [case.trade.footprint() for case in (poor, *others)] == before
    ended = run_together(
        [
            lambda case=case: accept_plain_refund(body=case.body, merchant=case.trade.merchant)
            for case in (poor, *others)
        ]
    )
    assert [type(error) for error in failures(ended)] == [InsufficientMerchantBalance]
    assert poor.trade.footprint() == before[0]
    for case in others:
        assert_refunded_once(case, amount=AMOUNT)


def test_a_row_that_somebody_holds_keeps_only_its_own_refund_waiting(channels: Channels):
    cases = [plain_case(paid_by="balance") for _ in range(4)]
    stuck, others = cases[0], cases[1:]
    is_held = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            rows(
                "SELECT 1 FROM acquiring_trade_order WHERE order_no = %s FOR UPDATE",
                stuck.trade.order_no,
            )
            is_held.set()
            wait_until(lambda: all(case.trade.refunds() for case in others))

    def ask(case: Case) -> bool:
        assert is_held.wait(20)
        return create_refund(body=case.body, merchant=case.trade.merchant)[0]

    ended = run_together([hold, *(lambda case=case: ask(case) for case in cases)])
    assert ended == [None, *[True] * 4]
    for case in cases:
        assert_refunded_once(case, amount=3_33)


def test_one_that_came_first_and_waits_for_a_row_keeps_nobody_else_waiting(channels: Channels):
    """It leads a run of its own then, and whoever comes meanwhile waits for that run."""
    cases = [plain_case(paid_by="balance") for _ in range(3)]
    stuck, *others = cases
    is_held, is_waiting = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            rows(
                "SELECT 1 FROM acquiring_trade_order WHERE order_no = %s FOR UPDATE",
                stuck.trade.order_no,
            )
            is_held.set()
            wait_until(holds_up_somebody, what="the first waits")
            is_waiting.set()
            patience_s = 4.0  # less than the session's own lock_timeout
            wait_until(lambda: all(case.trade.refunds() for case in others), patience_s)

    def ask(case: Case) -> bool:
        assert (is_held if case is stuck else is_waiting).wait(20)
        return create_refund(body=case.body, merchant=case.trade.merchant)[0]

    ended = run_together([hold, *(lambda case=case: ask(case) for case in cases)])
    assert ended == [None, *[True] * 3]
    for case in cases:
        assert_refunded_once(case, amount=3_33)


def holds_up_somebody() -> bool:
    """Whether another connection waits for what this transaction has locked."""
    (row,) = rows(
        "SELECT EXISTS (SELECT FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))) AS waits"
    )
    return bool(row["waits"])


LOSING: list[tuple[str, Callable[[Case], Any]]] = [
    ("alone", lambda case: accept_together([case.describe()], patience_ms=None)),
    ("beside others", lambda case: accept_together([case.describe(), plain_case().describe()])),
]


@pytest.mark.parametrize(
    "accept", [accept for _, accept in LOSING], ids=[name for name, _ in LOSING]
)
def test_a_refund_whose_end_nobody_knows_is_found_by_its_number(
    channels: Channels, monkeypatch: pytest.MonkeyPatch, accept: Callable[[Case], Any]
):
    """The connection is lost after the commit: the merchant is told so, asks again, and is refunded once."""
    case = plain_case(paid_by="balance")

    def lose(_wishes: list[RefundWish]) -> list[AcceptedRefund | None]:
        accept(case)
        raise Unavailable

    with monkeypatch.context() as losing:
        losing.setattr(plain_refunds._refunds, "_run", lose)
        with pytest.raises(Unavailable):
            create_refund(body=case.body, merchant=case.trade.merchant)
    made, _ = create_refund(body=case.body, merchant=case.trade.merchant)
    assert not made
    assert_refunded_once(case, amount=3_33)


def test_a_key_that_was_revoked_a_moment_ago_refunds_nothing(channels: Channels):
    case = plain_case(paid_by="balance")
    before = case.trade.footprint()
    revoke_credential(key_id=case.trade.merchant.key_id)
    with pytest.raises(Unauthenticated):
        create_refund(body=case.body, merchant=case.trade.merchant)
    assert case.trade.footprint() == before


def test_an_outcome_whose_end_nobody_knows_is_folded_and_counts_once(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
):
    waiting = wait_for(Word(cause=Cause.INQUIRY))

    def lose(**told: Any) -> str | None:
        take_refund_success(**told)
        raise Unavailable

    monkeypatch.setattr("acquiring.services.payment_owner.take_refund_success", lose)
    applied = apply_refund_outcome(
        refund_no=waiting.refund_no, answer=waiting.answer, cause=Cause.INQUIRY
    )
    assert applied.effect == "repeated"
    assert len(events_of(waiting.refund_no)) == 1
    assert waiting.case.trade.merchant_balance() == 0


def test_a_refund_through_a_channel_waits_four_times_for_the_database_and_its_end_once(
    channels: Channels,
):
    for _ in range(2):
        case = plain_case(paid_by="channel")
        FIRST_CHANNEL.refund_answers[:] = [given_back(3_33)]
        with counting_round_trips() as seen:
            create_refund(body=case.body, merchant=case.trade.merchant)
        waiting = wait_for(Word(cause=Cause.INQUIRY))
        with counting_round_trips() as ended:
            apply_refund_outcome(
                refund_no=waiting.refund_no, answer=waiting.answer, cause=Cause.INQUIRY
            )
    assert (len(seen), seen.on_the_wire) == (4, 4), seen
    assert (len(ended), ended.on_the_wire) == (1, 1), ended
    assert case.trade.refunds()[0]["status"] == "SUCCESS"


def test_sets_over_the_same_merchants_and_payers_never_wait_in_a_circle(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
):
    """Sets of several processes in any order, beside payments and refunds one by one."""
    monkeypatch.setattr(plain_refunds._connection, "get", lambda: None)  # each on its thread's own
    dice = random.Random()
    sellers = [make_identity() for _ in range(2)]
    payers = {
        currency: [make_payer(currency=currency) for _ in range(2)] for currency in ("CNY", "USD")
    }
    before = deadlocks()

    def sell(currency: str) -> Trade:
        merchant, payer_no = dice.choice(sellers), dice.choice(payers[currency])
        token = make_payer_token(
            payer_no=payer_no, merchant_no=merchant.merchant_no, currency=currency
        )
        trade = make_trade(merchant=merchant, amount=AMOUNT, currency=currency)
        assert trade.pay(Method.BALANCE, payer_token=token).status == "PAID"
        return trade

    def give_back(trades: list[Trade]) -> int:
        wishes = [
            describe_wish(
                body=CreateRefund(new_charge(), 1, order_no=t.order_no), merchant=t.merchant
            )
            for t in trades
        ]
        return sum(told is not None for told in accept_together(wishes, patience_ms=20_000))

    for _round in range(OFTEN // 2):
        sold = [sell(currency) for currency in ("CNY", "USD") * 16]
        dice.shuffle(sold)
        ended = run_together(
            [
                *(lambda trades=sold[at : at + 6]: give_back(trades) for at in range(0, 24, 6)),
                *(lambda trade=trade: trade.refund(1)["amount"] for trade in sold[24:]),
                *(lambda currency=currency: sell(currency) for currency in ("CNY", "USD")),
            ]
        )
        assert failures(ended) == []
        assert ended[:4] == [6] * 4
    assert deadlocks() == before
