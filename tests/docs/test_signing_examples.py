"""The examples of docs/examples/signing let a merchant in, with each algorithm, on the live platform."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.environment import ROOT
from tests.live import LiveMerchant, LivePlatform
from tests.makers import order_body

FOLDER = ROOT / "docs" / "examples" / "signing"
CLIENTS = {
    "sign_plain.py": [sys.executable],
    "sign_package.py": [sys.executable],
    "sign.mjs": ["node"],
    "sign.sh": ["bash"],
}
MAKE_KEY = {
    "ed25519": ["-algorithm", "ed25519"],
    "rsa-v1_5-sha256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "openssl"))), reason="needs bash, curl and openssl"
)


def make_key(merchant: LiveMerchant, algorithm: str, folder: Path) -> dict[str, str]:
    """Give the merchant a key as the pages say; returns what the examples want in their environment."""
    arguments = ["--merchant", merchant.merchant_no, "--algorithm", algorithm]
    if algorithm in MAKE_KEY:
        private, public = folder / "key.pem", folder / "key.pub.pem"
        openssl("genpkey", *MAKE_KEY[algorithm], "-out", str(private))
        openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
        arguments += ["--public-key", str(public)]
    code, output = merchant.platform.manage("rotate_credential", *arguments, "--json")
    assert code == 0, output
    made = json.loads(output)
    key = {"SECRET_KEY": made["secret_key"]} if "secret_key" in made else {}
    return {
        "BASE_URL": merchant.platform.base_url,
        "KEY_ID": made["key_id"],
        "ALGORITHM": algorithm,
        "PRIVATE_KEY_FILE": str(folder / "key.pem"),
        **key,
    }


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def call(client: str, key: dict[str, str], *arguments: str) -> tuple[int, Any]:
    """Run one example; returns the status and the answer that it printed."""
    program = shutil.which(CLIENTS[client][0]) or ""
    done = subprocess.run(
        [program, str(FOLDER / client), *arguments],
        env={"PATH": os.environ["PATH"], **key},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    if client == "sign.sh":
        body, _, status = done.stdout.strip().rpartition("\n")
        return int(status), json.loads(body)
    printed = json.loads(done.stdout)
    return printed["status"], printed["body"]


@pytest.fixture
def merchant(platform: LivePlatform) -> LiveMerchant:
    """A merchant of this test alone."""
    return platform.merchant()


@pytest.mark.parametrize("algorithm", [*MAKE_KEY, "hmac-sha256"])
def test_every_example_creates_and_finds_orders(
    merchant: LiveMerchant, tmp_path: Path, algorithm: str
):
    key = make_key(merchant, algorithm, tmp_path)
    clients = [name for name, (program, *_) in CLIENTS.items() if shutil.which(program)]
    for client in clients:
        body = json.dumps(order_body(subject="绿茶"), ensure_ascii=False)
        status, order = call(client, key, "POST", "/api/v1/orders", body)
        assert status == 201, order
        if algorithm == "ed25519":
            status, found = call(client, key, "GET", "/api/v1/orders?limit=1&status=INIT")
            assert (status, found["data"]) == (200, [order])
    status, refused = call(clients[0], key | {"KEY_ID": merchant.key_id}, "GET", "/api/v1/orders")
    assert (status, refused["code"]) == (401, "unauthenticated")
    if "node" not in [CLIENTS[name][0] for name in clients]:
        pytest.skip("without node one example was not run")
