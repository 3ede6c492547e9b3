"""What is kept of a callback, and what is not."""

from __future__ import annotations

import secrets

import pytest

from engine.channels.base import Notification, NotificationRefused
from engine.services import callbacks
from engine.services.callbacks import receive_callback
from paymentplatform.kernel.errors import InvalidRequest, NotFound, Unauthenticated
from paymentplatform.kernel.throttle import Throttle
from tests.engine.scripted import ScriptedChannel, charged
from tests.trading import make_trade, rows

Channels = tuple[ScriptedChannel, ScriptedChannel]


def stored_of(marker: str) -> list[dict[str, object]]:
    return rows("SELECT * FROM engine_channel_callback WHERE headers ->> 'X-Marker' = %s", marker)


def test_a_refused_one_keeps_only_enough_to_see_what_it_was(channels: Channels):
    marker = secrets.token_hex(8)
    headers = {"X-Marker": marker} | {f"X-{n}": "v" * 9_000 for n in range(60)}
    with pytest.raises(Unauthenticated):
        receive_callback(channel_code="scripted", headers=headers, body=b"x" * 60_000)
    (kept,) = stored_of(marker)
    assert kept["result"] == "REFUSED"
    assert len(bytes(kept["body"])) == 8_192
    assert len(str(kept["headers"])) < 12_000


def test_of_very_many_refused_ones_some_are_kept(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
):
    few = Throttle(name="refused_callbacks", at_once=3, per_minute=1)
    monkeypatch.setattr(callbacks, "_kept_refusals", few)
    marker = secrets.token_hex(8)
    for _ in range(6):
        with pytest.raises(Unauthenticated):
            receive_callback(channel_code="scripted", headers={"X-Marker": marker}, body=b"{}")
    assert len(stored_of(marker)) == 3


def test_an_unknown_channel_keeps_nothing():
    marker = secrets.token_hex(8)
    with pytest.raises(NotFound):
        receive_callback(channel_code="nobody", headers={"X-Marker": marker}, body=b"{}")
    assert stored_of(marker) == []


@pytest.mark.parametrize("request_no", ["att_unknown", "a\x00b", "", "\ud800"])
def test_one_that_names_no_request_of_ours_is_kept_and_refused(
    channels: Channels, monkeypatch: pytest.MonkeyPatch, request_no: str
):
    marker = secrets.token_hex(8)
    said = Notification(
        answer=charged(10_00, trade_no="t"), request_no=request_no, merchant_account="acct-1"
    )
    monkeypatch.setattr(channels[0], "parse_notification", lambda **_: said)
    with pytest.raises(InvalidRequest):
        receive_callback(channel_code="scripted", headers={"X-Marker": marker}, body=b"{}")
    assert [row["result"] for row in stored_of(marker)] == ["UNMATCHED"]


def test_another_merchant_account_is_quarantined_and_changes_nothing(
    channels: Channels, monkeypatch: pytest.MonkeyPatch
):
    trade = make_trade()
    trade.pay()
    before = trade.footprint()
    said = Notification(
        answer=charged(10_00, trade_no=secrets.token_hex(6)),
        request_no=trade.attempts()[0]["attempt_no"],
        merchant_account="somebody-else",
    )
    monkeypatch.setattr(channels[0], "parse_notification", lambda **_: said)
    with pytest.raises(InvalidRequest):
        receive_callback(channel_code="scripted", headers={}, body=b"{}")
    assert trade.footprint() == before


def test_scripted_channels_refuse_by_themselves(channels: Channels):
    with pytest.raises(NotificationRefused):
        channels[0].parse_notification(headers={}, body=b"")
