"""No statement of a refund or of late money reads a whole table, however much of it there will be one day."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from engine.channels.base import ChannelAnswer, Outcome
from engine.contracts import Cause
from engine.services.late_money_settling import settle_due_late_money
from engine.services.outcomes import apply_attempt_outcome
from engine.services.refund_outcomes import apply_refund_outcome
from engine.services.refund_submission import repeat_due_refunds
from tests.engine.scripted import ScriptedChannel, charged
from tests.trading import Trade, make_identity, make_trade

Channels = tuple[ScriptedChannel, ScriptedChannel]


def _refund(trade: Trade) -> None:
    refund_no = trade.refund(2_00)["refund_no"]
    refused = ChannelAnswer(outcome=Outcome.FAILED, failure_code="refund_refused")
    apply_refund_outcome(refund_no=refund_no, answer=refused, cause=Cause.CALLBACK)
    repeat_due_refunds()


def _come_late(trade: Trade) -> None:
    apply_attempt_outcome(
        attempt_no=trade.attempts()[0]["attempt_no"],
        answer=charged(10_00, trade_no=f"ch-{secrets.token_hex(6)}"),
        cause=Cause.CALLBACK,
    )
    settle_due_late_money()


@pytest.mark.parametrize("work", [_refund, _come_late])
def test_every_statement_has_its_index(channels: Channels, work: Callable[[Trade], None]):
    channels[0].pay_answers.append(charged(10_00, trade_no=f"ch-{secrets.token_hex(6)}"))
    trade = make_trade(merchant=make_identity(fee_rate_ppm=6_000))
    assert trade.pay().status == "PAID"

    with CaptureQueriesContext(connection) as captured:
        work(trade)

    statements = [query["sql"] for query in captured.captured_queries]
    asked = [
        sql for sql in statements if sql.lstrip().startswith(('SELECT "', "SELECT C", "UPDATE"))
    ]
    assert len(asked) > 10
    whole = {sql: tables for sql in asked if (tables := _read_whole(sql))}
    assert whole == {}


def _read_whole(sql: str) -> list[str]:
    """Return the tables and indexes of which a statement has to read every row, for want of a condition on an index.

    Plain index scans are switched off: a small table has them without a condition, too.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        for other_way in ("seqscan", "indexscan", "indexonlyscan"):
            cursor.execute(f"SET LOCAL enable_{other_way} = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql.replace("%", "%%"))
        ((plans,),) = cursor.fetchall()
    return [
        node.get("Relation Name") or node["Index Name"]
        for node in _walk(plans[0]["Plan"])
        if node["Node Type"] in {"Seq Scan", "Bitmap Index Scan"} and "Index Cond" not in node
    ]


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _walk(child)
