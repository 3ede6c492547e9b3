"""GET /balance and GET /statements/{date}: what the ledger says, and nothing else."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acquiring.api import authenticate_bearer
from acquiring.contracts import Method
from acquiring.merchant_books import write_statement
from acquiring.statement_file import COLUMNS, StatementLine, write_lines
from ledger import api as ledger
from ledger import owner_books
from ledger.contracts import AccountKind, JournalDraft, PostingDraft
from paymentplatform.kernel import numbers
from paymentplatform.kernel.errors import RateLimited
from tests.clock import VirtualClock
from tests.console import differences, trades
from tests.makers import make_merchant, make_payer, make_payer_token
from tests.trading import balance_of, make_trade, rows


class Shop:
    """A merchant at 0.6 % with what it may ask of its books."""

    def __init__(self, **settings: Any) -> None:
        self.merchant = make_merchant(**settings)
        self.number = self.merchant["merchant_no"]
        self.identity = authenticate_bearer(secret=self.merchant["secret_key"])
        self.api = Client(headers={"Authorization": f"Bearer {self.merchant['secret_key']}"})

    def sell(self, amount: int, **changes: Any) -> Any:
        trade = make_trade(merchant=self.identity, amount=amount, **changes)
        currency = changes.get("currency", "CNY")
        payer = make_payer(currency=currency)
        token = make_payer_token(payer_no=payer, merchant_no=self.number, currency=currency)
        assert trade.pay(Method.BALANCE, payer_token=token).status == "PAID"
        return trade

    def day(self) -> date:
        """The accounting date of what was posted last."""
        (found,) = rows(
            "SELECT max(j.accounting_date) AS day FROM ledger_journal j JOIN ledger_posting p USING (journal_no)"
            " JOIN ledger_account a ON a.id IN (p.debit_account_id, p.credit_account_id) WHERE a.owner = %s",
            self.number,
        )
        return found["day"]

    def statement(self, day: date, **query: str) -> tuple[Any, list[dict[str, str]]]:
        answer = self.api.get(f"/api/v1/statements/{day}", query)
        assert answer.status_code == 200, answer.content
        return answer, read(b"".join(answer.streaming_content))

    def balance(self) -> Any:
        answer = self.api.get("/api/v1/balance")
        assert answer.status_code == 200
        return answer.json()


def read(content: bytes) -> list[dict[str, str]]:
    """Read a statement as strictly as RFC 4180 allows."""
    text = content.decode("ascii")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    header, *records = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert tuple(header) == COLUMNS
    assert {len(record) for record in records} <= {len(COLUMNS)}
    return [dict(zip(COLUMNS, record, strict=True)) for record in records]


def of_kind(records: list[dict[str, str]], record: str) -> list[dict[str, str]]:
    return [one for one in records if one["record"] == record]


def totals_of(records: list[dict[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    return {
        (one["currency"], one["type"]): (int(one["count"]), int(one["amount"]))
        for one in of_kind(records, "TOTAL")
    }


class TestBalance:
    def test_it_is_the_ledgers_in_every_currency(self):
        shop = Shop()
        assert shop.balance() == []
        shop.sell(10_00)
        shop.sell(500, currency="JPY")
        trade = shop.sell(20_00)
        trade.refund(5_00)
        assert shop.balance() == [
            {
                "currency": "CNY",
                "pending": balance_of(f"L20:{shop.number}:CNY"),
                "available": 0,
                "in_transit": 0,
            },
            {"currency": "JPY", "pending": 497, "available": 0, "in_transit": 0},
        ]
        assert shop.balance()[0]["pending"] == 10_00 - 6 + 15_00 - 9

    def test_released_and_paid_out_money_has_its_place(self):
        shop = Shop(fee_rate_ppm=0)
        shop.sell(10_00)
        pending = ledger.merchant_pending(merchant_no=shop.number, currency="CNY")
        available = ledger.merchant_available(merchant_no=shop.number, currency="CNY")
        in_flight = ledger.build_account_code(
            kind=AccountKind.PAYOUT_IN_FLIGHT, owner=shop.number, currency="CNY"
        )
        for debit, credit, amount in ((pending, available, 7_00), (available, in_flight, 3_00)):
            post(debit=debit, credit=credit, amount=amount)
        assert shop.balance() == [
            {"currency": "CNY", "pending": 3_00, "available": 4_00, "in_transit": 3_00}
        ]

    def test_it_takes_no_parameters(self):
        assert Shop().api.get("/api/v1/balance?currency=CNY").status_code == 400


class TestStatement:
    def test_every_fact_has_its_line_and_the_totals_are_the_ledgers(self, clock: VirtualClock):
        shop = Shop(late_money_policy="ASK")
        trade = shop.sell(10_00, merchant_order_no="-1")
        refund = trade.refund(4_00, number="-R.1")
        late = trades.paid_too_late(merchant=shop.merchant)
        number = trades.LateMoney.objects.get(attempt_no=late.attempt).late_money_no
        decided = shop.api.post(
            f"/api/v1/late-money/{number}/decision",
            '{"decision": "HONOUR"}',
            content_type="application/json",
        )
        assert decided.json()["merchant_order_no"] != ""
        day = shop.day()
        clock.advance(2 * 86_400)
        answer, records = shop.statement(day)
        assert answer["Content-Type"] == "text/csv; charset=utf-8; header=present"
        assert answer["Content-Disposition"] == f'attachment; filename="statement-{day}-detail.csv"'
        lines = of_kind(records, "LINE")
        assert [(line["type"], int(line["amount"]), line["amount_decimal"]) for line in lines] == [
            ("PAYMENT", 10_00, "10.00"),
            ("FEE", -6, "-0.06"),
            ("REFUND", -4_00, "-4.00"),
            ("FEE_RETURNED", 2, "0.02"),
            ("LATE_MONEY", 10_00, "10.00"),
            ("FEE", -6, "-0.06"),
        ]
        payment, _, refunded, _, honoured, _ = lines
        assert (payment["order_no"], payment["merchant_order_no"]) == (trade.order_no, "'-1")
        assert (payment["method"], payment["refund_no"]) == ("BALANCE", "")
        assert payment["payment_no"] == trade.order()["payment_no"]
        assert (refunded["refund_no"], refunded["merchant_refund_no"]) == (
            refund["refund_no"],
            "'-R.1",
        )
        assert refunded["order_no"] == trade.order_no
        assert (honoured["late_money_no"], honoured["order_no"]) == (number, late.order)
        assert totals_of(records) == {
            ("CNY", "FEE"): (2, -12),
            ("CNY", "FEE_RETURNED"): (1, 2),
            ("CNY", "LATE_MONEY"): (1, 10_00),
            ("CNY", "PAYMENT"): (1, 10_00),
            ("CNY", "REFUND"): (1, -4_00),
            ("CNY", "ALL"): (6, 15_90),
        }
        assert balance_of(f"L20:{shop.number}:CNY") == 15_90
        assert records[-1] == dict.fromkeys(COLUMNS, "") | {"record": "END", "count": "6"}
        _, summary = shop.statement(day, kind="summary")
        assert summary == records[len(lines) :]

    def test_what_people_and_channels_did_names_its_payout_and_its_order(self, clock: VirtualClock):
        shop, payout_no = Shop(), numbers.new_number(numbers.PAYOUT)
        pulled, short = (trades.paid_by_channel(merchant=shop.merchant) for _ in range(2))
        owed = {"merchant_no": shop.number, "currency": "CNY"}
        with transaction.atomic():
            for draft in (
                ledger.build_merchant_release(reference=payout_no, amount=9_00, **owed),
                ledger.build_payout_sent(payout_no=payout_no, amount=9_00, **owed),
                ledger.build_payout_confirmed(payout_no=payout_no, amount=9_00, **owed),
                ledger.build_payout_returned(payout_no=payout_no, amount=9_00, **owed),
            ):
                ledger.post_journal(draft=draft)
        differences.charge_back(pulled, 6_00)
        differences.charge_short(short, 3)
        day = shop.day()
        clock.advance(2 * 86_400)
        lines = of_kind(shop.statement(day)[1], "LINE")
        told = [
            (line["type"], line["amount"], line["payout_no"], line["order_no"], line["payment_no"])
            for line in lines
            if line["type"] in {"PAYOUT", "PAYOUT_RETURNED", "CHARGEBACK", "DIFFERENCE"}
        ]
        # Journals of one moment stand in no particular order.
        assert sorted(told) == sorted(
            [
                ("PAYOUT", "-900", payout_no, "", ""),
                ("PAYOUT_RETURNED", "900", payout_no, "", ""),
                ("CHARGEBACK", "-600", "", pulled.order, pulled.payment),
                ("DIFFERENCE", "-3", "", short.order, short.payment),
            ]
        )

    def test_a_day_without_facts_and_somebody_elses_day(self, clock: VirtualClock):
        shop, other = Shop(), Shop()
        shop.sell(10_00)
        day = shop.day()
        clock.advance(2 * 86_400)
        for kind in ("detail", "summary"):
            for who, when in ((other, day), (shop, day - timedelta(days=1)), (shop, date(1, 1, 1))):
                _, records = who.statement(when, kind=kind)
                assert records == [dict.fromkeys(COLUMNS, "") | {"record": "END", "count": "0"}]

    def test_a_day_that_is_not_over_has_none_yet(self, clock: VirtualClock):
        shop = Shop()
        today = clock.now().astimezone().date()
        for day in (today + timedelta(days=1), today + timedelta(days=400), date.max):
            for method in (shop.api.get, shop.api.head):
                answer = method(f"/api/v1/statements/{day}")
                assert answer.status_code == 409
            problem = shop.api.get(f"/api/v1/statements/{day}").json()
            assert (problem["code"], problem["action"]) == ("statement_not_ready", "RETRY_LATER")

    @pytest.mark.parametrize(
        "day", ["2026-02-30", "20260131", "2026-1-31", "today", "２０２６-01-31", "2026-01-31T00"]
    )
    def test_what_is_no_day(self, day):
        answer = Shop().api.get(f"/api/v1/statements/{day}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "date"

    def test_only_the_two_kinds(self):
        answer = Shop().api.get("/api/v1/statements/2026-01-31?kind=all")
        assert answer.status_code == 400
        assert "detail, summary" in answer.json()["errors"][0]["detail"]

    def test_head_says_the_same_without_the_file(self):
        answer = Shop().api.head("/api/v1/statements/2020-01-31")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer["Content-Disposition"].endswith('statement-2020-01-31-detail.csv"')

    def test_one_piece_at_a_time_out_of_one_snapshot(
        self, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
    ):
        shop = Shop(fee_rate_ppm=0)
        for _ in range(5):
            shop.sell(1_00)
        day = shop.day()
        clock.advance(2 * 86_400)
        monkeypatch.setattr(owner_books, "CHUNK", 2)
        pieces = write_statement(merchant_no=shop.number, day=day, with_lines=True)
        sizes = [next(pieces).count(b"\r\n") for _ in range(2)]
        assert sizes == [1, 2]
        post(
            debit="A20:platform:CNY",
            credit=f"L20:{shop.number}:CNY",
            amount=9_99,
            accounting_date=day,
        )
        rest = b"".join(pieces)
        assert [line.count(b",") for line in rest.splitlines()] == [len(COLUMNS) - 1] * 6
        assert b"ALL" in rest
        assert rest.endswith(b"END,,,,,,,,,,,,,5,\r\n")

    def test_one_is_written_at_a_time_and_payments_find_a_thread(self):
        shop, day = Shop(), date(2020, 1, 31)
        begun = write_statement(merchant_no=shop.number, day=day, with_lines=True)
        next(begun)
        refused = shop.api.get(f"/api/v1/statements/{day}")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused["Retry-After"]) >= 1
        assert shop.api.head(f"/api/v1/statements/{day}").status_code == 200
        begun.close()
        begun.close()
        never_read = write_statement(merchant_no=shop.number, day=day, with_lines=False)
        with pytest.raises(RateLimited):
            write_statement(merchant_no=shop.number, day=day, with_lines=False)
        del never_read
        for _ in range(3):
            assert shop.statement(day)[1][-1]["record"] == "END"

    @pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
    def test_no_text_becomes_a_formula(self, start):
        written = write_lines(
            [
                StatementLine(
                    type="PAYMENT", time="", currency="CNY", amount=-1, order_no=f"{start}1"
                )
            ]
        )
        ((_, _, _, order_no, *_),) = csv.reader(io.StringIO(written.decode(), newline=""))
        assert order_no == f"'{start}1"
        assert b",-1,-0.01,1,\r\n" in written


def post(
    *, debit: str, credit: str, amount: int, accounting_date: date | None = None, kind: str = "test"
) -> None:
    draft = ledger_draft(
        debit=debit, credit=credit, amount=amount, accounting_date=accounting_date, kind=kind
    )
    with transaction.atomic():
        ledger.post_journal(draft=draft)


def ledger_draft(
    *, debit: str, credit: str, amount: int, accounting_date: date | None, kind: str
) -> Any:
    return JournalDraft(
        kind,
        numbers.new_number(numbers.REQUEST),
        accounting_date,
        debit.rpartition(":")[2],
        (PostingDraft(debit, credit, amount, spend=debit.startswith("L")),),
    )


@dataclass(frozen=True)
class Fact:
    """Something that happens to a merchant's money; ``own`` moves it between two accounts of his, which is none."""

    kind: str
    amount: int
    fee: int
    currency: str
    day: date


class Made:
    """A merchant and a channel of one example."""

    def __init__(self) -> None:
        self.merchant_no = numbers.new_number(numbers.MERCHANT)
        self.channel = numbers.new_number("chn")

    def pending(self, currency: str) -> str:
        return f"L20:{self.merchant_no}:{currency}"

    def transit(self, currency: str) -> str:
        return f"L30:{self.channel}:{currency}"

    def suspense(self, currency: str) -> str:
        return f"L90:{self.channel}:{currency}"

    def post(self, fact: Fact) -> None:
        pending = self.pending(fact.currency)
        if fact.kind in {"own", "other"}:
            return post(
                debit=pending if fact.kind == "own" else f"A20:platform:{fact.currency}",
                credit=pending.replace("L20", "L21") if fact.kind == "own" else pending,
                amount=fact.amount,
                accounting_date=fact.day,
            )
        number = numbers.new_number(numbers.REFUND)
        common = {
            "merchant_no": self.merchant_no,
            "currency": fact.currency,
            "accounting_date": fact.day,
        }
        legs = {"legs": (ledger.ChannelLeg(self.channel, fact.amount),)}
        refund = {
            "refund_no": number,
            "source": AccountKind.MERCHANT_PENDING,
            "returned_fee": fact.fee,
        }
        build, own = {
            "payment": (ledger.build_payment_paid, {"payment_no": number, "fee": fact.fee, **legs}),
            "late_money": (
                ledger.build_late_money_honoured,
                {
                    "late_money_no": number,
                    "channel_code": self.channel,
                    "amount": fact.amount,
                    "fee": fact.fee,
                },
            ),
            "refund": (ledger.build_refund_accepted, refund | legs),
            "refund_failed": (ledger.build_refund_failed, refund | legs),
        }[fact.kind]
        with transaction.atomic():
            ledger.post_journal(draft=build(**own, **common))
        return None


FACTS = st.lists(
    st.builds(
        Fact,
        kind=st.sampled_from(["payment", "refund", "refund_failed", "late_money", "own", "other"]),
        amount=st.integers(1_000, 10**9),
        fee=st.integers(0, 1_000),
        currency=st.sampled_from(["CNY", "JPY", "BHD"]),
        day=st.sampled_from([date(2026, 3, 1), date(2026, 3, 2)]),
    ),
    max_size=10,
)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(facts=FACTS)
def test_detail_summary_and_ledger_agree_whatever_happened(facts: list[Fact]):
    made = Made()
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    for currency in {fact.currency for fact in facts}:
        for account in (made.pending(currency), made.transit(currency), made.suspense(currency)):
            bank = f"A20:platform:{currency}"
            before = days[0] - timedelta(days=1)
            post(debit=bank, credit=account, amount=10**12, accounting_date=before)
    for fact in facts:
        made.post(fact)
    merchant_no = made.merchant_no
    for day in days:
        detail = read(b"".join(write_statement(merchant_no=merchant_no, day=day, with_lines=True)))
        summary = read(
            b"".join(write_statement(merchant_no=merchant_no, day=day, with_lines=False))
        )
        lines = of_kind(detail, "LINE")
        assert detail[len(lines) :] == summary
        for currency in ("CNY", "JPY", "BHD"):
            changes = [
                entry.change
                for kind in ("L20", "L21")
                for entry in ledger.list_statement_entries(
                    account_code=f"{kind}:{merchant_no}:{currency}", from_date=day, to_date=day
                )
            ]
            added = [int(line["amount"]) for line in lines if line["currency"] == currency]
            assert sum(added) == sum(changes)
            assert totals_of(summary).get((currency, "ALL"), (0, 0)) == (len(added), sum(added))
