"""The accountant's file: which fact becomes which postings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import difference_rules as differing
from ledger import posting_rules as rules
from ledger import settlement_rules as settling
from ledger.chart import parse_account_code
from ledger.contracts import AccountKind, InvalidPosting, JournalDraft
from ledger.posting_rules import BalanceLeg, ChannelLeg
from paymentplatform.kernel.money import MAX_AMOUNT, share_half_up
from tests.ledger.books import DAY

amounts = st.integers(1, MAX_AMOUNT)


def lines(draft: JournalDraft) -> list[tuple[str, str, int]]:
    return [(posting.debit, posting.credit, posting.amount) for posting in draft.postings]


def paid(*legs, fee=0):
    return rules.build_payment_paid(
        payment_no="pay_1", merchant_no="m", currency="CNY", legs=legs, fee=fee, accounting_date=DAY
    )


def net(draft: JournalDraft, account: str) -> int:
    return sum(
        posting.amount * ((posting.credit == account) - (posting.debit == account))
        for posting in draft.postings
    )


class TestPaymentPaid:
    def test_posts_a_channel_leg_and_the_fee(self):
        draft = paid(ChannelLeg("sandbox", 10_000), fee=60)
        assert lines(draft) == [
            ("A10:sandbox:CNY", "L20:m:CNY", 10_000),
            ("L20:m:CNY", "I10:platform:CNY", 60),
        ]
        assert (draft.event_type, draft.event_id) == ("payment_paid", "pay_1")

    def test_posts_a_mixed_payment_in_one_journal_and_captures_the_hold(self):
        draft = paid(BalanceLeg("p", 3_000, "hld_1"), ChannelLeg("sandbox", 7_000), fee=0)
        assert lines(draft) == [
            ("L10:p:CNY", "L20:m:CNY", 3_000),
            ("A10:sandbox:CNY", "L20:m:CNY", 7_000),
        ]
        assert [posting.hold_no for posting in draft.postings] == ["hld_1", None]

    @pytest.mark.parametrize("fee", [-1, 10_001])
    def test_refuses_a_fee_outside_the_amount(self, fee):
        with pytest.raises(InvalidPosting):
            paid(ChannelLeg("sandbox", 10_000), fee=fee)

    @given(balance=amounts, channel=amounts, rate_ppm=st.integers(0, 1_000_000))
    def test_gives_the_merchant_everything_but_the_fee(self, balance, channel, rate_ppm):
        """Whatever the split and the rounding, nothing is lost and the fee never exceeds the claim."""
        total = balance + channel
        fee = share_half_up(total, rate_ppm)
        draft = paid(BalanceLeg("p", balance), ChannelLeg("sandbox", channel), fee=fee)
        assert net(draft, "L20:m:CNY") == total - fee
        assert net(draft, "I10:platform:CNY") == fee
        assert net(draft, "L20:m:CNY") >= 0


REFUND = {"refund_no": "r", "currency": "CNY", "accounting_date": DAY}
BACK = REFUND | {"amount": 10_000}
TO_CHANNEL, TO_BALANCE = ChannelLeg("c", 10_000), BalanceLeg("p", 10_000)
BOTH = (ChannelLeg("c", 7_000), BalanceLeg("p", 3_000))
TABLE = [
    (
        rules.build_refund_accepted(
            **REFUND,
            merchant_no="m",
            source=AccountKind.MERCHANT_PENDING,
            legs=(TO_CHANNEL,),
            returned_fee=60,
        ),
        [("L20:m:CNY", "L30:c:CNY", 10_000), ("I10:platform:CNY", "L20:m:CNY", 60)],
    ),
    (
        rules.build_refund_accepted(
            **REFUND,
            merchant_no="m",
            source=AccountKind.MERCHANT_AVAILABLE,
            legs=BOTH,
            returned_fee=60,
        ),
        [
            ("L21:m:CNY", "L30:c:CNY", 7_000),
            ("L21:m:CNY", "L30:internal:CNY", 3_000),
            ("I10:platform:CNY", "L21:m:CNY", 60),
        ],
    ),
    (
        rules.build_refund_failed(
            **REFUND,
            merchant_no="m",
            source=AccountKind.MERCHANT_AVAILABLE,
            legs=(TO_BALANCE,),
            returned_fee=60,
        ),
        [("L30:internal:CNY", "L21:m:CNY", 10_000), ("L21:m:CNY", "I10:platform:CNY", 60)],
    ),
    (
        rules.build_refund_done(**REFUND, legs=BOTH),
        [("L30:c:CNY", "A10:c:CNY", 7_000), ("L30:internal:CNY", "L10:p:CNY", 3_000)],
    ),
    (
        rules.build_late_money_refund_sent(**BACK, channel_code="c"),
        [("L90:c:CNY", "L30:c:CNY", 10_000)],
    ),
    (
        rules.build_late_money_refund_failed(**BACK, channel_code="c"),
        [("L30:c:CNY", "L90:c:CNY", 10_000)],
    ),
    (
        rules.build_late_money_received(
            late_money_no="l", channel_code="c", currency="CNY", amount=10_000
        ),
        [("A10:c:CNY", "L90:c:CNY", 10_000)],
    ),
    (
        rules.build_late_money_honoured(
            late_money_no="l",
            channel_code="c",
            merchant_no="m",
            currency="CNY",
            amount=10_000,
            fee=60,
        ),
        [("L90:c:CNY", "L20:m:CNY", 10_000), ("L20:m:CNY", "I10:platform:CNY", 60)],
    ),
    (
        rules.build_top_up(reference="t", payer_no="p", currency="CNY", amount=10_000),
        [("A20:platform:CNY", "L10:p:CNY", 10_000)],
    ),
    (
        rules.build_platform_funding(reference="t", currency="CNY", amount=10_000),
        [("A20:platform:CNY", "E10:platform:CNY", 10_000)],
    ),
]
OF_CHANNEL = {"channel_code": "c", "currency": "CNY"}
DIFFERENCE = OF_CHANNEL | {"discrepancy_no": "d", "amount": 10_000}
OF_MERCHANT = {"merchant_no": "m", "currency": "CNY", "amount": 10_000}
TABLE += [
    (
        settling.build_channel_settled(**OF_CHANNEL, reference="s", gross=10_000, cost=50),
        [("A20:platform:CNY", "A10:c:CNY", 9_950), ("X10:c:CNY", "A10:c:CNY", 50)],
    ),
    (
        settling.build_channel_settled(**OF_CHANNEL, reference="s", gross=50, cost=50),
        [("X10:c:CNY", "A10:c:CNY", 50)],
    ),
    (
        settling.build_channel_cost_corrected(**OF_CHANNEL, reference="s", change=7),
        [("X10:c:CNY", "A10:c:CNY", 7)],
    ),
    (
        settling.build_channel_cost_corrected(**OF_CHANNEL, reference="s", change=-7),
        [("A10:c:CNY", "X10:c:CNY", 7)],
    ),
    *(
        (build(**DIFFERENCE), [(debit, credit, 10_000)])
        for build, debit, credit in (
            (differing.build_channel_long_found, "A10:c:CNY", "L90:c:CNY"),
            (differing.build_channel_long_withdrawn, "L90:c:CNY", "A10:c:CNY"),
            (differing.build_channel_loss_recovered, "L90:c:CNY", "X90:platform:CNY"),
            (differing.build_channel_short_found, "A90:c:CNY", "A10:c:CNY"),
            (differing.build_channel_short_recovered, "A10:c:CNY", "A90:c:CNY"),
            (differing.build_channel_short_written_off, "X90:platform:CNY", "A90:c:CNY"),
        )
    ),
    (
        differing.build_channel_long_credited(**DIFFERENCE, merchant_no="m"),
        [("L90:c:CNY", "L20:m:CNY", 10_000)],
    ),
    (
        differing.build_channel_short_charged(**DIFFERENCE, merchant_no="m"),
        [("L21:m:CNY", "A90:c:CNY", 10_000)],
    ),
    (
        differing.build_channel_short_charged(**DIFFERENCE, merchant_no="m", written_off=1),
        [("L21:m:CNY", "A90:c:CNY", 9_999), ("X90:platform:CNY", "A90:c:CNY", 1)],
    ),
    (
        differing.build_channel_loss_recovered(**DIFFERENCE, merchant_no="m", credited=1),
        [("L90:c:CNY", "X90:platform:CNY", 9_999), ("L90:c:CNY", "L20:m:CNY", 1)],
    ),
    (
        settling.build_chargeback(**OF_MERCHANT, channel_code="c", chargeback_no="b"),
        [("L21:m:CNY", "A10:c:CNY", 10_000)],
    ),
    (
        differing.build_late_money_pulled_back(**OF_CHANNEL, reference="l", amount=10_000),
        [("L90:c:CNY", "X90:platform:CNY", 10_000)],
    ),
    (
        settling.build_merchant_release(**OF_MERCHANT, reference="b"),
        [("L20:m:CNY", "L21:m:CNY", 10_000)],
    ),
    *(
        (build(**OF_MERCHANT, payout_no="p"), [(debit, credit, 10_000)])
        for build, debit, credit in (
            (settling.build_payout_sent, "L21:m:CNY", "L22:m:CNY"),
            (settling.build_payout_confirmed, "L22:m:CNY", "A20:platform:CNY"),
            (settling.build_payout_failed, "L22:m:CNY", "L21:m:CNY"),
            (settling.build_payout_returned, "A20:platform:CNY", "L21:m:CNY"),
        )
    ),
]
MAY_OVERDRAW = {"chargeback", "channel_short_charged"}


@pytest.mark.parametrize(
    ("draft", "expected"), TABLE, ids=lambda value: getattr(value, "event_type", "")
)
class TestTable:
    def test_each_fact_has_its_postings(self, draft, expected):
        assert lines(draft) == expected

    def test_whoever_takes_from_a_floored_account_minds_its_floor(self, draft, expected):
        for posting in draft.postings:
            kind = parse_account_code(posting.debit).kind
            if kind in {"L20", "L21", "L22", "L30", "L90"} and not posting.spend:
                assert net(draft, posting.debit) >= 0 or draft.event_type in MAY_OVERDRAW


class TestRefusals:
    def test_a_refund_comes_out_of_a_merchant_account_only(self):
        with pytest.raises(InvalidPosting):
            rules.build_refund_accepted(
                **REFUND,
                merchant_no="m",
                source=AccountKind.SUSPENSE,
                legs=(TO_CHANNEL,),
                returned_fee=0,
            )

    def test_no_more_fee_is_returned_than_was_refunded(self):
        with pytest.raises(InvalidPosting):
            rules.build_refund_accepted(
                **REFUND,
                merchant_no="m",
                source=AccountKind.MERCHANT_PENDING,
                legs=(TO_CHANNEL,),
                returned_fee=10_001,
            )

    def test_late_money_cannot_cost_more_than_it_is(self):
        with pytest.raises(InvalidPosting):
            rules.build_late_money_honoured(
                late_money_no="l",
                channel_code="c",
                merchant_no="m",
                currency="CNY",
                amount=1,
                fee=2,
            )

    @pytest.mark.parametrize("cost", [-1, 101])
    def test_a_channel_cannot_keep_more_than_it_owes(self, cost):
        with pytest.raises(InvalidPosting):
            settling.build_channel_settled(**OF_CHANNEL, reference="s", gross=100, cost=cost)
