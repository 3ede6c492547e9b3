"""The example receivers: known vectors, a real delivery, and all twelve cases of ``certify_merchant``."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from acquiring.services.certification import certify_receiver
from acquiring.services.notifications import deliver_due_notifications
from acquiring.webhooks.signing import make_webhook_secret
from tests.acquiring.outbox import record_event
from tests.environment import ROOT
from tests.makers import make_merchant

FOLDER = ROOT / "docs" / "examples" / "webhooks"
NODE = shutil.which("node")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
BODY = b'{"test": 2432232314}'
AT = 1614265330

RECEIVERS = {
    "receiver.py": [sys.executable, "receiver.py"],
    "receiver_standardwebhooks.py": [sys.executable, "receiver_standardwebhooks.py"],
    "receiver.mjs": [NODE or "node", "receiver.mjs"],
}
VERIFIERS = ("receiver.py", "receiver.mjs", "verify.sh")

FORGED: dict[str, tuple[dict[str, str], bytes, int]] = {
    "altered": (VECTOR, BODY.replace(b"4", b"5"), AT),
    "late": (VECTOR, BODY, AT + 301),
    "early": (VECTOR, BODY, AT - 301),
    "other id": (VECTOR | {"webhook-id": "msg_1"}, BODY, AT),
    "other time": (VECTOR | {"webhook-timestamp": str(AT + 1)}, BODY, AT),
    "octal time": (VECTOR | {"webhook-timestamp": "0" + str(AT)}, BODY, AT),
    "no time": (VECTOR | {"webhook-timestamp": "now"}, BODY, AT),
    "signed time": (VECTOR | {"webhook-timestamp": f"-{AT}"}, BODY, AT),
    "other version": (
        VECTOR | {"webhook-signature": VECTOR["webhook-signature"].replace("v1,", "v1a,")},
        BODY,
        AT,
    ),
    "bare signature": (
        VECTOR | {"webhook-signature": VECTOR["webhook-signature"].removeprefix("v1,")},
        BODY,
        AT,
    ),
    "star": (VECTOR | {"webhook-signature": "*"}, BODY, AT),
    "nothing": ({}, BODY, AT),
    **{
        f"no {name}": ({key: VECTOR[key] for key in VECTOR if key != name}, BODY, AT)
        for name in VECTOR
    },
}


def verifies(
    example: str,
    headers: dict[str, str],
    body: bytes,
    *,
    now: int,
    folder: Path,
    secret: str = SECRET,
) -> bool:
    """What the example makes of a request."""
    if example == "receiver.py":
        return _verify_in_python(headers, body, now, secret)
    if example == "receiver.mjs":
        asked = {"secrets": secret.split(), "headers": headers, "now": now}
        code = (
            f"import {{ verify }} from {json.dumps((FOLDER / example).as_uri())};"
            f"const asked = {json.dumps(asked)};"
            f"const body = Buffer.from({json.dumps(base64.b64encode(body).decode())}, 'base64');"
            "console.log(verify({ ...asked, body }));"
        )
        done = run([NODE or "node", "--input-type=module", "--eval", code])
        return {"true\n": True, "false\n": False}[done.stdout]
    (folder / "headers").write_text("".join(f"{n}: {v}\r\n" for n, v in headers.items()))
    (folder / "body").write_bytes(body)
    arguments = ["sh", str(FOLDER / example), str(folder / "headers"), str(folder / "body")]
    done = run(arguments, WEBHOOK_SECRET=secret, NOW=str(now))
    assert done.returncode == 0 or "refused" in done.stderr, done.stderr
    return done.returncode == 0


def _verify_in_python(headers: dict[str, str], body: bytes, now: int, secret: str) -> bool:
    spec = importlib.util.spec_from_file_location("receiver", FOLDER / "receiver.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: bool = module.verify(secrets=secret.split(), headers=headers, body=body, now=now)
    return found


def run(arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def needs(example: str) -> None:
    if example == "receiver.mjs" and NODE is None:
        pytest.skip("needs Node")
    if example == "verify.sh" and shutil.which("openssl") is None:
        pytest.skip("needs openssl")


@contextmanager
def running(example: str, secret: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start an example on a free port; yields its address."""
    process = subprocess.Popen(
        [*RECEIVERS[example], "0"],
        cwd=FOLDER,
        env={"PATH": os.environ["PATH"], "WEBHOOK_SECRET": secret},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        word, port = process.stdout.readline().split()
        assert word == "listening"
        yield f"http://127.0.0.1:{port}/webhook", process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("example", VERIFIERS)
def test_published_vector_is_verified(example: str, tmp_path: Path):
    needs(example)
    assert verifies(example, VECTOR, BODY, now=AT, folder=tmp_path)
    assert verifies(example, VECTOR, BODY, now=AT + 300, folder=tmp_path)
    rotating = VECTOR["webhook-signature"]
    for several in (f"v1,AAAA {rotating}", f"{rotating} v1,AAAA", f"v2,x {rotating} v1a,y"):
        headers = VECTOR | {"webhook-signature": several}
        assert verifies(example, headers, BODY, now=AT, folder=tmp_path)


@pytest.mark.parametrize("forgery", FORGED)
@pytest.mark.parametrize("example", ["receiver.py", "verify.sh"])
def test_forgery_is_not(example: str, forgery: str, tmp_path: Path):
    needs(example)
    headers, body, now = FORGED[forgery]
    assert not verifies(example, headers, body, now=now, folder=tmp_path)


def test_forgery_is_not_in_node(tmp_path: Path):
    """All of them in one process: starting Node costs more than they do."""
    needs("receiver.mjs")
    asked = [
        {"headers": headers, "body": body.decode(), "now": now}
        for headers, body, now in FORGED.values()
    ]
    code = (
        f"import {{ verify }} from {json.dumps((FOLDER / 'receiver.mjs').as_uri())};"
        f"const verdicts = {json.dumps(asked)}.map((one) =>"
        f" verify({{ ...one, secrets: [{json.dumps(SECRET)}], body: Buffer.from(one.body) }}));"
        "console.log(JSON.stringify(verdicts));"
    )
    done = run([NODE or "node", "--input-type=module", "--eval", code])
    assert json.loads(done.stdout) == [False] * len(FORGED), done.stderr


@pytest.mark.parametrize("example", VERIFIERS)
def test_bytes_are_verified_not_characters(example: str, tmp_path: Path):
    """No last line end, no valid UTF-8, a NUL: what was signed is bytes."""
    needs(example)
    body = b'{"\xe5\x95\x86": "\xff\x00\r\n"}'
    secret = make_webhook_secret()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.digest(key, b"evt_1.%d." % AT + body, hashlib.sha256)
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(AT),
        "webhook-signature": "v1," + base64.b64encode(mac).decode(),
    }
    assert verifies(example, headers, body, now=AT, folder=tmp_path, secret=secret)
    assert not verifies(example, headers, body + b"\n", now=AT, folder=tmp_path, secret=secret)


@pytest.mark.parametrize("example", RECEIVERS)
def test_receiver_takes_a_real_delivery_and_passes_every_case(
    example: str, owner_connection: psycopg.Connection
):
    needs(example)
    owner_connection.execute(
        "UPDATE acquiring_delivery SET due_at = due_at + interval '100 years'"
        " WHERE due_at < platform_now() + interval '50 years'"
    )
    merchant = make_merchant()
    data: dict[str, Any] = {"merchant_order_no": "TEA-商户-1", "amount": 1280, "currency": "CNY"}
    with running(example, merchant["webhook_secret"]) as (url, process):
        event_id = record_event(merchant["merchant_no"], url, data=data)
        assert deliver_due_notifications() == {"DELIVERED": 1}
        assert process.stdout is not None
        assert process.stdout.readline() == f"paid TEA-商户-1 {event_id}\n"
        certificate = certify_receiver(merchant_no=merchant["merchant_no"], url=url)
    failed = {case.name: case.came for case in certificate.cases if not case.passed}
    assert failed == {}


def test_shell_verifies_what_the_platform_signs_now(tmp_path: Path):
    needs("verify.sh")
    from acquiring.webhooks.signing import sign_webhook

    secret, now = make_webhook_secret(), int(time.time())
    body = b"x" * 60_000
    headers = sign_webhook(
        secrets=[make_webhook_secret(), secret], event_id="evt_1", timestamp=now, payload=body
    )
    assert verifies("verify.sh", headers, body, now=now, folder=tmp_path, secret=secret)
