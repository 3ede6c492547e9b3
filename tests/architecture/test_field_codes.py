"""``errors[].code`` is one closed list, said once and shown in the documentation."""

from __future__ import annotations

import ast

from paymentplatform.kernel.field_errors import FIELD_CODES
from tests.architecture.sources import name_of, python_files, tree_of
from tests.environment import ROOT

_MAKERS = {"FieldError": 1, "_Refused": 1, "_invalid": 1, "_refuse": 1}
"""Calls that make a field error, with the place of its code."""


def test_every_field_error_has_a_code_of_the_list():
    found = [
        (f"{name_of(path)}:{node.lineno}", node.args[place].value)
        for path in python_files()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and (place := _MAKERS.get(getattr(node.func, "id", ""))) is not None
        and len(node.args) > place
        and isinstance(node.args[place], ast.Constant)
    ]
    assert len(found) > 30
    assert [(where, code) for where, code in found if code not in FIELD_CODES] == []


def test_the_documentation_shows_every_code():
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [code for code in FIELD_CODES if f"| `{code}` |" not in page] == []
