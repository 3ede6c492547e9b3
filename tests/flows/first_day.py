"""A platform's first day: one session pays while its tables grow from nothing, then says what one payment more reads.

Run by test_hot_plans.py with the address of a new database: a session keeps the plans that it made on empty tables.
"""

from __future__ import annotations

import json
import sys

import django

django.setup()

from django.db import connection  # noqa: E402

from tests.flows.test_hot_plans import pay_once, refund_once, wait_for_channel  # noqa: E402
from tests.makers import make_merchant, make_payer, make_payer_token  # noqa: E402

PAYMENTS = 30
READS = """
    SELECT relname || ' by ' || indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE relname = ANY (%(names)s)
    UNION ALL SELECT relname || ' as a whole', seq_scan FROM pg_stat_user_tables WHERE relname = ANY (%(names)s)
"""


def count_reads(names: list[str]) -> dict[str, int]:
    """Entries read of each index of these tables, and how often each table was read as a whole."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(READS, {"names": names})
        return dict(cursor.fetchall())


def main(names: list[str]) -> None:
    """Pay, and print what the last ones read: a payment from the balance, one that a channel told of, a refund."""
    merchant = make_merchant()
    token = make_payer_token(payer_no=make_payer(), merchant_no=merchant["merchant_no"])
    for _ in range(PAYMENTS):
        refund_once(merchant, pay_once(merchant, token))
        wait_for_channel(merchant)()
    hear, paid = wait_for_channel(merchant), pay_once(merchant, token)
    found = []
    for work in (lambda: pay_once(merchant, token), hear, lambda: refund_once(merchant, paid)):
        before = count_reads(names)
        work()
        found.append({name: n - before[name] for name, n in count_reads(names).items()})
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
