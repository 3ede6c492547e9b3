"""A whole run looks a second time at what only was late, and never at what has found something."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local import checks
from tests.environment import ROOT

CONFTEST = """
import pytest
from tests.second_look import mark_lateness, register

def pytest_configure(config):
    register(config)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    mark_lateness(report, call)
    return report
"""
TESTS = """
import subprocess, time
import httpx, pytest
from playwright.sync_api import TimeoutError as PageTimeout
from tests.waiting import wait_until

def test_good():
    pass
def test_waits(): wait_until(lambda: 0, 0.01)
def test_joins(): raise TimeoutError
def test_asks(): raise httpx.ReadTimeout("no answer")
def test_looks(): raise PageTimeout("no such element")
def test_runs(): subprocess.run(["sleep", "9"], timeout=0.01)
@pytest.mark.timeout(0.1)
def test_takes_long(): time.sleep(9)
def test_wrong(): assert 1 == 2
@pytest.fixture
def odd(): raise ValueError
def test_broken(odd): pass
"""
LATE = ["waits", "joins", "asks", "looks", "runs", "takes_long"]


@pytest.fixture(scope="module", autouse=True)
def unit_database() -> None:
    """These tests need no database."""


def run(folder: Path, names: list[str], *more: str) -> list[str] | None:
    """Run some of TESTS as a whole run does, by two workers; returns what the file names, None without one."""
    for file, text in (("conftest.py", CONFTEST), ("test_it.py", TESTS), ("pytest.ini", "")):
        (folder / file).write_text(text or "[pytest]\n", encoding="utf-8")
    late = folder / "late.txt"
    expression = " or ".join(f"test_{name}" for name in names)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-pno:django", "-k", expression]
    done = subprocess.run(
        [*command, *more],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "LATE_TESTS_FILE": str(late), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == (names != ["good"]) or more, done.stdout
    return late.read_text(encoding="utf-8").split("\n") if late.exists() else None


def test_late_tests_are_named(tmp_path: Path):
    assert sorted(run(tmp_path, ["good", *LATE]) or []) == sorted(
        f"test_it.py::test_{name}" for name in LATE
    )


@pytest.mark.parametrize("other", ["wrong", "broken"])
def test_nothing_is_named_when_something_else_failed(tmp_path: Path, other: str):
    assert run(tmp_path, ["waits", other]) is None


def test_too_little_coverage_is_something_else(tmp_path: Path):
    measured = ("--cov=test_it", "--cov-fail-under=100")
    assert run(tmp_path, ["waits"], *measured) is None


@pytest.mark.parametrize(
    ("late", "codes", "expected"),
    [
        (["a::b"], [1, 0], 0),
        (["a::b", "a::c[x y]"], [1, 1], 1),
        ([], [1], 1),
        ([f"a::{number}" for number in range(checks.MOST_LATE + 1)], [1], 1),
    ],
)
def test_a_whole_run_looks_again_at_few_late_tests(
    late: list[str],
    codes: list[int],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    ran: list[list[str]] = []

    def call(command: list[str], environment: dict[str, str]) -> int:
        ran.append(command)
        if late and "LATE_TESTS_FILE" in environment:
            Path(environment["LATE_TESTS_FILE"]).write_text("\n".join(late), encoding="utf-8")
        return codes[len(ran) - 1]

    monkeypatch.setenv("LATE_TESTS_FILE", "of a run around this one")
    monkeypatch.setattr(checks, "TEST_STATE", tmp_path)
    monkeypatch.setattr(checks, "CHECKS", ())
    monkeypatch.setattr(checks, "call", call)
    assert checks.run_on({}, []) == expected
    assert len(ran) == len(codes)
    if len(ran) == 2:
        assert ran[1][3:] == late
        assert "-n" not in ran[1]
