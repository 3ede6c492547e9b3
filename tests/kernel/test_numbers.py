"""Numbers made together: valid, one body, never the same twice."""

from __future__ import annotations

from paymentplatform.kernel import numbers


def test_numbers_made_together_differ_in_their_prefix_only():
    prefixes = (numbers.PAYMENT, numbers.DETAIL, numbers.JOURNAL)
    made = numbers.new_numbers(*prefixes)
    assert all(numbers.is_number(n, p) for n, p in zip(made, prefixes, strict=True))
    assert len({number.partition("_")[2] for number in made}) == 1


def test_two_draws_are_never_the_same():
    drawn = [numbers.new_numbers(numbers.PAYMENT, numbers.EVENT) for _ in range(1000)]
    assert len({pair[0] for pair in drawn}) == 1000
