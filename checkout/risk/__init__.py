"""Risk 风控: facts and rules in, a decision out. Everything in this folder is pure."""
