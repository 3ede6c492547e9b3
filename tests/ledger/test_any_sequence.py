"""Whatever happens in whatever order, the books agree with a model that is too simple to be wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import api
from ledger.contracts import HoldNotOpen, InsufficientBalance
from tests.ledger.books import LONG, Books, reverse, sum_of_postings

amounts = st.integers(1, 400)
steps = st.one_of(
    st.tuples(st.just("top_up"), amounts),
    st.tuples(st.just("pay"), amounts, st.integers(0, 30)),
    st.tuples(st.just("collect"), amounts),
    st.tuples(st.just("spend"), amounts),
    st.tuples(st.just("hold"), amounts),
    st.tuples(st.just("capture"), st.integers(0, 5)),
    st.tuples(st.just("release"), st.integers(0, 5)),
    st.tuples(st.just("reverse"), st.integers(0, 9)),
    st.tuples(st.just("repeat"), st.integers(0, 9)),
    st.tuples(st.just("roll_up")),
)


@dataclass
class Model:
    """Integers and a list of holds; every method answers as the ledger should."""

    books: Books = field(default_factory=Books)
    payer: int = 0
    pending: int = 0
    holds: list[list] = field(default_factory=list)  # [number, amount, state]
    payments: list[list] = field(
        default_factory=list
    )  # [number, journal_no, amount, fee, reversed]

    @property
    def held(self) -> int:
        return sum(amount for _, amount, state in self.holds if state == "OPEN")

    def top_up(self, amount: int) -> None:
        self.books.funded(amount)
        self.payer += amount

    def pay(self, amount: int, fee: int) -> None:
        fee, number = min(fee, amount), f"{self.books.payer_no}-{len(self.payments)}"
        if self._agrees(
            amount <= self.payer - self.held, self.books.pay, amount, fee=fee, payment_no=number
        ):
            journal = api.find_journal(event_type="payment_paid", event_id=number)
            self.payments.append([number, journal.journal_no, amount, fee, False])
            self.payer -= amount
            self.pending += amount - fee

    def collect(self, amount: int) -> None:
        self.books.collect(amount)
        self.pending += amount

    def spend(self, amount: int) -> None:
        if self._agrees(amount <= self.pending, self.books.spend, amount):
            self.pending -= amount

    def hold(self, amount: int) -> None:
        number = f"{self.books.payer_no}-h{len(self.holds)}"
        if self._agrees(amount <= self.payer - self.held, self.books.hold, amount, hold_no=number):
            self.holds.append([number, amount, "OPEN"])

    def capture(self, index: int) -> None:
        if index < len(self.holds):
            number, amount, state = self.holds[index]
            legs = (self.books.payer, self.books.pending, amount)
            try:
                self.books.post(legs, event=("capture", f"{number}-{state}"), holds=(number,))
            except HoldNotOpen:
                assert state != "OPEN"
            else:
                assert state == "OPEN"
                self.holds[index][2] = "CAPTURED"
                self.payer -= amount
                self.pending += amount

    def release(self, index: int) -> None:
        if index < len(self.holds):
            number, _, state = self.holds[index]
            try:
                assert self.books.release(number) is (state == "OPEN")
            except HoldNotOpen:
                assert state == "CAPTURED"
            else:
                self.holds[index][2] = "RELEASED"

    def reverse(self, index: int) -> None:
        if index < len(self.payments):
            _, journal_no, amount, fee, done = self.payments[index]
            enough = done or amount - fee <= self.pending
            if self._agrees(enough, reverse, journal_no) and not done:
                self.payments[index][4] = True
                self.payer += amount
                self.pending -= amount - fee

    def repeat(self, index: int) -> None:
        if index < len(self.payments):
            number, journal_no, amount, fee, _ = self.payments[index]
            assert self.books.pay(amount, fee=fee, payment_no=number) == journal_no

    def roll_up(self) -> None:
        api.roll_up_accounts(limit=1_000)

    def _agrees(self, enough: bool, act, *arguments, **options) -> bool:
        try:
            act(*arguments, **options)
        except InsufficientBalance:
            assert not enough
            return False
        assert enough
        return True


@settings(
    max_examples=400 if LONG else 30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(sequence=st.lists(steps, max_size=30))
def test_any_sequence_keeps_every_promise(sequence):
    model = Model()
    for name, *arguments in sequence:
        getattr(model, name)(*arguments)
        payer, pending = api.list_balances(account_codes=[model.books.payer, model.books.pending])
        assert (payer.balance, payer.held, pending.balance) == (
            model.payer,
            model.held,
            model.pending,
        )
    assert sum_of_postings(model.books.payer) == model.payer
    assert sum_of_postings(model.books.pending) == model.pending
    assert api.find_differences() == []
