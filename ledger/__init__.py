"""账务: what the money did. Accounts, journals, postings, holds, balances."""
