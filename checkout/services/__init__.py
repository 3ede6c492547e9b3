"""Use cases of the cashier 收银台: consult, accept, pay."""
