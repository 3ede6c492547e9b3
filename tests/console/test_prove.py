"""Each promise about the platform is broken on purpose, and the query that guards it says so.

The ledger's own promises are broken in ``tests/ledger/test_invariants.py``.
"""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from acquiring import api as acquiring
from checkout import api as checkout
from engine import api as engine
from ledger import api as ledger
from paymentplatform.console import selectors
from paymentplatform.console.invariants import INVARIANTS as CONSOLE
from paymentplatform.console.models import ProofRun
from paymentplatform.console.settlement_invariants import SETTLEMENT_INVARIANTS
from paymentplatform.kernel.invariants import Invariant
from tests.console import proposals, trades
from tests.live import LivePlatform
from tests.makers import order_body
from tests.waiting import wait_until

OLD = "interval '2 minutes'"
ORDER = "UPDATE acquiring_trade_order SET {change} WHERE order_no = '{order}'"
PAYMENT = "UPDATE engine_payment_order SET {change} WHERE payment_no = '{payment}'"
AGED = [
    f"UPDATE acquiring_trade_order SET created_at = created_at - {OLD}",
    f"UPDATE engine_payment_order SET created_at = created_at - {OLD}",
    f"UPDATE engine_payment_detail SET created_at = created_at - {OLD}",
    f"UPDATE engine_channel_attempt SET created_at = created_at - {OLD}",
    f"UPDATE engine_late_money SET created_at = created_at - {OLD}",
    f"UPDATE engine_refund SET created_at = created_at - {OLD}",
    f"UPDATE acquiring_delivery SET created_at = created_at - {OLD}",
    f"UPDATE engine_transition SET at = at - {OLD}",
]


def order(change: str, *, of: str = "paid") -> str:
    return f"UPDATE acquiring_trade_order SET {change} WHERE order_no = '{{{of}.order}}'"


def payment(change: str, *, of: str = "paid") -> str:
    return f"UPDATE engine_payment_order SET {change} WHERE payment_no = '{{{of}.payment}}'"


def detail(change: str, *, of: str = "paid") -> str:
    return f"UPDATE engine_payment_detail SET {change} WHERE payment_id = '{{{of}.payment}}'"


def balance_part(change: str, *, of: str) -> str:
    return (
        f"UPDATE engine_payment_detail SET {change} "
        f"WHERE payment_id = '{{{of}.payment}}' AND channel_code IS NULL"
    )


def hold(change: str, *, of: str) -> str:
    return (
        "ALTER TABLE ledger_hold DROP CONSTRAINT IF EXISTS ledger_hold_resolved_once; "
        f"UPDATE ledger_hold SET {change} WHERE reference = '{{{of}.payment}}'"
    )


def attempt(change: str, *, of: str = "charged") -> str:
    return f"UPDATE engine_channel_attempt SET {change} WHERE attempt_no = '{{{of}.attempt}}'"


def late(change: str) -> str:
    return f"UPDATE engine_late_money SET {change} WHERE attempt_no = '{{late.attempt}}'"


def late_refund(status: str, amount: str) -> str:
    """A refund of the late money that nobody will ask about; constraints stay on, so it looks like one."""
    return (
        "INSERT INTO engine_refund (refund_no, purpose, merchant_no, late_money_no, order_no, payment_no, status, "
        "amount, external_amount, balance_amount, currency, reason, channel_code, channel_trade_no, source, "
        "returned_fee, last_outcome, last_answer) "
        f"SELECT 'rfd_' || late_money_no, 'LATE_MONEY', merchant_no, late_money_no, order_no, payment_no, '{status}', "
        f"{amount}, {amount}, 0, currency, '', channel_code, channel_trade_no, 'L90', 0, '', '' "
        "FROM engine_late_money WHERE attempt_no = '{late.attempt}'"
    )


def refund(change: str, *, of: str = "refunded") -> str:
    return f"UPDATE engine_refund SET {change} WHERE refund_no = '{{{of}.refund}}'"


def refund_event(change: str, *, of: str = "refunded") -> str:
    return f"UPDATE acquiring_merchant_event SET {change} WHERE object_no = '{{{of}.refund}}'"


def event(change: str, *, of: str = "paid") -> str:
    return f"UPDATE acquiring_merchant_event SET {change} WHERE object_no = '{{{of}.order}}'"


def history(app: str, machine: str, object_no: str, source: str, target: str) -> str:
    return (
        f"INSERT INTO {app}_transition (machine, object_no, from_status, to_status, cause, actor, request_id) "
        f"VALUES ('{machine}', '{object_no}', '{source}', '{target}', 'test', 'test', '')"
    )


ENDPOINT = (
    "INSERT INTO acquiring_webhook_endpoint (endpoint_id, merchant_no, url, events, secrets, changed_at)"
    " VALUES ('wep_x', '{{{owner}.merchant[merchant_no]}}', 'https://x/', '[]', 'x', now() - interval '1 day')"
)


def batch(change: str) -> str:
    return f"UPDATE acquiring_settlement_batch SET {change} WHERE batch_no = '{{batch}}'"


def item(change: str) -> str:
    return f"UPDATE acquiring_settlement_item SET {change} WHERE batch_no = '{{batch}}'"


def payout(change: str, *, ended: str = "now()") -> str:
    return (
        f"UPDATE acquiring_payout SET {change}, ended_at = {ended} WHERE payout_no = '{{payout}}'"
    )


def copy(table: str, condition: str, **changes: str) -> str:
    """Insert a second row like the first one, under a key of its own."""
    values = ", ".join(f"'{name}', {value}" for name, value in changes.items())
    return (
        f"INSERT INTO {table} SELECT (jsonb_populate_record(r, jsonb_build_object({values}))).* "
        f"FROM {table} r WHERE {condition}"
    )


def dropped(table: str, *constraints: str) -> list[str]:
    return [f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE" for name in constraints]


SECOND_PAYMENT = copy(
    "engine_payment_order",
    "r.payment_no = '{waiting.payment}'",
    payment_no="'{waiting.payment}x'",
    live_order_no="NULL",
)
SECOND_ATTEMPT = copy(
    "engine_channel_attempt",
    "r.attempt_no = '{charged.attempt}'",
    attempt_no="'{charged.attempt}x'",
    channel_trade_no="'{charged.trade_no}x'",
)

STATEMENT = (
    "INSERT INTO engine_statement (statement_no, channel_code, account, statement_date, covers_from, covers_to, sha256,"
    " version, layout, source, line_count, totals, reconciled_at) VALUES ('stm_x', 'sandbox', 'a', '2001-01-01',"
    " '2001-01-01Z', '2001-01-02Z', 'x', 1, 'sandbox', 'FILE', 1, '{{}}', '2001-01-03Z')"
)
STATEMENT_LINE = (
    "INSERT INTO engine_statement_line (statement_no, line_no, kind, match_key, channel_trade_no, request_no, amount,"
    " currency, fee, occurred_at) VALUES ('stm_x', 1, 'CHARGE', '{charged.trade_no}', '{charged.trade_no}',"
    " '{charged.attempt}', 1000, 'CNY', 1, '2001-01-01Z')"
)
DISCREPANCY = (
    "INSERT INTO engine_discrepancy (discrepancy_no, channel_code, statement_date, statement_no, kind, line_kind,"
    " match_key, ordinal, difference, currency, status, posted_at) VALUES ('dsc_x', 'sandbox', '2001-01-01', 'stm_x',"
    " 'AMOUNT_OVER', 'CHARGE', '{charged.trade_no}', 1, -7, 'CNY', 'OPEN', '2001-01-03Z')"
)
SETTLEMENT = (
    "INSERT INTO engine_channel_settlement (settlement_no, channel_code, reference, currency, gross, cost, decided_by)"
    " VALUES ('cst_x', 'sandbox', 'x', 'CNY', 7, 0, 'x')"
)
CHARGEBACK = (
    "INSERT INTO engine_chargeback (chargeback_no, channel_code, channel_trade_no, attempt_no, payment_no,"
    " order_no, merchant_no, amount, booked_amount, currency, statement_no) VALUES ('cbk_x', 'sandbox',"
    " 'trd_x', '{charged.attempt}', '{charged.payment}', '{charged.order}', 'mch_x', 10, 4, 'CNY', 'stm_x')"
)
GIVEN_BACK = (
    "INSERT INTO acquiring_payout_return (payout_no, bank_reference, return_code, decided_by)"
    " VALUES ('{payout}', 'x', 'AC04', 'x')"
)

CASE_OF_LATE = (
    "INSERT INTO engine_case (case_no, kind, object_no, detail, status) "
    "VALUES ('cas_w', 'late_money', '{late_no}', '', 'OPEN')"
)

PLANTED: list[tuple[str, str, str, list[str]]] = [
    # -- 4
    ("console 4", "{hold}", "is RELEASED over 300", [hold("status = 'RELEASED'", of="combined")]),
    ("console 4", "{hold}", "is OPEN over 299", [hold("amount = 299", of="combined")]),
    ("console 4", "{hold}", "is HELD over 301", [balance_part("amount = 301", of="combined")]),
    ("console 4", "{hold}", "of L10:pyr_x", [payment("payer_no = 'pyr_x'", of="combined")]),
    ("console 4", "{hold}", "is nowhere", [balance_part("hold_no = NULL", of="combined")]),
    ("console 4", "hld_x", "is nowhere", [balance_part("hold_no = 'hld_x'", of="combined")]),
    ("console 4", "{hold}", "is FAILED", [balance_part("status = 'FAILED'", of="combined")]),
    (
        "console 4",
        "{captured_hold}",
        "is CAPTURED",
        [hold("journal_no = (SELECT min(journal_no) FROM ledger_journal)", of="exchanged")],
    ),
    (
        "console 4",
        "{captured_hold}",
        "is RELEASED over 300",
        [balance_part("status = 'RELEASED'", of="exchanged")],
    ),
    # -- 5
    ("console 5", "{paid.order}", "is INIT, and has 1", [order("status = 'INIT', due_at = now()")]),
    ("console 5", "{paid.order}", "has 0 payments PAID", [order("amount = amount + 1")]),
    ("console 5", "{paid.order}", "has 0 payments PAID", [payment("currency = 'USD'")]),
    ("console 5", "{paid.order}", "has 0 payments PAID", [order("payment_no = 'pay_x'")]),
    ("console 5", "{paid.payment}", "which is nowhere", [payment("order_no = 'ord_x'")]),
    (
        "console 5",
        "{failed.payment}",
        "which is INIT",
        [payment("status = 'PAID'", of="failed")],
    ),
    # -- 6
    ("engine 6", "{waiting.order}", "has 2 live payments", [SECOND_PAYMENT]),
    (
        "engine 6",
        "{detail}",
        "has 2 live attempts",
        [
            *dropped("engine_channel_attempt", "engine_attempt_live_until_terminal"),
            SECOND_ATTEMPT,
            "UPDATE engine_channel_attempt SET status = 'UNKNOWN' WHERE payment_no = '{charged.payment}'",
        ],
    ),
    (
        "engine 6",
        "{waiting.attempt}",
        "although its payment is FAILED",
        [payment("status = 'FAILED', live_order_no = NULL", of="waiting")],
    ),
    # -- 7
    ("engine 7", "{paid.payment}", "DONE details add up to 0", [detail("status = 'HELD'")]),
    ("engine 7", "{paid.payment}", "DONE details add up to 999", [detail("amount = 999")]),
    ("engine 7", "{failed.payment}", "is FAILED", [detail("status = 'DONE'", of="failed")]),
    ("console 7", "{paid.payment}", "paid 1000, posted 0", [payment("payer_no = 'pyr_x'")]),
    ("console 7", "{paid.payment}", "paid 7, posted 6", [payment("fee_amount = 7")]),
    (
        "console 7",
        "{charged.payment}",
        "paid 0, posted 1000",
        [payment("status = 'FAILED'", of="charged")],
    ),
    (
        "console 7",
        "{paid.payment}",
        "has undone",
        [
            (
                "INSERT INTO ledger_journal (journal_no, event_type, event_id, accounting_date, currency, reverses, "
                "digest) SELECT journal_no || 'x', 'reversal', event_id, accounting_date, currency, journal_no, digest "
                "FROM ledger_journal WHERE event_id = '{paid.payment}'"
            )
        ],
    ),
    (
        "console 7",
        "{approved}",
        "not posted as it was approved",
        [
            (
                "UPDATE ledger_journal SET event_id = event_id || 'x' WHERE journal_no = "
                "(SELECT result FROM console_proposal WHERE proposal_no = '{approved}')"
            )
        ],
    ),
    (
        "console 7",
        "{approved}",
        "not posted as it was approved",
        [
            (
                "UPDATE ledger_posting SET amount = amount + 1 WHERE journal_no = "
                "(SELECT result FROM console_proposal WHERE proposal_no = '{approved}')"
            )
        ],
    ),
    # -- 8
    ("acquiring 8", "{idle.order}", "refunded 5", [order("refunded_amount = 5", of="idle")]),
    (
        "acquiring 8",
        "{paid.order}",
        "on the way 1001",
        [
            order("refunding_amount = 1001"),
        ],
    ),
    ("console 8", "{paid.order}", "its payment says 3", [detail("refunded_amount = 3")]),
    (
        "console 8",
        "{refunded.order}",
        "says 399 were refunded, 0 on the way; its payment says 400, 0; its refunds say 400, 0",
        [order("refunded_amount = 399", of="refunded")],
    ),
    (
        "console 8",
        "{refunding.order}",
        "says 0 were refunded, 399 on the way; its payment says 0, 400; its refunds say 0, 400",
        [order("refunding_amount = 399", of="refunding")],
    ),
    (
        "console 8",
        "{refunding.order}",
        "its refunds say 400, 0",
        [refund("status = 'SUCCESS', next_try_at = NULL", of="refunding")],
    ),
    ("console 8", "{refunded.refund}", "which is nowhere", [refund("order_no = 'ord_x'")]),
    ("console 8", "{refunded.refund}", "which is SUCCESS by", [refund("payment_no = 'pay_x'")]),
    ("console 8", "{refunded.refund}", "owed 3, posted 2", [refund("returned_fee = 3")]),
    ("console 8", "{refunded.refund}", "refund_done, L30", [refund("payer_no = 'pyr_x'")]),
    ("console 8", "{refunding.refund}", "L21:", [refund("source = 'L21'", of="refunding")]),
    (
        "console 8",
        "{unrefunded.refund}",
        "refund_failed",
        [refund("source = 'L21'", of="unrefunded")],
    ),
    (
        "console 8",
        "{unrefunded.refund}",
        "refund_failed, L20",
        [refund("returned_fee = 0", of="unrefunded")],
    ),
    ("console 8", "rfd_{late_no}", "late_money_refund_sent", [late_refund("PROCESSING", "1000")]),
    ("console 8", "rfd_{late_no}", "late_money_refund_failed", [late_refund("FAILED", "1000")]),
    (
        "engine 8",
        "{refunded_detail}",
        "refunded 399, on the way 0; its refunds say 400, 0",
        [detail("refunded_amount = 399", of="refunded")],
    ),
    (
        "engine 8",
        "{refunding_detail}",
        "on the way 401; its refunds say 0, 400",
        [detail("refunding_amount = 401", of="refunding")],
    ),
    (
        "engine 8",
        "{refunded_detail}",
        "is RELEASED over 1000",
        [detail("status = 'RELEASED'", of="refunded")],
    ),
    ("engine 8", "{refunded.payment}", "cost 1, of", [payment("fee_amount = 1", of="refunded")]),
    (
        "engine 8",
        "{refunding.refund}",
        "gives back other",
        [refund("channel_trade_no = 'other'", of="refunding")],
    ),
    (
        "engine 8",
        "dsc_x",
        "is CHARGED, and refunds are not limited",
        [
            DISCREPANCY.replace("'AMOUNT_OVER', 'CHARGE'", "'CHANNEL_ONLY', 'CHARGEBACK'"),
            (
                "UPDATE engine_discrepancy SET object_no = '{charged.attempt}', status = 'RESOLVED',"
                " resolution = 'CHARGED', resolved_by = 'x', resolved_at = now() WHERE discrepancy_no = 'dsc_x'"
            ),
        ],
    ),
    (
        "engine 8",
        "cbk_x",
        "is booked with 4 of 10, and the rest is no difference",
        [
            CHARGEBACK,
        ],
    ),
    # -- 9
    ("acquiring 9", "{paid.order}", "has 0 such events", [event("object_no = 'ord_x'")]),
    ("acquiring 9", "{closed.order}", "has 0 such", [event("type = 'order.failed'", of="closed")]),
    ("acquiring 9", "{event}", "which never happened", [event("type = 'order.closed'")]),
    ("acquiring 9", "{event}", "does not show", [event("payload = 'nonsense'")]),
    ("acquiring 9", "{event}", "does not show", [event("payload = replace(payload, '1000', '1')")]),
    ("acquiring 9", "{event}", "does not show", [order("paid_at = paid_at + interval '1 s'")]),
    (
        "acquiring 9",
        "{event}",
        "has no delivery",
        ["DELETE FROM acquiring_delivery WHERE event_id = '{event}'"],
    ),
    ("acquiring 9", "{event}", "never to be sent to wep_x", [ENDPOINT.format(owner="paid")]),
    (
        "acquiring 9",
        "{delivery}",
        "is no endpoint of",
        [
            ENDPOINT.format(owner="closed"),
            (
                "UPDATE acquiring_delivery SET target = 'ENDPOINT', endpoint_id = 'wep_x', url = 'https://x/'"
                " WHERE delivery_no = '{delivery}'"
            ),
        ],
    ),
    ("console 9", "{refunded.refund}", "has 0 such events", [refund_event("object_no = 'rfd_x'")]),
    ("console 9", "{refund_event}", "does not show so", [refund_event("payload = 'nonsense'")]),
    (
        "console 9",
        "{refund_event}",
        "does not show so",
        [refund("amount = 401, balance_amount = 401")],
    ),
    (
        "console 9",
        "{refund_event}",
        "tells of refund.failed",
        [refund_event("type = 'refund.failed'")],
    ),
    (
        "console 9",
        "{unrefunded.refund}",
        "is SUCCESS, and has 0",
        [refund("status = 'SUCCESS'", of="unrefunded")],
    ),
    # -- 10
    (
        "acquiring 10",
        "{paid.order}",
        "left SUCCESS",
        [history("acquiring", "trade_order", "{paid.order}", "SUCCESS", "CLOSED")],
    ),
    ("acquiring 10", "{paid.order}", "last event says SUCCESS", [order("status = 'CLOSED'")]),
    (
        "acquiring 10",
        "{idle.order}",
        "moved from PAYING while it was INIT",
        [history("acquiring", "trade_order", "{idle.order}", "PAYING", "CLOSED")],
    ),
    (
        "acquiring 10",
        "{idle.order}",
        "made the move INIT to SUCCESS",
        [history("acquiring", "trade_order", "{idle.order}", "INIT", "SUCCESS")],
    ),
    (
        "engine 10",
        "{paid.payment}",
        "left PAID",
        [history("engine", "payment_order", "{paid.payment}", "PAID", "FAILED")],
    ),
    ("engine 10", "{detail}", "last event says DONE", [detail("status = 'FAILED'", of="charged")]),
    (
        "checkout 10",
        "{agreement}",
        "left REVOKED",
        [history("checkout", "agreement_request", "{agreement}", "REVOKED", "ACTIVE")],
    ),
    (
        "checkout 10",
        "{agreement}",
        "last event says ACTIVE",
        [
            (
                "UPDATE checkout_agreement_request SET status = 'REVOKED', ended_at = now()"
                " WHERE agreement_no = '{agreement}'"
            )
        ],
    ),
    (
        "checkout 10",
        "{agreement}",
        "does not pay",
        [
            "UPDATE checkout_payer_agreement SET revoked_at = now() WHERE agreement_no = '{agreement}'"
        ],
    ),
    (
        "console 10",
        "{approved}",
        "left APPROVED",
        [history("console", "proposal", "{approved}", "APPROVED", "REFUSED")],
    ),
    (
        "console 10",
        "{proposed}",
        "last event says OPEN",
        [
            *dropped("console_proposal", "console_proposal_decided_once"),
            "UPDATE console_proposal SET status = 'REFUSED' WHERE proposal_no = '{proposed}'",
        ],
    ),
    # -- 11
    (
        "engine 11",
        "{charged.attempt}",
        "late money none",
        [detail("status = 'RELEASED'", of="charged")],
    ),
    (
        "engine 11",
        "{charged.attempt}",
        "its detail is DONE, late money ltm_",
        [late("channel_trade_no = '{charged.trade_no}'")],
    ),
    ("engine 11", "{detail}", "add up to 2000", [SECOND_ATTEMPT]),
    ("engine 11", "{detail}", "add up to 0", [attempt("channel_code = 'sandbox2'")]),
    ("engine 11", "{late_no}", "which does not exist", [late("attempt_no = 'att_x'")]),
    ("engine 11", "{late_no}", "which does not exist", [late("payment_no = 'pay_x'")]),
    # -- 12, 13
    ("console 12", "A10:sandbox:CNY", "successes", [attempt("amount = amount + 1")]),
    (
        "console 12",
        "A10:other:CNY",
        "stand, are 1000",
        [late("channel_code = 'other'")],
    ),
    (
        "console 12",
        "A10:sandbox:CNY",
        "less refunds",
        [refund("status = 'SUCCESS', next_try_at = NULL", of="refunding")],
    ),
    ("console 12", "A10:sandbox:CNY", "less refunds", [late_refund("SUCCESS", "1000")]),
    ("console 13", "L90:sandbox:CNY", "open late money", [late("amount = amount - 1")]),
    (
        "console 13",
        "L90:sandbox:CNY",
        "open late money",
        [late("status = 'HONOURED', due_at = NULL, resolved_at = now()")],
    ),
    ("console 13", "{late_no}", "is not posted as such", [late("amount = amount - 1")]),
    ("console 13", "{late_no}", "is not posted as such", [late("currency = 'USD'")]),
    (
        "console 13",
        "L30:sandbox:CNY",
        "refunds on their way are",
        [late_refund("PROCESSING", "1000")],
    ),
    ("engine 13", "{late_no}", "are PROCESSING over 1000", [late_refund("PROCESSING", "1000")]),
    (
        "engine 13",
        "{late_no}",
        "is REFUNDING over 1000 CNY, its refunds that have not failed are none",
        [late("status = 'REFUNDING', due_at = NULL"), late_refund("FAILED", "1000")],
    ),
    (
        "engine 13",
        "{late_no}",
        "are PROCESSING over 999",
        [late("status = 'REFUNDING', due_at = NULL"), late_refund("PROCESSING", "999")],
    ),
    (
        "engine 13",
        "{late_no}",
        "is REFUNDED over 1000 CNY, its refunds that have not failed are PROCESSING",
        [
            late("status = 'REFUNDED', due_at = NULL, resolved_at = now()"),
            late_refund("PROCESSING", "1000"),
        ],
    ),
    (
        "engine 13",
        "rfd_{late_no}",
        "which does not exist",
        [
            late_refund("PROCESSING", "1000"),
            "UPDATE engine_refund SET late_money_no = 'ltm_x' WHERE refund_no = 'rfd_{late_no}'",
        ],
    ),
    (
        "engine 13",
        "{late_no}",
        "is pulled back with 1, and no chargeback of its charge is known",
        [late("pulled_back_amount = 1")],
    ),
    # -- 14
    (
        "acquiring 14",
        "{paid.merchant[merchant_no]} twice",
        "of 2 orders",
        [
            *dropped("acquiring_trade_order", "acquiring_order_merchant_number"),
            order("merchant_order_no = 'twice'"),
            copy(
                "acquiring_trade_order", "r.order_no = '{paid.order}'", order_no="'{paid.order}x'"
            ),
        ],
    ),
    (
        "acquiring 14",
        "{paid.order}",
        "has 2 events order.success",
        [
            "DROP INDEX acquiring_event_one_result",
            copy("acquiring_merchant_event", "r.event_id = '{event}'", event_id="'{event}x'"),
        ],
    ),
    (
        "acquiring 14",
        "{paid.merchant[key_id]}",
        "1 other keys",
        [
            *dropped("acquiring_credential", "acquiring_credential_secret_hash_key"),
            copy("acquiring_credential", "r.key_id = '{paid.merchant[key_id]}'", key_id="'key_z'"),
        ],
    ),
    (
        "engine 14",
        "sandbox {charged.trade_no}",
        "of 2 attempts",
        [
            "DROP INDEX engine_attempt_trade_number",
            SECOND_ATTEMPT,
            (
                "UPDATE engine_channel_attempt SET channel_trade_no = '{charged.trade_no}' "
                "WHERE payment_no = '{charged.payment}'"
            ),
        ],
    ),
    (
        "engine 14",
        "sandbox {late.trade_no}",
        "2 times",
        [
            *dropped("engine_late_money", "engine_late_money_trade_number"),
            copy(
                "engine_late_money", "r.late_money_no = '{late_no}'", late_money_no="'{late_no}x'"
            ),
        ],
    ),
    (
        "acquiring 14",
        "{refunded.refund}",
        "has 2 events refund.success",
        [
            "DROP INDEX acquiring_event_one_result",
            copy(
                "acquiring_merchant_event",
                "r.event_id = '{refund_event}'",
                event_id="'{refund_event}x'",
            ),
        ],
    ),
    (
        "engine 14",
        "{refunded.merchant[merchant_no]} twice",
        "of 2 refunds",
        [
            *dropped("engine_refund", "engine_refund_merchant_number"),
            refund("merchant_refund_no = 'twice'"),
            copy("engine_refund", "r.refund_no = '{refunded.refund}'", refund_no="'rfd_x'"),
        ],
    ),
    (
        "engine 14",
        "{late_no}",
        "2 unresolved cases",
        [
            "DROP INDEX engine_case_one_unresolved",
            CASE_OF_LATE,
            copy("engine_case", "r.object_no = '{late_no}'", case_no="'cas_x'"),
        ],
    ),
    (
        "checkout 14",
        "{agreement}",
        "1 other agreements",
        [
            *dropped("checkout_payer_agreement", "checkout_payer_agreement_token_hash_key"),
            copy(
                "checkout_payer_agreement",
                "r.agreement_no = '{agreement}'",
                agreement_no="'{agreement}x'",
            ),
        ],
    ),
    # -- statements, differences, settlements of channels
    (
        "engine 11",
        "stm_x/1",
        "neither booked so nor a difference",
        [STATEMENT, STATEMENT_LINE.replace("1000", "999")],
    ),
    (
        "engine 11",
        "{charged.attempt}",
        "in no file and in no pool",
        [STATEMENT, attempt("last_outcome_at = '2001-01-01 12:00Z'")],
    ),
    (
        "engine 11",
        "cbk_x",
        "in none that counts and in no pool",
        [
            STATEMENT,
            STATEMENT_LINE.replace("'CHARGE', '{charged.trade_no}'", "'CHARGEBACK', 'trd_x'"),
            CHARGEBACK,
            "UPDATE engine_statement SET superseded_at = '2001-01-04Z' WHERE statement_no = 'stm_x'",
            copy(
                "engine_statement",
                "r.statement_no = 'stm_x'",
                statement_no="'stm_y'",
                superseded_at="NULL",
                version="2",
                sha256="'y'",
            ),
        ],
    ),
    (
        "engine 14",
        "sandbox {charged.trade_no}",
        "is unresolved as AMOUNT_OVER 2 times",
        [
            "DROP INDEX engine_discrepancy_one_unresolved",
            DISCREPANCY,
            copy("engine_discrepancy", "r.discrepancy_no = 'dsc_x'", discrepancy_no="'dsc_y'"),
        ],
    ),
    (
        "engine 14",
        "sandbox 2001-01-01",
        "has 2 statements that count",
        [
            "DROP INDEX engine_statement_one_counts",
            STATEMENT,
            copy(
                "engine_statement",
                "r.statement_no = 'stm_x'",
                statement_no="'stm_y'",
                version="2",
                sha256="'y'",
            ),
        ],
    ),
    ("console 12", "A10:sandbox:CNY", "chargebacks and settlements", [SETTLEMENT]),
    ("console 12", "A10:sandbox:CNY", "the differences that stand", [DISCREPANCY]),
    ("console 13", "A90:sandbox:CNY", "open short differences", [DISCREPANCY]),
    ("console 13", "dsc_x", "is not posted as such", [DISCREPANCY]),
    (
        "console 15",
        "dsc_x",
        "no open proposal is about it",
        [DISCREPANCY.replace("'OPEN'", "'PROPOSED'")],
    ),
    # -- 15
    (
        "acquiring 15",
        "{idle.order}",
        "nothing is due",
        [order("due_at = NULL", of="idle")],
    ),
    (
        "acquiring 15",
        "{delivery}",
        "no try is due",
        [
            "UPDATE acquiring_delivery SET due_at = NULL WHERE event_id = '{event}'",
        ],
    ),
    (
        "engine 15",
        "{waiting.payment}",
        "no attempt is due",
        [attempt("status = 'FAILED', live_detail_no = NULL, next_query_at = NULL", of="waiting")],
    ),
    (
        "engine 15",
        "{waiting.attempt}",
        "nobody will ask",
        [
            *dropped("engine_channel_attempt", "engine_attempt_live_until_terminal"),
            attempt("next_query_at = NULL", of="waiting"),
        ],
    ),
    (
        "engine 15",
        "{refunding.refund}",
        "nobody will try again",
        [refund("next_try_at = NULL", of="refunding")],
    ),
    ("engine 15", "{failed_detail}", "is INIT although", [detail("status = 'INIT'", of="failed")]),
    (
        "engine 15",
        "{late_no}",
        "is OPEN, and nothing is due",
        [late("due_at = NULL")],
    ),
    (
        "engine 15",
        "{late_no}",
        "is REFUNDING, and nobody will ask",
        [late("status = 'REFUNDING', due_at = NULL"), late_refund("PROCESSING", "1000")],
    ),
    (
        "console 15",
        "{waiting.order}",
        "is PAYING, and its payment",
        [payment("status = 'FAILED', live_order_no = NULL", of="waiting")],
    ),
    (
        "console 15",
        "{waiting.payment}",
        "and its order",
        [order("status = 'INIT'", of="waiting")],
    ),
    (
        "console 15",
        "{proposed}",
        "is OPEN past its time",
        [
            *dropped("console_proposal", "console_proposal_has_time"),
            f"UPDATE console_proposal SET expires_at = now() - {OLD} WHERE proposal_no = '{{proposed}}'",
        ],
    ),
    (
        "console 15",
        "hld_{paid.payment}",
        "which no live payment uses",
        [
            (
                "INSERT INTO ledger_hold (hold_no, account_id, amount, reference, status, created_at) "
                "SELECT 'hld_{paid.payment}', id, 1, '{paid.payment}', 'OPEN', now() - interval '2 minutes' "
                "FROM ledger_account WHERE code = 'L10:{paid.payer}:CNY'"
            )
        ],
    ),
]

PLANTED += [
    ("settlement 7", "{batch}", "says 0 of 1 items", [batch("net_amount = 0")]),
    ("settlement 7", "{batch}", "they say 999 of 1", [item("released_amount = 999")]),
    ("settlement 7", "{batch}", "they say 0 of 0", [item("batch_no = 'stb_x'")]),
    ("settlement 7", "stb_x", "says 0 of 0 items", [item("batch_no = 'stb_x'")]),
    (
        "settlement 7",
        "{batch}",
        "posted 0",
        ["UPDATE ledger_journal SET event_id = 'stb_x.1' WHERE event_id = '{batch}.1'"],
    ),
    (
        "settlement 7",
        "{payout}",
        "payout_confirmed",
        [payout("status = 'PAID', bank_reference = 'x'")],
    ),
    (
        "settlement 7",
        "{payout}",
        "payout_failed",
        [payout("status = 'FAILED', failure_code = 'x'")],
    ),
    (
        "settlement 7",
        "{payout}",
        "payout_returned, A20:platform:CNY to L21:",
        [payout("status = 'PAID', bank_reference = 'x'"), GIVEN_BACK],
    ),
    ("settlement 7", "{payout}", "payout_returned, A20 to L21: owed 0, posted 0", [GIVEN_BACK]),
    (
        "settlement 7",
        "{payout}",
        "owed 0, posted 994",
        [payout("status = 'CREATED', sent_at = NULL", ended="NULL")],
    ),
    ("settlement 7", "{payout}", "owed 995, posted 994", [payout("amount = 995", ended="NULL")]),
    (
        "settlement 8",
        "{settled.payment}",
        "994 were released; it gave 993",
        [payment("amount = 993", of="settled")],
    ),
    ("settlement 8", "{settled.payment}", "995 were released", [item("released_amount = 995")]),
    (
        "settlement 8",
        "{settled.payment}",
        "994 were released; it gave 0",
        [payment("status = 'FAILED'", of="settled")],
    ),
    ("settlement 8", "{item}", "its journal is payment_paid", [item("event_id = 'pay_x'")]),
    (
        "settlement 13",
        "L22:{settled.merchant[merchant_no]}:CNY",
        "is 994, payouts in flight are 0",
        [payout("status = 'FAILED', failure_code = 'x'")],
    ),
    (
        "settlement 15",
        "{batch}",
        "no run has finished it",
        [batch("status = 'OPEN', closed_at = NULL, created_at = now() - interval '2 days'")],
    ),
]

BY_NAME: dict[str, Invariant] = {
    f"{app} {invariant.number}": invariant
    for app, invariants in (
        ("engine", engine.INVARIANTS),
        ("acquiring", acquiring.INVARIANTS),
        ("checkout", checkout.INVARIANTS),
        ("console", CONSOLE),
        ("settlement", SETTLEMENT_INVARIANTS),
    )
    for invariant in invariants
}


@pytest.fixture(scope="module")
def names(unit_database: str) -> dict[str, Any]:
    """One trade of every kind; the planted statements break it and are forgotten."""
    made: dict[str, Any] = {
        "idle": trades.placed(),
        "paid": trades.paid_by_balance(),
        "waiting": trades.paying(),
        "charged": trades.paid_by_channel(),
        "combined": trades.combined(),
        "exchanged": trades.answered(
            trades.combined(), trades.Outcome.SUCCEEDED, amount=trades.AMOUNT - trades.PART
        ),
        "failed": trades.answered(trades.paying(), trades.Outcome.FAILED),
        "settled": trades.paid_by_balance(),
        "closed": trades.closed(),
        "late": trades.paid_too_late(),
        "refunded": trades.refunded(trades.paid_by_balance()),
        "refunding": trades.refunded(trades.paid_by_channel()),
        "unrefunded": trades.refund_answered(
            trades.refunded(trades.paid_by_channel()), trades.Outcome.FAILED
        ),
    }
    made |= trades.settled(made["settled"])
    event_of = trades.MerchantEvent.objects.get(object_no=made["paid"].order)
    agreement = checkout.create_agreement(
        payer_no=made["paid"].payer,
        merchant_no=made["paid"].merchant["merchant_no"],
        currency="CNY",
        max_per_payment=1,
        max_per_day=1,
    )
    held = {
        name: trades.PaymentDetail.objects.get(payment=made[of].payment, hold_no__isnull=False)
        for name, of in (("hold", "combined"), ("captured_hold", "exchanged"))
    }
    return made | {
        **{name: detail.hold_no for name, detail in held.items()},
        "event": event_of.event_id,
        "delivery": event_of.deliveries.get().delivery_no,
        "refund_event": trades.MerchantEvent.objects.get(
            object_no=made["refunded"].refund
        ).event_id,
        "refunded_detail": trades.PaymentDetail.objects.get(
            payment=made["refunded"].payment
        ).detail_no,
        "refunding_detail": trades.PaymentDetail.objects.get(
            payment=made["refunding"].payment
        ).detail_no,
        "detail": trades.ChannelAttempt.objects.get(pk=made["charged"].attempt).detail_id,
        "failed_detail": trades.ChannelAttempt.objects.get(pk=made["failed"].attempt).detail_id,
        "late_no": trades.LateMoney.objects.get(attempt_no=made["late"].attempt).late_money_no,
        "agreement": agreement.agreement_no,
        "proposed": proposals.proposed(payer=made["paid"].payer).proposal_no,
        "approved": proposals.approved(payer=made["paid"].payer).proposal_no,
    }


def violations(connection: Any, name: str) -> dict[str, list[tuple[str, bool]]]:
    found: dict[str, list[tuple[str, bool]]] = {}
    now = connection.execute("SELECT platform_now()").fetchone()[0]
    for subject, problem, *since in connection.execute(BY_NAME[name].sql):
        assert len(since) == (0 if BY_NAME[name].always else 1)
        in_flight = any(at is not None and at > now - timedelta(seconds=60) for at in since)
        found.setdefault(subject, []).append((problem, in_flight))
    return found


@pytest.mark.parametrize(
    "planting",
    PLANTED,
    ids=[f"{name}: {problem}" for name, _, problem, _ in PLANTED],
)
def test_a_planted_violation_is_found(planted, names, planting):
    name, subject, problem, statements = planting
    with planted(*(text.format(**names) for text in [*statements, *AGED])) as connection:
        found = violations(connection, name).get(subject.format(**names), [])
    assert any(problem in text and not in_flight for text, in_flight in found), found


def test_every_invariant_has_a_planted_violation():
    assert {name for name, _, _, _ in PLANTED} == set(BY_NAME)
    everywhere = {invariant.number for invariant in selectors.ALL_INVARIANTS}
    assert everywhere == set(range(1, 16))
    assert len(selectors.ALL_INVARIANTS) == len(BY_NAME) + len(ledger.INVARIANTS)


LEDGER_BROKEN = {
    1: (
        "INSERT INTO ledger_journal (journal_no, event_type, event_id, accounting_date, currency, digest)"
        " VALUES ('jnl_x', 'x', 'x', '2026-01-01', 'CNY', '00000000-0000-0000-0000-000000000000')"
    ),
    2: "UPDATE ledger_payer_balance SET balance = balance + 5",
    3: "UPDATE ledger_roll_up SET balance = balance + 5",
    4: (
        "ALTER TABLE ledger_payer_balance DROP CONSTRAINT ledger_payer_balance_covers_held;"
        " UPDATE ledger_payer_balance SET held = balance + 1"
    ),
}


def test_of_fifteen_promises_broken_together_fifteen_are_found(planted, names):
    first: dict[int, list[str]] = {}
    for name, _subject, _problem, statements in PLANTED:
        first.setdefault(int(name.split()[1]), statements)
    broken = [statement for number in sorted(first) for statement in first[number]]
    broken += LEDGER_BROKEN.values()
    with planted(*(text.format(**names) for text in [*broken, *AGED])) as connection:
        now = connection.execute("SELECT platform_now()").fetchone()[0]
        found = {
            invariant.number
            for invariant in selectors.ALL_INVARIANTS
            for _subject, _problem, *since in connection.execute(invariant.sql)
            if not any(at is not None and at > now - timedelta(seconds=60) for at in since)
        }
    assert found == set(range(1, 16))


def test_trades_in_order_are_no_violation(names):
    ours = {
        number
        for value in names.values()
        for number in (value.numbers if isinstance(value, trades.Trade) else {value})
    }
    proof = selectors.prove_invariants()
    assert [row for row in (*proof.violations, *proof.in_flight) if row.subject in ours] == []
    for number in [trade.order for trade in names.values() if isinstance(trade, trades.Trade)]:
        assert selectors.find_order_differences(order_no=number) == []


def test_a_young_row_is_in_flight_and_no_violation(planted, names):
    statements = [
        order("due_at = NULL, created_at = platform_now() - interval '50 s'", of="idle"),
    ]
    with planted(*(text.format(**names) for text in statements)) as connection:
        (row,) = violations(connection, "acquiring 15")[names["idle"].order]
    assert row == ("is INIT, and nothing is due", True)


def test_one_event_row_of_a_machine_does_not_speak_for_another(planted, names):
    """Histories are told apart by machine: a case may carry the number of an attempt in its own row."""
    statement = history("engine", "case", "{paid.payment}", "", "OPEN").format(**names)
    with planted(statement) as connection:
        assert names["paid"].payment not in violations(connection, "engine 10")


class TestCommand:
    def run(self, *arguments: str) -> tuple[int, str]:
        out = io.StringIO()
        try:
            call_command("prove", *arguments, stdout=out)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
        return 0, out.getvalue()

    def test_violations_end_with_1(self, monkeypatch):
        broken = (
            Invariant(98, "Broken", "SELECT 'ord_[x]' AS subject, 'is wrong' AS problem"),
            Invariant(99, "Young", "SELECT 'pay_x', 'is young', platform_now()", always=False),
        )
        monkeypatch.setattr(selectors, "ALL_INVARIANTS", broken)
        code, text = self.run("--json")
        document = json.loads(text)
        assert (code, document["ok"]) == (1, False)
        kept = ProofRun.objects.get(proof_no=document["proof_no"])
        assert (kept.result, kept.violation_count, kept.in_flight_count) == ("BROKEN", 1, 1)
        assert kept.differences[0]["subject"] == "ord_[x]"
        assert document["differences"] == [
            {"invariant": 98, "title": "Broken", "subject": "ord_[x]", "problem": "is wrong"}
        ]
        assert [row["subject"] for row in document["in_flight"]] == ["pay_x"]
        code, text = self.run()
        assert code == 1
        assert "98: ord_[x]: is wrong" in text
        assert "99: in flight: pay_x: is young" in text

    def test_rows_in_flight_alone_end_with_0(self, monkeypatch):
        young = Invariant(99, "Young", "SELECT 'pay_x', 'is young', platform_now()", always=False)
        monkeypatch.setattr(selectors, "ALL_INVARIANTS", (young,))
        code, text = self.run("--json")
        assert (code, json.loads(text)["ok"]) == (0, True)

    def test_nothing_can_be_written_while_proving(self, monkeypatch):
        write = Invariant(
            99,
            "Writes",
            "INSERT INTO acquiring_transition (machine, object_no, from_status, to_status, cause, actor, request_id) "
            "VALUES ('x', 'x', '', '', '', '', '') RETURNING object_no, cause",
        )
        monkeypatch.setattr(selectors, "ALL_INVARIANTS", (write,))
        with pytest.raises(Exception, match="read-only transaction"):
            self.run("--json")


def test_the_books_of_a_running_platform_are_in_order(platform: LivePlatform):
    merchant, payer = platform.merchant(), platform.payer(balance=50_00)
    methods = {
        "BALANCE": {"payer_token": merchant.payer_token(payer)},
        "QR_CODE": {},
    }
    for method, options in methods.items():
        made = merchant.api.post("orders", json=order_body(notify_url=merchant.notify_url)).json()
        paid = merchant.api.post(
            f"orders/{made['order_no']}/pay", json={"method": method, "options": options}
        ).json()
        if paid["status"] == "PAYING":
            platform.confirm(paid["payment_no"])
        merchant.wait_for_status(made["order_no"], "SUCCESS")
        code, output = platform.manage("reconcile_orders", "--json", "--order", made["order_no"])
        assert (code, json.loads(output)["differences"]) == (0, [])
    wait_until(lambda: len(merchant.webhooks()) == len(methods), what="both webhooks")
    proof = platform.prove()
    assert (proof["code"], proof["differences"]) == (0, [])
    assert {row["number"] for row in proof["invariants"]} == set(range(1, 16))
