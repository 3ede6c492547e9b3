"""Which tests failed only because something was not there in time; a whole run looks at these once more, alone.

Beside the tests of two other workers, and whatever else a shared machine does, a limit in seconds says little. So
a test whose failure names a limit in seconds gets a second look when everything else is over; whatever else fails
has found something, and no second look takes that back (docs/decisions/0036).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import TimeoutError as PageTimeout

from tests.waiting import NotInTime

LATE = (NotInTime, TimeoutError, httpx.TimeoutException, PageTimeout, subprocess.TimeoutExpired)
_LIMIT_OF_THE_TEST = "Timeout ("
"""How pytest-timeout begins its message."""
_MARK = ("not in time", True)


def is_late(error: BaseException) -> bool:
    """Whether this says no more than that a limit in seconds was over."""
    if isinstance(error, pytest.fail.Exception):
        return str(error).startswith(_LIMIT_OF_THE_TEST)
    return isinstance(error, LATE)


def mark_lateness(report: pytest.TestReport, call: pytest.CallInfo[None]) -> None:
    """Note in the report, which goes from worker to controller, whether the test only was late."""
    if report.failed and call.excinfo is not None and is_late(call.excinfo.value):
        report.user_properties.append(_MARK)


class Collector:
    """In the controller: which tests were late, and whether anything else failed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._late: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a failure that is only lateness."""
        if report.failed and _MARK in map(tuple, report.user_properties):
            self._late.append(report.nodeid)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write their names down, if every failure of the run is one of them; coverage too low counts as another."""
        if self._late and session.testsfailed == len(self._late):
            self._file.write_text("\n".join(dict.fromkeys(self._late)), encoding="utf-8")


def register(config: pytest.Config) -> None:
    """Collect in the controller of a whole run: only that run says where to write."""
    file = os.environ.pop("LATE_TESTS_FILE", None)  # not for the test runs that tests start
    if file is not None and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Collector(Path(file)), "second look")
