"""The quick starts do on the live platform what they say: each is run as it stands there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_examples import demo_of
from tests.environment import ROOT
from tests.live import LiveMerchant, LivePlatform

FOLDER = ROOT / "docs" / "examples" / "quickstart"
PAGE = FOLDER / "README.md"
PROGRAMS = {".py": sys.executable, ".mjs": shutil.which("node"), ".sh": shutil.which("bash")}
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix in PROGRAMS)


def run(name: str, merchant: LiveMerchant, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run one quick start with a payer of its own."""
    program = PROGRAMS[Path(name).suffix]
    if program is None:
        pytest.skip(f"nothing to run {name} with")
    platform = merchant.platform
    given = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "sdk" / "python"),
        "BASE_URL": platform.base_url,
        "SECRET_KEY": merchant.secret_key,
        "WEBHOOK_SECRET": merchant.webhook_secret,
        "PAYER_TOKEN": merchant.payer_token(platform.payer()),
    }
    return subprocess.run(
        [program, str(FOLDER / name)],
        env=given | changes,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_is_one_for_each_language():
    assert FILES == ["quickstart.mjs", "quickstart.py", "quickstart.sh"]


@pytest.mark.parametrize("name", FILES)
def test_a_quick_start_pays_and_gives_back(platform: LivePlatform, name: str):
    merchant = platform.merchant()
    done = run(name, merchant)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["asked", "SUCCESS"] in lines
    assert ["refund", "SUCCESS", "280"] in lines
    assert {"webhook", "event"} & {line[0] for line in lines}
    (order,) = merchant.api.get("orders").json()["data"]
    assert (order["status"], order["refunded_amount"]) == ("SUCCESS", 280)


@pytest.mark.parametrize("name", FILES)
def test_a_quick_start_ends_at_the_first_refusal(platform: LivePlatform, name: str):
    merchant = platform.merchant()
    done = run(name, merchant, PAYER_TOKEN="pt_wrong")
    assert done.returncode != 0
    assert "refund" not in done.stdout
    (order,) = merchant.api.get("orders").json()["data"]
    assert order["status"] == "INIT"


def test_the_page_says_how_to_start_one(platform: LivePlatform, tmp_path: Path):
    (tmp_path / ".run").mkdir()
    demo = json.dumps(demo_of(platform))
    (tmp_path / ".run" / "demo.json").write_text(demo, encoding="utf-8")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("sdk", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    block = re.search(
        r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert block
    done = subprocess.run(
        ["bash", "-euc", block[1]],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "refund SUCCESS 280" in done.stdout
