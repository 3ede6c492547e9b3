"""The operators' floor: proofs, reconciliation, commands, pages."""
