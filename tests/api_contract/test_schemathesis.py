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
from tests.waiting import wait_until

LONG = os.environ.get("RUN_LONG") == "1"
CASES = 5_000 if LONG else 1_000
PER_OPERATION = 160 if LONG else 3
PLENTY = 900_000_000_000

pytestmark = pytest.mark.timeout(1_500 if LONG else 300)


def late_money_of(merchant: LiveMerchant) -> list[str]:
    """What came too late for the merchant's orders."""
    return [late["late_money_no"] for late in merchant.api.get("late-money").json()["data"]]


def known_of(merchant: LiveMerchant) -> dict[str, Any]:
    """What exists: orders in several states, refunds, events, endpoints, a payer with money, what each method needs."""
    payer_token = merchant.payer_token(merchant.platform.payer(balance=PLENTY))
    api = merchant.api
    too_late = merchant.create(metadata={"sandbox_scenario": "success_after_close"})["order_no"]
    merchant.pay(too_late)
    api.post(f"orders/{too_late}/close")
    orders = [merchant.create()["order_no"] for _ in range(62)]
    paid = orders[:6]
    for number in paid:
        assert merchant.pay(number, "BALANCE", payer_token=payer_token)["status"] == "PAID"

    def make(address: str, body: dict[str, Any], name: str) -> str:
        answer = api.post(address, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()[name])

    agreement = {"max_per_payment": 1, "max_per_day": 1, "return_url": "https://shop.example/"}
    numbers = {
        "order_no": orders[:10],
        "refund_no": [
            make(
                "refunds", {"order_no": n, "merchant_refund_no": f"K-{n}", "amount": 1}, "refund_no"
            )
            for n in paid[:3]
        ],
        "endpoint_id": [
            make("webhook-endpoints", {"url": f"{merchant.notify_url}/{n}"}, "id") for n in range(3)
        ],
        "agreement_no": [make("payer-agreements", agreement, "agreement_no") for _ in range(3)],
        "event_id": [event["id"] for event in api.get("events").json()["data"]],
        "late_money_no": wait_until(lambda: late_money_of(merchant), what="late money"),
    }
    return {
        "path": numbers,
        "own": {
            "close_order": {"order_no": orders[10:20]},
            "pay_order": {"order_no": orders[20:]},
        },
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
            *(str(Path(sys.executable).with_name("schemathesis")),),
            *("--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run"),
            *(f"{platform.base_url}/api/schema/", "--no-color", "--continue-on-failure"),
            *("-H", f"Authorization: Bearer {merchant.secret_key}"),
            *("--generation-deterministic", "-n", str(PER_OPERATION)),
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
        timeout=1_400 if LONG else 280,
        check=False,
    )
    output = f"{done.stdout[-20_000:]}\n{done.stderr[-2_000:]}"
    assert report.exists(), output
    return json.loads(report.read_text(encoding="utf-8")), output


@pytest.fixture
def outcome(platform: LivePlatform, tmp_path: Path) -> tuple[dict[str, Any], str]:
    """One run over the whole document."""
    return run_schemathesis(platform, platform.merchant(late_money_policy="ASK"), tmp_path)


def accepted(rates: dict[str, dict[str, int]]) -> int:
    """How many valid requests of an operation were taken, over all phases."""
    return sum(phase["accepted"] for phase in rates.values())


def test_the_platform_keeps_to_its_document(outcome: tuple[dict[str, Any], str]):
    report, output = outcome
    assert report["failures"] == [], output
    assert report["errors"] == [], output
    assert report["complete"], output
    reached = {name for name, rates in report["valid_rates"].items() if accepted(rates)}
    assert reached == set(report["valid_rates"]), "each operation has said yes at least once"
    assert report["test_cases"]["generated"] >= CASES, report["test_cases"]
    assert report["operations"]["tested"] == report["operations"]["total"] > 10
    assert {phase: result["status"] for phase, result in report["phases"].items()} == {
        "examples": "success",
        "coverage": "success",
        "fuzzing": "success",
        "stateful": "success",
    }
