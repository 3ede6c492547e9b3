"""Which capability of the platform a test file proves: each has a budget of its own (see ``tests.budget``).

``python -m tests.capabilities A`` prints the files of one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

_TESTS = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Capability:
    """A part of what the platform promises, and the files under tests/ that prove it."""

    letter: str
    title: str
    files: tuple[str, ...]
    budget_s: float | None = None
    """What its tests may take in a run of their own, on two quiet cores."""


CAPABILITIES = (
    Capability(
        "B",
        "methods, combined payments, refunds, late money, crash proofs",
        (
            "proofs/*",
            "architecture/test_failpoints.py",
            "browser/test_methods.py",
            "checkout/test_combined.py",
            "checkout/test_statements.py",
            "concurrency/test_combining.py",
            "console/test_complaints.py",
            "console/test_late_money_decision.py",
            "console/test_proposal*.py",
            "console/test_words.py",
            "engine/channels/test_refund_notifications.py",
            "engine/channels/test_saved_cards.py",
            "engine/test_call_slots.py",
            "engine/test_combined.py",
            "engine/test_exchange.py",
            "engine/test_exposure.py",
            "engine/test_failover.py",
            "engine/test_last_heard.py",
            "engine/test_late_money.py",
            "engine/test_plans.py",
            "engine/test_refund*.py",
            "engine/test_registry.py",
            "engine/test_saved_cards.py",
            "flows/test_combined.py",
            "flows/test_late_money.py",
            "flows/test_refunds.py",
            "kernel/test_cache.py",
            "kernel/test_failpoints.py",
            "kernel/test_transactions.py",
            "ledger/test_hot_accounts.py",
        ),
    ),
    Capability(
        "C",
        "the merchant API",
        (
            "api_contract/*",
            "sdk/*",
            "acquiring/test_books.py",
            "acquiring/test_certify_merchant.py",
            "acquiring/test_events_api.py",
            "acquiring/test_idempotency_*.py",
            "acquiring/test_inside_addresses.py",
            "acquiring/test_late_money_api.py",
            "acquiring/test_lists_api.py",
            "acquiring/test_outage.py",
            "acquiring/test_public_keys.py",
            "acquiring/test_rate_limits.py",
            "acquiring/test_request_signing.py",
            "acquiring/test_signed_requests.py",
            "acquiring/test_webhook_endpoints_api.py",
            "acquiring/test_webhook_sender.py",
            "architecture/test_field_codes.py",
            "architecture/test_hot_rules.py",
            "browser/test_api_pages.py",
            "browser/test_consent.py",
            "checkout/test_agreements.py",
            "checkout/test_consulting.py",
            "checkout/test_disabled_merchant.py",
            "checkout/test_wishes.py",
            "console/test_agreement_pages.py",
            "console/test_dead_letters.py",
            "console/test_signing_keys.py",
            "docs/test_openapi_examples.py",
            "docs/test_quickstarts.py",
            "docs/test_signing_examples.py",
            "docs/test_webhook_examples.py",
            "flows/test_lost_replies.py",
            "paymentplatform/test_limits.py",
            "paymentplatform/test_request_body.py",
        ),
        budget_s=180,
    ),
    Capability(
        "G",
        "speed",
        (
            "bench/*",
            "concurrency/test_losing_a_group.py",
            "engine/test_losing_refunds.py",
            "engine/test_losing_successes.py",
            "engine/test_plain_refunds.py",
            "engine/test_plain_successes.py",
            "flows/test_hot_plans.py",
            "kernel/test_combining.py",
            "kernel/test_numbers.py",
            "kernel/test_structs.py",
        ),
    ),
    Capability(
        "A",
        "the house and its first payments",
        (
            "test_launcher.py",
            "architecture/*",
            "acquiring/test_orders.py",
            "acquiring/test_webhook_*.py",
            "browser/test_paying.py",
            "checkout/test_acceptance.py",
            "checkout/test_pages.py",
            "concurrency/test_answering.py",
            "concurrency/test_creating.py",
            "concurrency/test_ending.py",
            "concurrency/test_guard.py",
            "concurrency/test_locking.py",
            "concurrency/test_losing_the_worker.py",
            "concurrency/test_pressing.py",
            "console/test_admin.py",
            "console/test_commands.py",
            "console/test_prove.py",
            "console/test_reconcile_orders.py",
            "docs/*",
            "engine/channels/*",
            "engine/test_callbacks.py",
            "engine/test_funnel.py",
            "flows/test_balance.py",
            "flows/test_ends.py",
            "flows/test_faults.py",
            "flows/test_orders.py",
            "flows/test_qr.py",
            "flows/test_round_trips.py",
            "kernel/test_hotsql.py",
            "kernel/test_http.py",
            "kernel/test_money.py",
            "ledger/test_any_sequence.py",
            "ledger/test_chart.py",
            "ledger/test_commands.py",
            "ledger/test_holds.py",
            "ledger/test_invariants.py",
            "ledger/test_journals.py",
            "ledger/test_permissions.py",
            "ledger/test_posting_rules.py",
            "ledger/test_races.py",
            "ledger/test_roll_ups.py",
            "paymentplatform/*",
        ),
        budget_s=180,
    ),
    Capability(
        "E",
        "the books",
        (
            "acquiring/*",
            "console/test_discrepancy_*.py",
            "console/test_two_people_pages.py",
            "console/test_reconcile_*.py",
            "engine/*",
            "flows/test_whole_day.py",
            "ledger/*",
        ),
    ),
    Capability("F", "the operators' console", ("console/*", "browser/test_console.py")),
    Capability(
        "D",
        "the cashier",
        ("browser/*", "checkout/*", "flows/test_cashier_*.py"),
        budget_s=120,
    ),
    Capability("–", "what belongs to none", ("*",)),
)
"""The first that names a file has it; D, E and F have what is new in their parts of the house."""


@cache
def capability_of(path: str) -> Capability:
    """Tell whose a test file is; ``path`` begins with ``tests/``."""
    name = path.removeprefix("tests/")
    return next(
        capability
        for capability in CAPABILITIES
        if any(fnmatch(name, pattern) for pattern in capability.files)
    )


def files_of(letter: str) -> list[str]:
    """Return the test files of one capability, as paths from the top of the repository."""
    found = sorted(f"tests/{path.relative_to(_TESTS)}" for path in _TESTS.rglob("test_*.py"))
    return [path for path in found if capability_of(path).letter == letter]


if __name__ == "__main__":
    sys.stdout.write("\n".join(files_of(sys.argv[1])) + "\n")
