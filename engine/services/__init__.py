"""Use cases of the engine. They own transactions, locks and moves."""
