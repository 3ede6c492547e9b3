"""The commands over statements: what they print, how they end, and that wrong use changes nothing."""

from __future__ import annotations

import csv
import io
import itertools
import json
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from engine.channels.registry import get_channel
from engine.models import Statement
from engine.services.statements import StatementFile, import_statement
from paymentplatform.kernel import numbers
from tests.statements import Line, write_statement

_days = itertools.count()


@pytest.fixture
def day() -> date:
    """A day in the past that nobody else uses."""
    return date(2018, 1, 1) + timedelta(days=next(_days))


def run(name: str, *arguments: str) -> tuple[int, str]:
    """Run a command; returns its exit code and what it wrote."""
    out = io.StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def of(day: date, path: Path | None = None, *more: str) -> list[str]:
    named = ["--channel", "sandbox", "--date", str(day), *more]
    return [*named, "--file", str(path)] if path is not None else named


def test_a_file_is_imported_once_and_says_so(day: date, tmp_path: Path):
    path = write_statement(tmp_path, day, [Line("SBX1", "", 1_00)])
    code, text = run("import_statement", *of(day, path, "--json", "--dry-run"))
    assert (code, json.loads(text)["statement_no"]) == (0, None)
    assert not Statement.objects.filter(statement_date=day).exists()
    first, again = (
        json.loads(run("import_statement", *of(day, path, "--json"))[1]) for _ in range(2)
    )
    assert (first["line_count"], first["repeated"], again["repeated"]) == (1, False, True)
    assert again["statement_no"] == first["statement_no"]


def test_differences_end_with_1_and_are_reported_in_three_forms(day: date, tmp_path: Path):
    name = numbers.new_number("=trd")
    path = write_statement(tmp_path, day, [Line(name, "", 7_77)])
    report = tmp_path / "report.csv"
    code, text = run("reconcile_channel", *of(day, path, "--json", "--csv", str(report)))
    document = json.loads(text)
    assert (code, document["ok"], document["differences"]["CHANNEL_ONLY"]["count"]) == (1, False, 1)
    assert [row["match_key"] for row in document["list"]] == [name]
    with report.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0]["match_key"] == f"'{name}"
    assert (rows[-1]["discrepancy_no"], rows[-1]["kind"]) == ("#END", "1")
    code, text = run("reconcile_channel", *of(day, path))
    assert code == 1
    assert "7.77 CNY" in text
    assert "1 lines, 0 agree" in text
    assert "Next: propose how each of the" in text
    code, text = run("reconcile_channel", *of(day, path, "--dry-run"))
    assert "Nothing was kept" in text


@pytest.mark.parametrize("name", ["import_statement", "reconcile_channel"])
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"--date": "yesterday"}, 2),
        ({"--date": "2999-01-01"}, 2),
        ({"--channel": "nobody"}, 1),
        ({"--file": "/nowhere"}, 1),
    ],
)
def test_wrong_use_changes_nothing(
    day: date, tmp_path: Path, name: str, changes: dict[str, str], code: int
):
    path = write_statement(tmp_path, day, [Line("SBX1", "", 1_00)])
    given: dict[str, Any] = {
        "--channel": "sandbox",
        "--date": str(day),
        "--file": str(path),
    } | changes
    before = Statement.objects.count()
    assert run(name, *itertools.chain(*given.items()))[0] == code
    assert Statement.objects.count() == before


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["", "dry-run"])
@pytest.mark.parametrize("name", ["import_statement", "reconcile_channel"])
def test_a_file_does_not_replace_the_institutions_own(
    day: date, tmp_path: Path, name: str, dry: list[str]
):
    own = write_statement(tmp_path, day, [Line(numbers.new_number("trd"), "", 1_00)])
    import_statement(StatementFile("sandbox", day, own, Statement.Source.FETCHED))
    before = list(Statement.objects.filter(statement_date=day).values())
    other = write_statement(tmp_path, day, [], name="other.csv")
    code, text = run(name, *of(day, other, *dry))
    assert code == 1
    assert "The institution's own file" in " ".join(text.split())
    assert list(Statement.objects.filter(statement_date=day).values()) == before
    assert run("import_statement", *of(day, own, *dry))[0] == 0


def test_a_file_that_is_asked_for_can_be_rehearsed(
    day: date, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own = write_statement(tmp_path, day, [Line(numbers.new_number("trd"), "", 1_00)])
    channel = SimpleNamespace(
        merchant_account=get_channel("sandbox").merchant_account,
        fetch_statement=lambda statement_date: own.read_bytes(),
    )
    monkeypatch.setattr("engine.services.statements.get_channel", lambda _code: channel)
    code, text = run("import_statement", *of(day, None, "--dry-run", "--json"))
    assert (code, json.loads(text)["line_count"], json.loads(text)["statement_no"]) == (0, 1, None)
    assert not Statement.objects.filter(statement_date=day).exists()
    assert run("import_statement", *of(day, None))[0] == 0
    assert Statement.objects.get(statement_date=day).source == "FETCHED"


def test_what_excludes_each_other_is_refused(day: date, tmp_path: Path):
    path = write_statement(tmp_path, day, [])
    assert run("reconcile_channel", *of(day, path, "--fetch"))[0] == 2
    with pytest.raises(CommandError):
        run("reconcile_channel", "--date", str(day))
