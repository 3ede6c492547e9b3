"""What operators can set, run and scrape stands in docs/operations.md, and nothing else does."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from django.core.management import get_commands
from prometheus_client import Counter, Histogram

from paymentplatform.kernel import metrics
from tests.environment import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
OUR_APPS = {"acquiring", "checkout", "engine", "ledger", "paymentplatform.console"}


def settings_read() -> Iterator[str]:
    """The names that the settings package reads from the environment."""
    for path in (ROOT / "paymentplatform" / "settings").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = ast.unparse(node.func)
            first = node.args[0]
            if re.fullmatch(r"env\.\w+|(tunable|read)_\w+", name) and isinstance(
                first, ast.Constant
            ):
                yield str(first.value)


def names_in_table(heading: str) -> set[str]:
    """The names in the first column of the table under a heading."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([A-Za-z_]+)[^`]*`", cell)}


def test_every_setting_is_described():
    read = set(settings_read())
    assert len(read) > 20
    assert read <= names_in_table("Environment variables")


def test_every_described_setting_is_read_somewhere():
    elsewhere = {"DJANGO_SETTINGS_MODULE", "PROMETHEUS_MULTIPROC_DIR", "SSL_CERT_FILE"}
    assert names_in_table("Environment variables") == set(settings_read()) | elsewhere


def test_every_command_of_ours_is_described_and_exists():
    ours = {name for name, app in get_commands().items() if app in OUR_APPS}
    described = names_in_table("Commands")
    assert described == ours


@pytest.mark.parametrize(
    "metric",
    [value for value in vars(metrics).values() if isinstance(value, Counter | Histogram)],
    ids=lambda metric: metric._name,
)
def test_every_metric_is_described_with_its_labels(metric: Counter | Histogram):
    (row,) = [line for line in PAGE.splitlines() if f"`{metric._name}" in line]
    assert set(metric._labelnames) <= set(re.findall(r"[a-z_]+", row.split("|")[2]))
