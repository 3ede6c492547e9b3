"""Orders: created once, found again, listed, closed and expired."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from django.db import transaction

from acquiring.contracts import (
    CloseReason,
    CreateOrder,
    Method,
    OrderAlreadyPaid,
    OrderConflict,
    OrderStatus,
)
from acquiring.models import TradeOrder
from acquiring.selectors import get_order_by_cashier_token, get_order_json, list_orders_json
from acquiring.services.callers import authenticate_bearer, recognise_bearer
from acquiring.services.closing import CloseResult, close_order, expire_due_orders
from acquiring.services.credentials import issue_credential, revoke_credential
from acquiring.services.order_rules import find_differences
from acquiring.services.orders import create_order
from paymentplatform.kernel import numbers
from paymentplatform.kernel.clock import database_now
from paymentplatform.kernel.errors import InvalidRequest, NotFound, Unauthenticated
from tests.barrier import run_together
from tests.clock import VirtualClock
from tests.makers import make_merchant, make_payer, make_payer_token
from tests.roundtrips import counting_round_trips
from tests.trading import Trade, make_identity, make_trade, rows


def body(**changes: Any) -> CreateOrder:
    """A good body, changed."""
    fields = {
        "merchant_order_no": f"T-{secrets.token_hex(8)}",
        "amount": 10_00,
        "currency": "CNY",
        "subject": "Tea",
    }
    return CreateOrder(**fields | changes)


def count_orders(merchant_no: str) -> int:
    (row,) = rows(
        "SELECT count(*) AS n FROM acquiring_trade_order WHERE merchant_no = %s", merchant_no
    )
    return int(row["n"])


class TestCreateOrder:
    def test_answers_the_same_order_again(self):
        merchant, asked = make_identity(), body(metadata={"b": "2", "a": "1"})
        made, first = create_order(body=asked, merchant=merchant)
        same = msgspec.structs.replace(asked, metadata={"a": "1", "b": "2"}, expires_in=900)
        found, second = create_order(body=same, merchant=merchant)
        assert (made, found) == (True, False)
        assert first == second
        assert count_orders(merchant.merchant_no) == 1

    @pytest.mark.parametrize(
        "change",
        [{"amount": 10_01}, {"currency": "USD"}, {"subject": "Coffee"}, {"metadata": {"a": "b"}}],
    )
    def test_refuses_the_number_for_another_body_and_changes_nothing(self, change: dict[str, Any]):
        trade = make_trade()
        number = trade.order()["merchant_order_no"]
        before = trade.footprint()
        with pytest.raises(OrderConflict):
            create_order(body=body(merchant_order_no=number, **change), merchant=trade.merchant)
        assert trade.footprint() == before
        assert count_orders(trade.merchant.merchant_no) == 1

    @pytest.mark.parametrize(
        ("field", "change"),
        [
            ("amount", {"amount": 10_01}),
            ("currency", {"currency": "USD"}),
            ("subject", {"subject": "Coffee"}),
            ("description", {"description": "Darjeeling"}),
            ("expires_in", {"expires_in": 901}),
            ("notify_url", {"notify_url": "https://shop.example/hook"}),
            ("return_url", {"return_url": "https://shop.example/thanks"}),
            ("allowed_methods", {"allowed_methods": [Method.QR_CODE]}),
            ("payer_ref", {"payer_ref": "somebody"}),
            ("metadata.a", {"metadata": {"a": "b"}}),
        ],
    )
    def test_names_the_field_that_differs(self, field: str, change: dict[str, Any]):
        merchant, plain = make_identity(), body()
        other = msgspec.structs.replace(plain, **change)
        for n, (first, second) in enumerate([(plain, other), (other, plain)]):
            number = f"{plain.merchant_order_no}-{n}"
            create_order(
                body=msgspec.structs.replace(first, merchant_order_no=number), merchant=merchant
            )
            with pytest.raises(OrderConflict) as refusal:
                create_order(
                    body=msgspec.structs.replace(second, merchant_order_no=number),
                    merchant=merchant,
                )
            assert [(e.field, e.code) for e in refusal.value.errors] == [(field, "differs")]

    def test_every_field_of_an_order_is_compared(self):
        asked = body(
            description="d",
            expires_in=61,
            notify_url="https://shop.example/hook",
            return_url="https://shop.example/thanks",
            allowed_methods=[Method.BALANCE],
            payer_ref="p",
            metadata={"a": "1"},
        )
        first = CreateOrder(merchant_order_no="x", amount=1, currency="USD", subject="y")
        found = {e.field.partition(".")[0] for e in find_differences(asked=asked, first=first)}
        assert found == {field.name for field in msgspec.structs.fields(CreateOrder)}

    def test_the_order_of_allowed_methods_is_no_difference(self):
        merchant, ways = make_identity(), [Method.QR_CODE, Method.BALANCE]
        asked = body(allowed_methods=ways)
        _, first = create_order(body=asked, merchant=merchant)
        turned = msgspec.structs.replace(asked, allowed_methods=ways[::-1])
        assert create_order(body=turned, merchant=merchant) == (False, first)
        fewer = msgspec.structs.replace(asked, allowed_methods=ways[:1])
        with pytest.raises(OrderConflict) as refusal:
            create_order(body=fewer, merchant=merchant)
        assert [e.field for e in refusal.value.errors] == ["allowed_methods"]

    def test_several_differences_are_named_at_once_and_no_text_is_told(self):
        merchant, first = make_identity(), body(payer_ref="secret person", metadata={"a": "x"})
        create_order(body=first, merchant=merchant)
        with pytest.raises(OrderConflict) as refusal:
            create_order(
                body=msgspec.structs.replace(first, amount=1, payer_ref="me", metadata={"b": "x"}),
                merchant=merchant,
            )
        told = {e.field: e.detail for e in refusal.value.errors}
        assert set(told) == {"amount", "payer_ref", "metadata.a", "metadata.b"}
        assert told["amount"] == "the first order has 1000"
        assert "secret person" not in str(told)

    def test_another_merchants_number_is_nobodys_conflict(self):
        first = body(amount=5_00)
        create_order(body=first, merchant=make_identity())
        other, mine = make_identity(), msgspec.structs.replace(first, amount=7_00)
        assert create_order(body=mine, merchant=other)[0]
        with pytest.raises(OrderConflict) as refusal:
            create_order(body=first, merchant=other)
        assert [e.detail for e in refusal.value.errors] == ["the first order has 700"]

    def test_a_digest_of_an_earlier_release_refuses_nothing(self, owner_connection):
        merchant, asked = make_identity(), body(metadata={"a": "1"}, expires_in=60)
        _, order_json = create_order(body=asked, merchant=merchant)
        owner_connection.execute(
            "UPDATE acquiring_trade_order SET request_digest = 'old' WHERE merchant_order_no = %s",
            [asked.merchant_order_no],
        )
        assert create_order(body=asked, merchant=merchant) == (False, order_json)

    def test_raced_by_32_makes_one_order(self):
        merchant, asked = make_identity(), body()
        answers = run_together([lambda: create_order(body=asked, merchant=merchant)] * 32)
        numbers = {msgspec.json.decode(order_json)["order_no"] for _, order_json in answers}
        assert len(numbers) == 1
        assert sum(made for made, _ in answers) == 1
        assert count_orders(merchant.merchant_no) == 1

    def test_takes_one_round_trip(self):
        merchant = make_identity()
        create_order(body=body(), merchant=merchant)
        with counting_round_trips() as seen:
            create_order(body=body(), merchant=merchant)
        assert seen.statements == ["create_order"]
        assert seen.on_the_wire == 1

    @pytest.mark.parametrize(
        ("field", "change"),
        [
            ("merchant_order_no", {"merchant_order_no": ""}),
            ("merchant_order_no", {"merchant_order_no": "x" * 65}),
            ("merchant_order_no", {"merchant_order_no": "订单1"}),
            ("merchant_order_no", {"merchant_order_no": "a b"}),
            ("amount", {"amount": 0}),
            ("amount", {"amount": -1}),
            ("amount", {"amount": 1_000_000_000_000}),
            ("currency", {"currency": "cny"}),
            ("currency", {"currency": "XXX"}),
            ("subject", {"subject": ""}),
            ("subject", {"subject": "  "}),
            ("subject", {"subject": "x" * 129}),
            ("subject", {"subject": "a\u202eb"}),
            ("subject", {"subject": "a\nb"}),
            ("description", {"description": "x" * 513}),
            ("expires_in", {"expires_in": 59}),
            ("expires_in", {"expires_in": 86_401}),
            ("notify_url", {"notify_url": "https://10.0.0.1/x"}),
            ("notify_url", {"notify_url": "ftp://shop.example/x"}),
            ("return_url", {"return_url": "https://evil.example/"}),
            ("return_url", {"return_url": "//shop.example/"}),
            ("return_url", {"return_url": "https://shop.example@evil.example/"}),
            ("return_url", {"return_url": "https://shop.example\\@evil.example/"}),
            ("return_url", {"return_url": "javascript:alert(1)"}),
            ("allowed_methods", {"allowed_methods": []}),
            ("metadata", {"metadata": {str(n): "" for n in range(21)}}),
            ("metadata", {"metadata": {"k" * 41: ""}}),
            ("metadata.k", {"metadata": {"k": "v" * 257}}),
            ("metadata.k", {"metadata": {"k": "two\nlines"}}),
            ("metadata.k", {"metadata": {"k": "a\tb"}}),
            ("metadata.k", {"metadata": {"k": "a\u200bb"}}),
            ("description", {"description": "two\nlines"}),
            ("description", {"description": "two\r\nlines"}),
            ("description", {"description": "a\tb"}),
        ],
    )
    def test_names_the_field_that_is_wrong_and_writes_nothing(
        self, field: str, change: dict[str, Any]
    ):
        merchant = make_identity()
        with pytest.raises(InvalidRequest) as refusal:
            create_order(body=body(**change), merchant=merchant)
        assert [error.field for error in refusal.value.errors] == [field]
        assert count_orders(merchant.merchant_no) == 0

    def test_keeps_a_registered_return_url(self):
        trade = make_trade(return_url="https://shop.example/thanks?x=1")
        assert trade.order()["return_url"] == "https://shop.example/thanks?x=1"

    def test_refuses_a_revoked_key_inside_its_own_statement(self):
        made = make_merchant()
        merchant = authenticate_bearer(secret=made["secret_key"])
        spare = issue_credential(merchant_no=made["merchant_no"])
        revoke_credential(key_id=merchant.key_id)
        with pytest.raises(Unauthenticated):
            create_order(body=body(), merchant=merchant)
        assert count_orders(merchant.merchant_no) == 0
        for order_no in (make_trade().order_no, numbers.new_number(numbers.ORDER)):
            with pytest.raises(Unauthenticated):
                get_order_json(merchant=merchant, order_no=order_no)
            with pytest.raises(Unauthenticated):
                Trade(merchant, order_no).pay()
        still_good = authenticate_bearer(secret=spare.secret)
        assert create_order(body=body(), merchant=still_good)[0]


class TestKeysThatEnd:
    def test_a_key_ends_by_itself_also_where_it_is_remembered(self, clock: VirtualClock):
        made = make_merchant()
        key = issue_credential(merchant_no=made["merchant_no"], lifetime_s=60)
        merchant = recognise_bearer(secret=key.secret)
        _, order_json = create_order(body=body(), merchant=merchant)
        order_no = msgspec.json.decode(order_json)["order_no"]
        clock.advance(59)
        assert authenticate_bearer(secret=key.secret) == merchant

        clock.advance(2)

        with pytest.raises(Unauthenticated):
            authenticate_bearer(secret=key.secret)
        with pytest.raises(Unauthenticated):
            create_order(body=body(), merchant=merchant)
        with pytest.raises(Unauthenticated):
            get_order_json(merchant=merchant, order_no=order_no)
        assert count_orders(merchant.merchant_no) == 1
        still_good = authenticate_bearer(secret=made["secret_key"])
        assert get_order_json(merchant=still_good, order_no=order_no) == order_json


class TestReading:
    def test_another_merchants_order_is_not_found(self):
        trade = make_trade()
        with pytest.raises(NotFound):
            get_order_json(merchant=make_identity(), order_no=trade.order_no)

    def test_takes_one_round_trip(self):
        trade = make_trade()
        get_order_json(merchant=trade.merchant, order_no=trade.order_no)
        with counting_round_trips() as seen:
            get_order_json(merchant=trade.merchant, order_no=trade.order_no)
        assert seen.on_the_wire == 1

    def test_lists_newest_first_page_by_page(self):
        merchant = make_identity()
        made = [make_trade(merchant=merchant).order_no for _ in range(5)]
        seen: list[str] = []
        cursor = None
        while True:
            page, cursor = list_orders_json(merchant=merchant, limit=2, before=cursor)
            seen += [msgspec.json.decode(order)["order_no"] for order in page]
            if cursor is None:
                break
        assert seen == sorted(made, reverse=True)

    def test_pages_are_stable_where_times_are_equal_and_orders_come_meanwhile(self):
        merchant = make_identity()
        with transaction.atomic():
            made = {
                TradeOrder.objects.create(
                    order_no=numbers.new_number(numbers.ORDER),
                    merchant_no=merchant.merchant_no,
                    merchant_order_no=f"same-{n}",
                    request_digest="",
                    amount=1,
                    currency="CNY",
                    subject="Tea",
                    cashier_secret="s",
                    max_tries=1,
                    expires_at=database_now() + timedelta(hours=1),
                    due_at=database_now() + timedelta(hours=1),
                ).order_no
                for n in range(7)
            }
        times = TradeOrder.objects.filter(merchant_no=merchant.merchant_no)
        assert times.values("created_at").distinct().count() == 1
        seen: list[str] = []
        cursor = None
        while True:
            page, cursor = list_orders_json(
                merchant=merchant, limit=2, before=cursor, status=OrderStatus.INIT
            )
            seen += [msgspec.json.decode(order)["order_no"] for order in page]
            make_trade(merchant=merchant)
            if cursor is None:
                break
        assert len(seen) == len(set(seen)) == 7
        assert set(seen) == made

    def test_a_cashier_link_opens_only_its_own_order(self):
        trade, other = make_trade(), make_trade()
        token = trade.order_no[4:] + trade.order()["cashier_secret"]
        assert get_order_by_cashier_token(token=token).order.order_no == trade.order_no
        stolen = other.order_no[4:] + trade.order()["cashier_secret"]
        for wrong in (stolen, token[:-1], token + "x", token[:22], "", "é" * 46, token.upper()):
            with pytest.raises(NotFound):
                get_order_by_cashier_token(token=wrong)


class TestCloseOrder:
    def test_closes_and_stays_closed(self):
        trade = make_trade()
        for _repeat in range(2):
            result = close_order(
                order_no=trade.order_no,
                merchant_no=trade.merchant.merchant_no,
                reason=CloseReason.MERCHANT,
                cause="api",
            )
            assert result is CloseResult.CLOSED
        assert trade.order()["status"] == "CLOSED"
        assert trade.order()["close_reason"] == "MERCHANT"
        assert trade.event_types() == ["order.closed"]

    def test_is_not_found_for_another_merchant_and_changes_nothing(self):
        trade = make_trade()
        before = trade.footprint()
        with pytest.raises(NotFound):
            close_order(
                order_no=trade.order_no,
                merchant_no=make_identity().merchant_no,
                reason=CloseReason.MERCHANT,
                cause="api",
            )
        assert trade.footprint() == before

    def test_raced_by_many_closes_once(self):
        trade = make_trade()
        run_together(
            [
                lambda: close_order(
                    order_no=trade.order_no,
                    merchant_no=None,
                    reason=CloseReason.OPERATOR,
                    cause="x",
                )
            ]
            * 8
        )
        assert trade.event_types() == ["order.closed"]
        assert trade.moves() == [("", "INIT"), ("INIT", "CLOSED")]


class TestExpiry:
    def test_closes_what_is_due_and_nothing_else(self, clock: VirtualClock):
        due = [make_trade(expires_in=60) for _ in range(7)]
        later = make_trade(expires_in=3_600)
        clock.advance(61)
        while expire_due_orders(batch_size=3):
            pass
        assert {trade.order()["status"] for trade in due} == {"CLOSED"}
        assert {trade.order()["close_reason"] for trade in due} == {"EXPIRED"}
        assert all(trade.event_types() == ["order.closed"] for trade in due)
        assert later.order()["status"] == "INIT"

    def test_by_two_sweeps_at_once_happens_once(self, clock: VirtualClock):
        due = [make_trade(expires_in=60) for _ in range(20)]
        clock.advance(61)
        run_together([lambda: [expire_due_orders(batch_size=5) for _ in range(12)]] * 3)
        assert {trade.order()["status"] for trade in due} == {"CLOSED"}
        assert all(trade.event_types() == ["order.closed"] for trade in due)
        assert all(len(trade.moves()) == 2 for trade in due)


def test_an_order_already_paid_is_not_closed():
    trade = make_trade()
    token = make_payer_token(payer_no=make_payer(), merchant_no=trade.merchant.merchant_no)
    trade.pay(Method.BALANCE, payer_token=token)
    before = trade.footprint()
    with pytest.raises(OrderAlreadyPaid):
        close_order(
            order_no=trade.order_no, merchant_no=None, reason=CloseReason.OPERATOR, cause="x"
        )
    assert trade.footprint() == before
