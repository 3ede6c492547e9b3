"""What of the documentation is made from the code is what the code says now."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from django.apps import apps

from paymentplatform.console.docs.growth import GROWTH
from paymentplatform.console.docs.tables import APPS
from tests.environment import ROOT

DOCS = ROOT / "docs"
MADE = {"architecture.md", "database.md", "errors.md", "openapi.yaml", "operations.md", "roles.md"}


def write_docs(*arguments: str) -> tuple[int, dict[str, list[str]]]:
    """Run the command in a process of its own: tests declare errors that are none of the platform's."""
    done = subprocess.run(
        [sys.executable, "manage.py", "write_docs", "--json", *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_writing_again_changes_nothing():
    assert write_docs("--check") == (0, {"stale": []}), "run: .venv/bin/python manage.py write_docs"


def test_stale_pages_are_named_and_brought_up_to_date(tmp_path: Path):
    for name in MADE - {"openapi.yaml"}:
        shutil.copy(DOCS / name, tmp_path)
    stale = tmp_path / "errors.md"
    stale.write_text("old", encoding="utf-8")

    assert write_docs("--check", "--folder", str(tmp_path)) == (
        1,
        {"stale": ["openapi.yaml", "errors.md"]},
    )
    assert stale.read_text(encoding="utf-8") == "old"
    code, document = write_docs("--folder", str(tmp_path))

    assert (code, document) == (0, {"written": ["openapi.yaml", "errors.md"]})
    for name in MADE:
        assert (tmp_path / name).read_bytes() == (DOCS / name).read_bytes()


def test_growth_is_said_of_every_table_and_of_no_other():
    labels = {label for label, _title in APPS}
    tables = {m._meta.db_table for m in apps.get_models() if m._meta.app_label in labels}
    assert set(GROWTH) == tables
