"""Callbacks: only the institution's own words are taken in, and it repeats them until they are."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from engine.channels.base import Channel, NotificationRefused, Outcome
from engine.channels.sandbox import codec
from tests.engine.channels.conftest import Requests
from tests.engine.channels.receiver import Received, Receiver
from tests.institution_process import InstitutionProcess
from tests.waiting import wait_until

SEED = 20_261_122
MUTATIONS = 2_000


@pytest.fixture
def genuine(sandbox: Channel, new_request: Requests, receiver: Receiver) -> Received:
    """A callback as the institution sent it."""
    request = new_request(token="tok_success")
    assert sandbox.pay(request).outcome is Outcome.SUCCEEDED
    return wait_until(lambda: receiver.about(request.request_no))[0]


Mutation = Callable[[random.Random, dict[str, str], bytes], tuple[dict[str, str], bytes]]


def _flip_body(dice: random.Random, headers: dict[str, str], body: bytes):
    index = dice.randrange(len(body))
    return headers, body[:index] + bytes([body[index] ^ dice.randrange(1, 256)]) + body[index + 1 :]


def _cut_body(dice: random.Random, headers: dict[str, str], body: bytes):
    return headers, body[: dice.randrange(len(body))]


def _grow_body(dice: random.Random, headers: dict[str, str], body: bytes):
    index = dice.randrange(len(body) + 1)
    return headers, body[:index] + dice.choice([b" ", b"\n", b"0", b"\x00"]) + body[index:]


def _raise_amount(dice: random.Random, headers: dict[str, str], body: bytes):
    document = codec.decode(body)
    return headers, codec.encode(document | {"amount": document["amount"] + dice.randrange(1, 999)})


def _change_field(dice: random.Random, headers: dict[str, str], body: bytes):
    document = codec.decode(body)
    name = dice.choice(list(document))
    return headers, codec.encode(document | {name: f"x{dice.random()}"})


def _flip_header(dice: random.Random, headers: dict[str, str], body: bytes):
    name = dice.choice([name for name in headers if name.startswith("Sandbox-")])
    value = headers[name]
    index = dice.randrange(len(value))
    other = chr(ord(value[index]) ^ dice.randrange(1, 64))
    return headers | {name: value[:index] + other + value[index + 1 :]}, body


def _drop_header(dice: random.Random, headers: dict[str, str], body: bytes):
    name = dice.choice([name for name in headers if name.startswith("Sandbox-")])
    return {key: value for key, value in headers.items() if key != name}, body


def _move_time(dice: random.Random, headers: dict[str, str], body: bytes):
    moved = int(headers[codec.TIMESTAMP_HEADER]) + dice.choice([-1, 1]) * dice.randrange(1, 10**6)
    return headers | {codec.TIMESTAMP_HEADER: str(moved)}, body


def _sign_anew(dice: random.Random, headers: dict[str, str], body: bytes):
    """A correct signature, but with a wrong secret, for another acquirer or for another direction."""
    secret, channel, purpose = dice.choice(
        [
            (f"guess{dice.random()}", "sandbox", codec.Purpose.NOTIFICATION),
            ("somebody else's", "sandbox", codec.Purpose.NOTIFICATION),
            ("", "sandbox", codec.Purpose.NOTIFICATION),
        ]
    )
    key = codec.derive_key(secret=secret, channel=channel, purpose=purpose)
    return codec.sign_notification(key=key, account=codec.ACCOUNTS[channel], body=body), body


MUTATORS: list[Mutation] = [
    _flip_body, _cut_body, _grow_body, _raise_amount, _change_field, _flip_header, _drop_header,
    _move_time, _sign_anew,
]  # fmt: skip


def test_no_mutation_is_accepted(sandbox: Channel, genuine: Received):
    dice = random.Random(SEED)
    sandbox.parse_notification(headers=genuine.headers, body=genuine.body)
    accepted = []
    for number in range(MUTATIONS):
        mutator = MUTATORS[number % len(MUTATORS)]
        headers, body = mutator(dice, dict(genuine.headers), genuine.body)
        assert (headers, body) != (genuine.headers, genuine.body)
        try:
            sandbox.parse_notification(headers=headers, body=body)
        except NotificationRefused:
            continue
        accepted.append((number, mutator.__name__))
    assert accepted == [], f"seed {SEED}"


@pytest.mark.parametrize("purpose", [codec.Purpose.REQUEST, codec.Purpose.RESPONSE])
def test_another_directions_key_signs_no_notification(
    sandbox: Channel, genuine: Received, institution: InstitutionProcess, purpose: codec.Purpose
):
    key = codec.derive_key(secret=institution.key, channel="sandbox", purpose=purpose)
    headers = codec.sign_notification(key=key, account=sandbox.merchant_account, body=genuine.body)
    with pytest.raises(NotificationRefused):
        sandbox.parse_notification(headers=headers, body=genuine.body)


def test_the_other_acquirers_notification_is_not_ours(
    channels: dict[str, Channel], genuine: Received
):
    with pytest.raises(NotificationRefused):
        channels["sandbox2"].parse_notification(headers=genuine.headers, body=genuine.body)


def test_a_stale_notification_is_refused(
    sandbox: Channel, genuine: Received, institution: InstitutionProcess
):
    key = codec.derive_key(
        secret=institution.key, channel="sandbox", purpose=codec.Purpose.NOTIFICATION
    )
    sent_at = int(genuine.headers[codec.TIMESTAMP_HEADER])
    for age_s, is_fresh in ((290, True), (310, False), (-310, False)):
        headers = codec.sign_notification(
            key=key, account=sandbox.merchant_account, body=genuine.body, now=sent_at - age_s
        )
        taken = Received("", headers, genuine.body).read_by(sandbox) is not None
        assert taken is is_fresh


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"merchant_account": codec.ACCOUNTS["sandbox"], "status": "SUCCEEDED"},
        {"merchant_account": codec.ACCOUNTS["sandbox"], "request_no": 7, "status": "SUCCEEDED"},
        {"merchant_account": codec.ACCOUNTS["sandbox"], "request_no": "a", "status": "PAID"},
        {"merchant_account": codec.ACCOUNTS["sandbox"], "request_no": "a", "status": "SUCCEEDED"},
        {"request_no": "a", "status": "PENDING"},
    ],
)
def test_signed_nonsense_is_refused(
    sandbox: Channel, institution: InstitutionProcess, document: dict[str, object]
):
    key = codec.derive_key(
        secret=institution.key, channel="sandbox", purpose=codec.Purpose.NOTIFICATION
    )
    body = codec.encode(document)
    headers = codec.sign_notification(key=key, account=sandbox.merchant_account, body=body)
    with pytest.raises(NotificationRefused):
        sandbox.parse_notification(headers=headers, body=body)


def test_a_refunds_notification_names_the_refund(sandbox: Channel, institution: InstitutionProcess):
    key = codec.derive_key(
        secret=institution.key, channel="sandbox", purpose=codec.Purpose.NOTIFICATION
    )
    document = {
        "merchant_account": sandbox.merchant_account,
        "refund_no": "rfd_1",
        "status": "SUCCEEDED",
        "channel_trade_no": "RF1",
        "amount": 5,
        "currency": "CNY",
    }
    body = codec.encode(document)
    headers = codec.sign_notification(key=key, account=sandbox.merchant_account, body=body)
    notification = sandbox.parse_notification(headers=headers, body=body)
    assert (notification.request_no, notification.refund_no) == (None, "rfd_1")


def test_it_is_repeated_until_it_is_acknowledged(sandbox: Channel, new_request: Requests):
    deaf = Receiver()
    deaf.acknowledges = False
    try:
        request = new_request(token="tok_success", notify_url=f"{deaf.url}/notify")
        sandbox.pay(request)
        wait_until(lambda: len(deaf.about(request.request_no)) >= 2)
        deaf.acknowledges = True
        heard = wait_until(lambda: len(deaf.about(request.request_no)) >= 3 and deaf.received)
        assert len({news.body for news in heard}) == 1
        assert len({news.headers[codec.NONCE_HEADER] for news in heard}) == len(heard)
        assert all(news.read_by(sandbox) for news in heard)
    finally:
        deaf.close()


def test_a_deaf_receiver_does_not_hold_up_the_others(
    sandbox: Channel, new_request: Requests, receiver: Receiver
):
    for _ in range(20):
        sandbox.pay(new_request(token="tok_success", notify_url="http://127.0.0.1:9/nobody"))
    request = new_request(token="tok_success")
    sandbox.pay(request)
    wait_until(lambda: receiver.about(request.request_no))
