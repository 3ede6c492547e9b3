"""Rules of code that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from paymentplatform.kernel.errors import all_error_classes
from tests.architecture.sources import (
    APPS,
    import_everything,
    machines,
    name_of,
    our_models,
    python_files,
    tree_of,
)
from tests.environment import ROOT

_SERVICES = [
    path
    for path in python_files(*APPS)
    if path.stem == "services" or path.parent.name == "services"
]


def _calls(path: Path, method: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    ]


@pytest.mark.parametrize("path", python_files(), ids=name_of)
def test_status_never_changes_through_a_queryset(path: Path):
    """``.update(status=…)`` and ``bulk_update`` walk round the machine; the services' moves do not."""
    columns = {machine.column for machine in machines()}
    found = [
        call.lineno
        for call in _calls(path, "update")
        if columns & {keyword.arg for keyword in call.keywords if keyword.arg}
    ]
    found += [
        call.lineno
        for call in _calls(path, "bulk_update")
        if any(isinstance(node, ast.Constant) and node.value in columns for node in ast.walk(call))
    ]
    assert found == []


@pytest.mark.parametrize("path", python_files(*APPS), ids=name_of)
def test_rows_are_never_refreshed_in_place(path: Path):
    """``refresh_from_db`` re-reads without a lock and over protected columns: select again instead."""
    assert [call.lineno for call in _calls(path, "refresh_from_db")] == []


@pytest.mark.parametrize("path", _SERVICES, ids=name_of)
def test_services_are_typed_explained_and_called_by_keyword(path: Path):
    """The thing itself (a row, a command) may stand first; whatever else there is goes by keyword."""
    faults = []
    for function in tree_of(path).body:
        if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
            continue
        positional = function.args.posonlyargs + function.args.args
        if len(positional) > 2 or function.args.vararg:
            faults.append(f"{function.name}: positional arguments")
        typed = [argument.annotation for argument in [*positional, *function.args.kwonlyargs]]
        if None in [*typed, function.returns]:
            faults.append(f"{function.name}: untyped")
        if not ast.get_docstring(function):
            faults.append(f"{function.name}: no docstring")
    assert faults == []


@pytest.mark.parametrize("path", python_files(), ids=name_of)
def test_modules_say_what_they_are_for(path: Path):
    tree = tree_of(path)
    assert not tree.body or ast.get_docstring(tree)


def test_money_columns_are_whole_minor_units():
    """No float and no decimal anywhere; every amount is a 64-bit integer."""
    wrong = [
        f"{model._meta.label}.{field.name}: {field.get_internal_type()}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if field.get_internal_type() in {"FloatField", "DecimalField"}
        or (field.name.endswith("amount") and field.get_internal_type() != "BigIntegerField")
    ]
    assert wrong == []


def test_every_error_code_is_documented():
    import_everything()
    text = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert [code for code in all_error_classes() if f"`{code}`" not in text] == []
