"""The proof of reconciliation at one hundredth: every planted difference is found by the command, none is invented."""

from __future__ import annotations

from bench.reconciliation import Size, measure
from tests.databases import fresh_database
from tests.environment import database_url, owner_url


def test_every_planted_difference_is_found_and_none_is_invented():
    with fresh_database("platform_reconcile") as name:
        environment = {
            "DATABASE_URL": database_url(name),
            "MIGRATION_DATABASE_URL": owner_url(name),
            "PLATFORM_TEST_CUTOFF_GRACE_DAYS": "0",
        }
        result = measure(environment, Size(lines=10_000, differences=100), grace_days=0)
    assert (result.planted, result.found, result.missed, result.invented) == (100, 100, 0, 0)
    assert result.ok, result
