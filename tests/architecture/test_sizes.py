"""Budgets that keep every part readable at one sitting."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.sources import functions, name_of, python_files
from tests.environment import ROOT

MAX_FUNCTION_LINES = 60
MAX_MODULE_LINES = 400

_ALL = [*python_files(), *python_files("deploy"), ROOT / "run.py", ROOT / "manage.py"]


@pytest.mark.parametrize("path", _ALL, ids=name_of)
def test_module_and_its_functions_are_small(path: Path):
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_MODULE_LINES, f"{name_of(path)} has {lines} lines"
    long = {
        f"{name_of(path)}:{function.lineno} {function.name}": function.end_lineno
        - function.lineno
        + 1
        for function in functions(path)
        if function.end_lineno - function.lineno + 1 > MAX_FUNCTION_LINES
    }
    assert long == {}
