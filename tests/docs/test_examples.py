"""The examples of the README and of the merchant's guide do what the pages say, on the live platform."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.local.processes import free_port
from tests.docs.examples import Example, differ, last_json, read_examples
from tests.environment import ROOT
from tests.live import LivePlatform
from tests.makers import PASSWORD

PAGES = ("README.md", "docs/api.md")
END = "-----8<----- end of example"
HOOK_PORT = "8787"

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "openssl"))), reason="needs bash, curl and openssl"
)


def demo_of(platform: LivePlatform) -> dict[str, str]:
    """What ``run.py`` writes into ``.run/demo.json``, for a merchant and a payer of this test's own."""
    merchant = platform.merchant(return_origin=platform.base_url)
    payer_no = platform.payer()
    return {
        "base_url": platform.base_url,
        "admin_url": f"{platform.base_url}/admin/",
        "demo_url": f"{platform.base_url}/demo/",
        "sandbox_url": platform.sandbox_url,
        "merchant_no": merchant.merchant_no,
        "secret_key": merchant.secret_key,
        "webhook_secret": merchant.webhook_secret,
        "payer_no": payer_no,
        "payer_password": PASSWORD,
        "payer_token": merchant.payer_token(payer_no),
    }


def run_examples(examples: list[Example], *, folder: Path, demo: dict[str, str]) -> list[str]:
    """Run the shell blocks in one shell and return the output of each; fails with what the shell said."""
    (folder / ".run").mkdir()
    (folder / ".run" / "demo.json").write_text(json.dumps(demo), encoding="utf-8")
    (folder / ".venv").symlink_to(sys.prefix)
    for example in examples:
        if (example.language, example.purpose) == ("python", "test"):
            (folder / example.name).write_text(example.text, encoding="utf-8")
    blocks = [e.text for e in examples if (e.language, e.purpose) == ("sh", "test")]
    script = f"\necho; echo '{END}'\n".join(
        ["set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT", *blocks, ""]
    ).replace(HOOK_PORT, str(free_port()))
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.split(END)[1:-1]


def as_on_the_page(output: str, demo: dict[str, str]) -> str:
    """The page shows the addresses of a platform on the usual ports."""
    shown = output.replace(demo["base_url"], "http://127.0.0.1:8000")
    return shown.replace(demo["sandbox_url"], "http://127.0.0.1:8100")


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_the_page_do_what_it_says(platform: LivePlatform, tmp_path: Path, page: str):
    examples = list(read_examples(ROOT / page))
    demo = demo_of(platform)

    outputs = iter(run_examples(examples, folder=tmp_path, demo=demo))

    output, compared = "", 0
    for example in examples:
        if (example.language, example.purpose) == ("sh", "test"):
            output = as_on_the_page(next(outputs), demo)
        elif (example.language, example.purpose) == ("json", "answer"):
            assert differ(json.loads(example.text), last_json(output)) == [], output
            compared += 1
        elif (example.language, example.purpose) == ("text", "answer"):
            assert output.strip().endswith(example.text.strip())
            compared += 1
    assert compared, "a page with examples shows what comes out"
    assert next(outputs, None) is None


def test_links_between_pages_lead_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


class TestReader:
    """The comparison can only be trusted as far as it notices what is wrong."""

    @pytest.mark.parametrize(
        ("said", "came", "same"),
        [
            ({"a": 1}, {"a": 1}, True),
            ({"a": 1}, {"a": 1, "b": 2}, False),
            ({"a": 1, "…": "…"}, {"a": 1, "b": 2}, True),
            ({"a": 1, "…": "…"}, {"b": 2}, False),
            ({"a": "ord_…"}, {"a": "ord_01"}, True),
            ({"a": "ord_…"}, {"a": "pay_01"}, False),
            ({"a": "2026-…"}, {"a": None}, False),
            ([{"a": 1}], [{"a": 2}], False),
            ([1], [1, 2], False),
        ],
    )
    def test_sees_differences(self, said: Any, came: Any, same: bool):
        assert (differ(said, came) == []) is same
