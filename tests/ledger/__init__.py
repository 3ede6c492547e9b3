"""The ledger: units, properties, races, planted violations."""
