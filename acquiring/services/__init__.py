"""Use cases of acquiring. They own transactions, locks and moves."""
