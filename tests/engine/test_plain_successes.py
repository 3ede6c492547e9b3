"""Plain successes are taken in one call: to the last row what folding the same answer would have left."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from acquiring.contracts import CloseReason
from acquiring.endpoint_contracts import CreateWebhookEndpoint
from acquiring.services import channel_payments
from acquiring.services.channel_payments import Success, _take_together
from acquiring.services.closing import _begin_close
from acquiring.services.webhook_endpoints import create_endpoint
from engine.channels.base import ChannelAnswer, Notification, Outcome, SavedCardData
from engine.contracts import Cause
from engine.models import ChannelCallback
from engine.services import callbacks
from engine.services.callbacks import receive_callback
from engine.services.outcomes import apply_attempt_outcome, fold_answer
from engine.services.plain_successes import RawCallback, describe_success, may_be_plain
from paymentplatform.kernel.context import acting
from paymentplatform.kernel.errors import InvalidRequest, Unavailable
from tests.barrier import run_together
from tests.comparing import comparable_rows
from tests.engine.scripted import FIRST_CHANNEL, UNKNOWN, ScriptedChannel, charged
from tests.engine.test_combined import PENDING, combined
from tests.environment import LONG
from tests.slots import no_slot_free
from tests.trading import Trade, balance_of, make_identity, make_trade, rows
from tests.waiting import wait_until

Channels = tuple[ScriptedChannel, ScriptedChannel]

HEADERS = {"X-Sign": 'odd "}\\{, 签'}
BODY = b'{"odd": "\\u0000"}\x00\xff'
RAW = 'said: {"card_no": "4111 1111 1111 1111", "tok_123456789"}\x00'


@dataclass(frozen=True)
class Wish:
    """What an answer meets, and what it says, as the property draws them."""

    cause: Cause = Cause.CALLBACK
    stood: str = "PENDING"
    asked: int = 0
    says: str = "all"
    parts: str = "whole"
    is_closing: bool = False
    has_ended: str = ""
    fee_rate_ppm: int = 0
    is_notified: bool = False
    raw: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether one call of the database is to take it."""
        return (self.says, self.parts, self.has_ended) == ("all", "whole", "")


wishes = st.builds(
    Wish,
    cause=st.sampled_from(
        [Cause.CALLBACK, Cause.CALLBACK, Cause.SYNC_ANSWER, Cause.INQUIRY, Cause.CLOSE]
    ),
    stood=st.sampled_from(["CREATED", "PENDING", "UNKNOWN"]),
    asked=st.integers(0, 2),
    says=st.sampled_from(["all"] * 5 + ["less", "yen", "no charge", "a card", "another's charge"]),
    is_closing=st.booleans(),
    has_ended=st.sampled_from([""] * 5 + ["paid", "declined", "suspected"]),
    fee_rate_ppm=st.sampled_from([0, 6_000]),
    is_notified=st.booleans(),
    raw=st.sampled_from(["", RAW]),
)


@dataclass(frozen=True)
class Case:
    """One answer about one attempt."""

    wish: Wish
    trade: Trade
    attempt_no: str
    answer: ChannelAnswer

    def describe(self) -> Success:
        """What the database is told of it."""
        kept = RawCallback("scripted", HEADERS, BODY)
        words = describe_success(
            attempt_no=self.attempt_no,
            answer=self.answer,
            cause=self.wish.cause,
            callback=kept if self.wish.cause == Cause.CALLBACK else None,
        )
        return Success(self.attempt_no, str(self.answer.channel_trade_no), words)

    def fold(self) -> None:
        """Bring the answer in row by row."""
        if self.wish.cause != Cause.CALLBACK:
            fold_answer(attempt_no=self.attempt_no, answer=self.answer, cause=self.wish.cause)
            return
        stored = ChannelCallback.objects.create(channel_code="scripted", headers=HEADERS, body=BODY)
        said = Notification(
            answer=self.answer, request_no=self.attempt_no, merchant_account="acct-1"
        )
        callbacks._hand_over(stored, FIRST_CHANNEL, said)


def prepare(wish: Wish) -> Case:
    """Make everything that the wish needs under fresh numbers, and the answer."""
    merchant = make_identity(fee_rate_ppm=wish.fee_rate_ppm, late_money_policy="HOLD")
    trade, amount = begin(wish, merchant)
    (attempt,) = trade.attempts()
    number = str(attempt["attempt_no"])
    for _ in range(wish.asked):
        fold_answer(attempt_no=number, answer=UNKNOWN, cause=Cause.INQUIRY)
        if wish.stood == "PENDING":
            fold_answer(attempt_no=number, answer=PENDING, cause=Cause.CALLBACK)
    ours = charged(amount, trade_no=new_charge())
    if wish.is_closing:
        _begin_close(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.MERCHANT, cause="api"
        )
    if wish.has_ended == "suspected":
        less = replace(ours, amount=1)
        fold_answer(attempt_no=number, answer=less, cause=Cause.CALLBACK)
    elif wish.has_ended:
        end = ours if wish.has_ended == "paid" else ChannelAnswer(outcome=Outcome.FAILED)
        fold_answer(attempt_no=number, answer=end, cause=Cause.INQUIRY)
    changed = {
        "all": ours,
        "less": replace(ours, amount=amount - 1),
        "yen": replace(ours, currency="JPY"),
        "no charge": replace(ours, channel_trade_no=""),
        "a card": replace(ours, saved_card=SavedCardData("tok", "VISA", "4242")),
    }
    answer = changed[wish.says] if wish.says in changed else charge_somebody(amount)
    return Case(wish, trade, number, replace(answer, raw=wish.raw))


def begin(wish: Wish, merchant: Any) -> tuple[Trade, int]:
    """A payment whose channel has been asked, or is left to a worker; what its channel is to collect."""
    first = {"CREATED": [], "PENDING": [PENDING], "UNKNOWN": []}[wish.stood]
    FIRST_CHANNEL.pay_answers[:] = first
    if wish.parts == "in part":
        made = combined(fee_rate_ppm=wish.fee_rate_ppm, late_money_policy="HOLD")
        made.pay()
        (attempt,) = made.trade.attempts()
        return made.trade, int(attempt["amount"])
    notify_url = "https://shop.example/notify" if wish.is_notified else None
    if wish.is_notified:
        wanted = CreateWebhookEndpoint(url="https://shop.example/hook", events=[])
        create_endpoint(merchant_no=merchant.merchant_no, body=wanted)
    trade = make_trade(merchant=merchant, merchant_order_no="T-1", notify_url=notify_url)
    if wish.stood == "CREATED":
        with no_slot_free():
            trade.pay()
    else:
        trade.pay()
    return trade, 10_00


def new_charge() -> str:
    return f"ch-{secrets.token_hex(6)}"


def charge_somebody(amount: int) -> ChannelAnswer:
    """A charge that paid another order."""
    FIRST_CHANNEL.pay_answers[:] = [PENDING]
    other = make_trade(amount=amount)
    other.pay()
    answer = charged(amount, trade_no=new_charge())
    number = other.attempts()[0]["attempt_no"]
    fold_answer(attempt_no=number, answer=answer, cause=Cause.CALLBACK)
    return answer


def written(case: Case) -> list[Any]:
    """Every row that the answer could have written, with its numbers and times made comparable."""
    payments = "(SELECT payment_no FROM engine_payment_order WHERE order_no = %(order)s)"
    journals = f"""(SELECT journal_no FROM ledger_journal WHERE event_id IN {payments} OR event_id IN
        (SELECT late_money_no FROM engine_late_money WHERE order_no = %(order)s))"""
    about = {
        "acquiring_trade_order": "order_no = %(order)s",
        "acquiring_transition": """object_no = %(order)s OR object_no IN (SELECT d.delivery_no FROM acquiring_delivery d
            JOIN acquiring_merchant_event e USING (event_id) WHERE e.object_no = %(order)s)""",
        "acquiring_merchant_event": "object_no = %(order)s",
        "acquiring_delivery": """event_id IN
            (SELECT event_id FROM acquiring_merchant_event WHERE object_no = %(order)s) ORDER BY event_id, target""",
        "engine_payment_order": "order_no = %(order)s",
        "engine_payment_detail": f"payment_id IN {payments}",
        "engine_channel_attempt": "order_no = %(order)s",
        "engine_transition": f"""object_no = %(attempt)s OR object_no IN {payments} OR object_no IN
            (SELECT detail_no FROM engine_payment_detail WHERE payment_id IN {payments})""",
        "engine_late_money": "order_no = %(order)s",
        "engine_case": "object_no = %(attempt)s",
        "engine_saved_card": "merchant_no = %(merchant)s",
        "engine_channel_callback": "attempt_no = %(attempt)s",
        "ledger_journal": f"journal_no IN {journals}",
        "ledger_posting": f"journal_no IN {journals}",
        "ledger_hold": f"reference IN {payments}",
    }
    values = {
        "order": case.trade.order_no,
        "attempt": case.attempt_no,
        "merchant": case.trade.merchant.merchant_no,
    }
    posted = rows(
        f"""SELECT d.code AS debit, c.code AS credit, p.amount FROM ledger_posting p
            JOIN ledger_account d ON d.id = p.debit_account_id JOIN ledger_account c ON c.id = p.credit_account_id
            WHERE p.journal_no IN {journals.replace("%(order)s", "%s")} ORDER BY p.journal_no, p.line_no""",
        case.trade.order_no,
        case.trade.order_no,
    )
    kinds = [(row["debit"][:3], row["credit"][:3], row["amount"]) for row in posted]
    return [*comparable_rows(about, values), kinds, case.trade.merchant_balance()]


@pytest.mark.timeout(900)
@settings(
    max_examples=150 if LONG else 8,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@example(
    [
        Wish(cause=Cause.SYNC_ANSWER, stood="CREATED", fee_rate_ppm=6_000, is_notified=True),
        Wish(cause=Cause.INQUIRY, stood="UNKNOWN", asked=2, is_closing=True, raw=RAW),
        Wish(cause=Cause.CALLBACK, stood="PENDING", asked=1, fee_rate_ppm=6_000, raw=RAW),
    ]
)
@given(st.lists(wishes, min_size=1, max_size=3))
def test_what_is_taken_at_once_is_what_would_have_been_folded(
    channels: Channels, asked: list[Wish]
):
    with acting(as_actor="channel:scripted", under_request="req_" + "0" * 22):
        at_once, folded = ([prepare(wish) for wish in asked] for _ in range(2))
        asked_about = [case for case in at_once if may_be_plain(case.answer)]
        taken = set(_take_together([case.describe() for case in asked_about]))
        for case in at_once:
            assert (case.trade.order_no in taken) == case.wish.is_plain
            if case.trade.order_no not in taken:
                case.fold()
        for case in folded:
            case.fold()
        for one, other in zip(at_once, folded, strict=True):
            for mine, theirs in zip(written(one), written(other), strict=True):
                assert mine == theirs


def plain_cases(count: int) -> list[Case]:
    return [prepare(Wish()) for _ in range(count)]


def assert_paid_once(case: Case) -> None:
    """The whole effect of one success, and no other."""
    assert case.trade.order()["status"] == "SUCCESS"
    assert case.trade.event_types() == ["order.success"]
    assert case.trade.merchant_balance() == 10_00
    assert case.trade.late_money() == []


def test_one_callback_is_kept_with_its_effect_and_its_repeat_changes_nothing(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
):
    case = prepare(Wish())
    said = Notification(answer=case.answer, request_no=case.attempt_no, merchant_account="acct-1")
    monkeypatch.setattr(channels[0], "parse_notification", lambda **_: said)
    for _ in range(2):
        receive_callback(channel_code="scripted", headers=HEADERS, body=BODY)
        assert_paid_once(case)
    kept = rows("SELECT * FROM engine_channel_callback WHERE attempt_no = %s", case.attempt_no)
    assert [(row["result"], row["note"], bytes(row["body"])) for row in kept] == [
        ("APPLIED", "paid", BODY),
        ("APPLIED", "repeated", BODY),
    ]


@pytest.mark.parametrize(
    ("code", "account"), [("scripted2", "acct-1"), ("scripted", "somebody-else")]
)
def test_a_callback_that_is_not_about_ours_takes_nothing(
    channels: Channels, monkeypatch: pytest.MonkeyPatch, code: str, account: str
):
    case = prepare(Wish())
    before = case.trade.footprint()
    said = Notification(answer=case.answer, request_no=case.attempt_no, merchant_account=account)
    monkeypatch.setattr(channels[code == "scripted2"], "parse_notification", lambda **_: said)
    with pytest.raises(InvalidRequest):
        receive_callback(channel_code=code, headers=HEADERS, body=BODY)
    assert case.trade.footprint() == before


def test_at_once_and_row_by_row_at_the_same_moment_have_one_effect(channels: Channels):
    """Two processes share no queue: what keeps them apart is the database."""
    for _round in range(40 if LONG else 8):
        case = prepare(Wish())
        ended = run_together(
            [
                lambda case=case: _take_together([case.describe()])[0],
                lambda case=case: _take_together([case.describe()])[0],
                lambda case=case: (
                    fold_answer(
                        attempt_no=case.attempt_no, answer=case.answer, cause=Cause.INQUIRY
                    ).effect
                ),
            ]
        )
        effects = [end for end in ended if end is not None and end != "repeated"]
        assert effects in ([case.trade.order_no], ["paid"])
        assert_paid_once(case)


def test_of_two_orders_that_name_one_charge_at_once_one_is_taken(channels: Channels):
    for _round in range(40 if LONG else 8):
        first, second = plain_cases(2)
        second = replace(second, answer=first.answer)
        money = balance_of("A10:scripted:CNY")
        taken = run_together(
            [lambda c=c: _take_together([c.describe()])[0] for c in (first, second)]
        )
        assert sorted(order_no is None for order_no in taken) == [False, True]
        assert balance_of("A10:scripted:CNY") - money == 10_00


def test_a_row_that_somebody_holds_keeps_only_its_own_success_waiting(channels: Channels):
    cases = plain_cases(4)
    stuck, others = cases[0], cases[1:]
    is_held = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            rows(
                "SELECT 1 FROM acquiring_trade_order WHERE order_no = %s FOR UPDATE",
                stuck.trade.order_no,
            )
            is_held.set()
            wait_until(lambda: all(c.trade.order()["status"] == "SUCCESS" for c in others))

    def bring_in(case: Case) -> str:
        assert is_held.wait(20)
        return apply_attempt_outcome(
            attempt_no=case.attempt_no, answer=case.answer, cause=Cause.CALLBACK
        ).effect

    ended = run_together([hold, *(lambda c=c: bring_in(c) for c in cases)])
    assert ended == [None, *["paid"] * 4]
    for case in cases:
        assert_paid_once(case)


def test_one_that_is_paid_in_part_from_a_balance_is_left_alone(channels: Channels):
    case = prepare(Wish(parts="in part"))
    before = case.trade.footprint()
    assert _take_together([case.describe()]) == [None]
    assert case.trade.footprint() == before
    case.fold()
    assert [detail["status"] for detail in case.trade.details()] == ["DONE", "DONE"]


def test_a_set_that_fails_has_written_nothing_and_each_is_folded(channels: Channels):
    cases = plain_cases(3)
    before = [case.trade.footprint() for case in cases]
    told = [case.describe() for case in cases]
    again = json.loads(told[2].words) | {"journal_no": json.loads(told[0].words)["journal_no"]}
    told[2] = replace(told[2], words=json.dumps(again).encode())
    with pytest.raises(psycopg.errors.UniqueViolation):
        _take_together(told)
    assert [case.trade.footprint() for case in cases] == before
    for case in cases:
        case.fold()
        assert_paid_once(case)


def test_a_success_whose_end_nobody_knows_is_folded_and_paid_once(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
):
    """The connection is lost after the commit: the same answer, folded, finds what was done."""
    case = prepare(Wish())

    def lose(successes: list[Success]) -> list[str | None]:
        _take_together(successes)
        raise Unavailable

    monkeypatch.setattr(channel_payments._successes, "_run", lose)
    applied = apply_attempt_outcome(
        attempt_no=case.attempt_no, answer=case.answer, cause=Cause.SYNC_ANSWER
    )
    assert applied.effect == "repeated"
    assert_paid_once(case)
