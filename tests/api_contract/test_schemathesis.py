"""The API's document against the running platform: what it allows is taken, what it forbids refused.

Schemathesis reads the document over HTTP and asks: its examples, the edges of every limit, random requests, and ways
from one answer to the next request. 1 000 requests here, 5 000 with ``--long``; the same ones each time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.environment import ROOT
from tests.live import LiveMerchant, LivePlatform

LONG = os.environ.get("RUN_LONG") == "1"
CASES = 5_000 if LONG else 1_000
PER_OPERATION = 150 if LONG else 6
PLENTY = 900_000_000_000

pytestmark = pytest.mark.timeout(900 if LONG else 150)


def known_of(merchant: LiveMerchant) -> dict[str, Any]:
    """What exists: orders in several states, refunds, a payer with money, and what each method needs."""
    payer_token = merchant.payer_token(merchant.platform.payer(balance=PLENTY))
    orders = [merchant.create()["order_no"] for _ in range(12)]
    paid = orders[:6]
    for number in paid:
        answer = merchant.pay(number, "BALANCE", payer_token=payer_token)
        assert answer["status"] == "PAID"
    refunds = [
        merchant.api.post(
            "refunds", json={"order_no": number, "merchant_refund_no": f"K-{number}", "amount": 1}
        ).json()["refund_no"]
        for number in paid[:3]
    ]
    return {
        "path": {"order_no": orders, "refund_no": refunds},
        "paid": paid,
        "options": {
            "BALANCE": {"payer_token": payer_token},
            "BANK_CARD": {"card_token": "tok_success"},
            "WALLET": {"wallet_code": "BLUE_WALLET"},
            "NET_BANKING": {"bank_code": "ICBC"},
        },
    }


def run_schemathesis(
    platform: LivePlatform, merchant: LiveMerchant, folder: Path
) -> tuple[dict[str, Any], str]:
    """Run it to its end; returns its report and what it printed."""
    known = folder / "known.json"
    known.write_text(json.dumps(known_of(merchant)), encoding="utf-8")
    report = folder / "report.json"
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run"),
            *(f"{platform.base_url}/api/schema/", "--no-color", "--continue-on-failure"),
            *("-H", f"Authorization: Bearer {merchant.secret_key}"),
            *("--generation-deterministic", "-n", str(PER_OPERATION), "--checks", "all"),
            *("--report", "json", "--report-json-path", str(report)),
        ],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.api_contract.hooks",
            "CONTRACT_FILE": str(known),
        },
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    output = f"{done.stdout[-20_000:]}\n{done.stderr[-2_000:]}"
    assert report.exists(), output
    return json.loads(report.read_text(encoding="utf-8")), output


@pytest.fixture
def outcome(platform: LivePlatform, tmp_path: Path) -> tuple[dict[str, Any], str]:
    """One run over the whole document."""
    return run_schemathesis(platform, platform.merchant(), tmp_path)


def test_the_platform_keeps_to_its_document(outcome: tuple[dict[str, Any], str]):
    report, output = outcome
    assert report["failures"] == [], output
    assert report["errors"] == [], output
    assert report["complete"], output
    assert report["test_cases"]["generated"] >= CASES, report["test_cases"]
    assert report["operations"]["tested"] == report["operations"]["total"] > 10
    assert {phase: result["status"] for phase, result in report["phases"].items()} == {
        "examples": "success",
        "coverage": "success",
        "fuzzing": "success",
        "stateful": "success",
    }
