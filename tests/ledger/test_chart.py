"""The chart of accounts, and the database's copy of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import chart
from ledger.chart import CHART, Side, build_account_code, parse_account_code
from ledger.contracts import AccountKind, InvalidPosting
from tests.ledger.books import DAY, Books, fresh, query

owners = st.from_regex(r"\A[A-Za-z0-9_.-]{1,64}\Z")
kinds = st.sampled_from(list(AccountKind))
currencies = st.sampled_from(["CNY", "USD", "JPY"])


class TestAccountCode:
    @given(kind=kinds, owner=owners, currency=currencies)
    def test_parsing_undoes_building(self, kind, owner, currency):
        code = parse_account_code(build_account_code(kind=kind, owner=owner, currency=currency))
        assert (code.kind, code.owner, code.currency) == (kind, owner, currency)
        assert parse_account_code(str(code)) == code

    @pytest.mark.parametrize(
        "text",
        ["", "L10", "L10:a", "L10:a:CNY:b", "L99:a:CNY", "L10::CNY", "L10:a b:CNY", "L10:a:XXX"],
    )
    def test_refuses_what_is_no_code(self, text):
        with pytest.raises(InvalidPosting):
            parse_account_code(text)

    @pytest.mark.parametrize(("owner", "currency"), [("", "CNY"), ("a:b", "CNY"), ("a", "cny")])
    def test_refuses_to_build_what_no_account_can_have(self, owner, currency):
        with pytest.raises(InvalidPosting):
            build_account_code(kind=AccountKind.BANK, owner=owner, currency=currency)

    def test_named_builders_name_the_kind(self):
        assert chart.payer_balance(payer_no="p", currency="CNY") == "L10:p:CNY"
        assert chart.merchant_available(merchant_no="m", currency="CNY") == "L21:m:CNY"
        assert chart.refund_in_transit(channel_code=None, currency="CNY") == "L30:internal:CNY"


class TestDatabaseAgrees:
    def test_covers_every_kind(self):
        assert set(CHART) == set(AccountKind)

    @pytest.mark.parametrize("kind", AccountKind)
    def test_on_side_and_balance_row(self, kind):
        owner = fresh("own")
        code = f"{kind}:{owner}:CNY"
        Books().post(
            (code, f"E10:{owner}:CNY", 5) if kind[0] in "AX" else (f"A20:{owner}:CNY", code, 5)
        )
        ((stored_kind, sign, payer, roll_up),) = query(
            "SELECT a.kind, a.credit_sign, b.account_id IS NOT NULL, r.account_id IS NOT NULL "
            "FROM ledger_account a LEFT JOIN ledger_payer_balance b ON b.account_id = a.id "
            "LEFT JOIN ledger_roll_up r ON r.account_id = a.id WHERE a.code = %s",
            code,
        )
        rule = CHART[kind]
        assert stored_kind == kind
        assert sign == (1 if rule.normal_side is Side.CREDIT else -1)
        assert (payer, roll_up) == (rule.balance_row, not rule.balance_row)
        assert Books().balance(code) == 5

    @pytest.mark.parametrize("kind", [kind for kind in AccountKind if kind != "L10"])
    def test_on_the_floor_of_hot_accounts(self, kind):
        """A floored account without money refuses to be spent from; the others do not mind."""
        owner = fresh("own")
        taken = query(
            "SELECT ledger_post(%s, 'test', %s, %s, 'CNY', ARRAY[%s], ARRAY[%s], ARRAY[5]::bigint[], ARRAY[true])",
            *(fresh("jnl"), fresh(), DAY, f"{kind}:{owner}:CNY", f"A20:{owner}2:CNY"),
        )
        assert (taken == [(None,)]) == CHART[kind].floored
