"""Which tests are measured for coverage: those that reach new code. Measuring doubles what a test costs.

The figure is a lower bound: nothing counts as covered that no test has run, but what only an unmeasured test runs
counts as not covered. With ``--long`` everything is measured, the live platform's processes too.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import is_hypothesis_test

from tests.environment import LONG, ROOT

CASES = 2
"""So many cases of a parametrized test are measured: the others go the same ways with other values."""
_ARCHITECTURE = ROOT / "tests" / "architecture"


def choose_unmeasured(items: list[pytest.Item]) -> None:
    """Mark what would only be measured again: repetitions, generated examples, and what reads code to judge it."""
    if LONG:
        return
    seen: Counter[str] = Counter()
    for item in items:
        function = item.nodeid.partition("[")[0]
        seen[function] += 1
        if (
            seen[function] > CASES
            or is_hypothesis_test(getattr(item, "obj", None))
            or item.path.is_relative_to(_ARCHITECTURE)
        ):
            item.add_marker(pytest.mark.no_cover)


def pause_or_resume(item: pytest.Item) -> None:
    """Measure this test with its fixtures, or not; pytest-cov itself leaves out only the body of a test."""
    plugin = item.config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if controller is None:
        return
    wanted = item.get_closest_marker("no_cover") is None
    if wanted and not controller.started:
        controller.resume()
    elif not wanted and controller.started:
        controller.pause()


def unmeasured(variables: dict[str, str]) -> dict[str, str]:
    """Return a process's environment without what makes coverage measure it, unless everything is measured."""
    if LONG:
        return variables
    return {name: value for name, value in variables.items() if "COVERAGE" not in name}
