"""Secrets never reach a log line; what operators need does; and nobody can forge a second line."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from paymentplatform.kernel import redaction
from paymentplatform.kernel.redaction import REDACTED, redact_text, redact_value


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key sk_live_AbC123456789", "AbC123456789"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        ("paid with pt_GuM87Z4-0_oZGtsYVXF", "GuM87Z4"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("postgresql://app:hunter22@db/platform", "hunter22"),
        ("redis://:hunter22@127.0.0.1:1/0", "hunter22"),
        ('{"payment_password": "123456"}', "123456"),
        ("{'payer_token': 'agt_zzzzzz'}", "agt_zzzzzz"),
        ("password=hunter22&x=1", "hunter22"),
        ("card 4111111111111111 declined", "4111111111111111"),
        ("card 4111 1111 1111 1111 declined", "1111"),
        ("card 4111-1111-1111-1111 declined", "1111"),
        ("GET /cashier/Zm9vYmFyYmF6/pay", "Zm9vYmFyYmF6"),
        ("POST /agreements/Zm9vYmFyYmF6/answer", "Zm9vYmFyYmF6"),
    ],
)
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    redacted = redact_text(text)
    assert secret not in redacted
    assert REDACTED in redacted


@given(
    st.lists(
        st.sampled_from(
            [
                "Token",
                "my-SECRET",
                "cvv",
                "pa\u017f\u017fword",
                "author\u0131zation",
                ": ",
                "=",
                '"',
                "x1",
                " ",
            ]
        )
    ).map("".join)
)
def test_no_name_of_a_secret_is_overlooked_for_the_sake_of_speed(text: str) -> None:
    assert redact_text(text) == redaction._NAMED_SECRET.sub(rf"\g<name>{REDACTED}", text)


@pytest.mark.parametrize(
    "text",
    [
        "ord_01k9abcdefghjkmnpqrstv",
        "request req_01m820escdhwgntfehys9j took 12.5 ms",
        "trade 2026112222001412345678901234",
        "amount 999999999999",
        "at 1700000000000 ms",
        "task acquiring.deliver_due_notifications",
        "4111111111111112 is no card number",
    ],
)
def test_what_operators_need_stays(text: str) -> None:
    assert redact_text(text) == text


def test_values_are_redacted_by_name_at_any_depth() -> None:
    value = {"a": [{"Authorization": "x", "card_number": 4111, "note": "sk_live_12345678"}], "n": 1}
    assert redact_value(value) == {
        "a": [{"Authorization": REDACTED, "card_number": REDACTED, "note": "sk_" + REDACTED}],
        "n": 1,
    }


def test_values_without_end_are_cut() -> None:
    endless: dict[str, object] = {}
    endless["again"] = endless
    assert "[…]" in str(redact_value(endless))
    assert redact_value({"raw": b"\x00" * 9}) == {"raw": "[9 bytes]"}


@pytest.mark.parametrize("native", [True, False])
def test_a_log_line_is_one_json_object_without_secrets(
    capsys: pytest.CaptureFixture[str], native: bool
) -> None:
    text = 'sk_live_12345678\r\n{"event":"forged"} \u2028 \u2029 \x85 \ud800'
    if native:
        structlog.get_logger("x").info("said", text=text, api_token="t0ps3cret", size=3)
    else:
        handler = logging.getLogger().handlers[0]
        record = logging.LogRecord("x", logging.INFO, __file__, 1, "said %s t0ps", (text,), None)
        structlog.get_logger("x").info("other")
        print_to_stderr(handler.format(record))
    lines = capsys.readouterr().err.splitlines()
    line = next(line for line in lines if "said" in line)
    document = json.loads(line)
    assert "sk_live_12345678" not in line
    assert "t0ps3cret" not in line
    assert document["level"] == "info"
    assert not any(json.loads(other).get("event") == "forged" for other in lines)


def print_to_stderr(line: str) -> None:
    import sys

    sys.stderr.write(line + "\n")
