"""Nothing that waits for the outside begins inside a transaction."""

from __future__ import annotations

import pytest
from django.db import transaction

from engine.channels.registry import NETWORK_CALLS, get_channel
from paymentplatform.kernel import transactions
from paymentplatform.kernel.http import SendPolicy, send_request
from paymentplatform.kernel.transactions import TransactionMisuse
from tests.architecture.sources import import_everything
from tests.concurrency.institution import WordKeeper


def functions_that_forbid() -> list[object]:
    """Every function of the platform that is decorated to forbid a transaction."""
    forbidding = transactions.forbid(lambda: None).__code__
    return [
        value
        for module in import_everything()
        for value in vars(module).values()
        if getattr(value, "__code__", None) is forbidding and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "function", functions_that_forbid(), ids=lambda f: f"{f.__module__}.{f.__name__}"
)
def test_a_use_case_that_waits_refuses_to_start_inside_a_transaction(function):
    with transaction.atomic(), pytest.raises(TransactionMisuse):
        function()


def test_the_list_above_is_not_empty():
    names = {function.__name__ for function in functions_that_forbid()}
    assert {
        "submit_attempt",
        "query_attempt",
        "close_payment",
        "receive_callback",
        "pay_order",
    } <= names
    assert {"deliver_due_notifications"} <= names


@pytest.mark.parametrize("call", sorted(NETWORK_CALLS))
def test_no_channel_is_called_inside_a_transaction(keeper: WordKeeper, call: str):
    channel = get_channel("wordkeeper")
    with transaction.atomic(), pytest.raises(TransactionMisuse, match=f"wordkeeper.{call}"):
        getattr(channel, call)(None)


def test_no_webhook_is_sent_inside_a_transaction():
    with transaction.atomic(), pytest.raises(TransactionMisuse):
        send_request(
            method="POST",
            url="http://127.0.0.1:9/",
            headers={},
            content=b"",
            connect_timeout_s=1,
            total_timeout_s=1,
            max_response_bytes=1,
            policy=SendPolicy(),
        )


def test_a_use_case_opens_the_outermost_transaction_or_none():
    @transactions.start
    def use_case() -> None:
        """Anything."""

    with transaction.atomic(), pytest.raises(TransactionMisuse):
        use_case()


def test_a_part_refuses_to_run_alone():
    @transactions.require
    def part() -> None:
        """Anything."""

    with pytest.raises(TransactionMisuse):
        part()
    with transaction.atomic():
        part()
