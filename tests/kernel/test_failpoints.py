"""A failpoint kills exactly the process that comes to it, once, and only where a test has armed it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import override_settings

from paymentplatform.kernel.failpoints import FAILPOINTS, failpoint
from tests.environment import ROOT

_POINT = next(iter(FAILPOINTS))
_PROGRAM = f"""
from paymentplatform.kernel.failpoints import failpoint
try:
    failpoint({_POINT!r}, "ord_1"); print("lived")
finally:
    print("cleaned up")
"""


def run_past_the_point(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a process that comes to the first failpoint."""
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        env=dict(os.environ) | {"PLATFORM_FAILPOINT_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("armed", [_POINT, f"{_POINT}.ord_1"])
def test_an_armed_point_kills_once(tmp_path: Path, armed: str):
    (tmp_path / armed).touch()

    died, lived = run_past_the_point(tmp_path), run_past_the_point(tmp_path)

    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "")
    assert (lived.returncode, lived.stdout) == (0, "lived\ncleaned up\n")
    assert list(tmp_path.iterdir()) == []


def test_a_point_armed_for_another_order_spares_this_one(tmp_path: Path):
    (tmp_path / f"{_POINT}.ord_2").touch()
    assert run_past_the_point(tmp_path).returncode == 0


def test_nothing_happens_where_nothing_is_armed(tmp_path: Path):
    failpoint(_POINT)
    with override_settings(PLATFORM_FAILPOINT_DIR=str(tmp_path)):
        failpoint(_POINT)
        with pytest.raises(LookupError):
            failpoint("not_declared")
