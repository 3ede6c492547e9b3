"""The walls of the house: who may know whom, and through which door."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import (
    APPS,
    PRODUCT,
    name_of,
    our_models,
    python_files,
    sql_files,
    strings,
    tree_of,
)
from tests.environment import ROOT

_PURE = ("contracts.py", "states.py", "chart.py", "exchange.py", "signing.py")
_FRAMEWORKS = {
    "django",
    "rest_framework",
    "celery",
    "psycopg",
    "httpx",
    "redis",
    "django_fsm",
    "pgtrigger",
}
_FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc"}


def test_import_contracts_are_kept():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.parametrize("app", APPS)
def test_api_is_a_door_without_logic(app: str):
    path = ROOT / app / "api.py"
    for node in tree_of(path).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        is_all = isinstance(node, ast.Assign) and [
            target.id for target in node.targets if isinstance(target, ast.Name)
        ] == ["__all__"]
        assert is_docstring or is_import or is_all, (
            f"{name_of(path)}:{node.lineno} is more than a door"
        )


@pytest.mark.parametrize("path", [p for p in python_files() if p.name in _PURE], ids=name_of)
def test_pure_modules_import_no_framework(path: Path):
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    assert not imported & _FRAMEWORKS


def test_no_room_for_odds_and_ends():
    found = [
        name_of(path) for path in python_files() if {path.stem, path.parent.name} & _FORBIDDEN_NAMES
    ]
    assert found == []


def test_results_do_not_travel_by_signal():
    """Results go up through engine.ports only; Django's signals are found by nobody but grep."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in python_files(*APPS)
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django.dispatch")
    ]
    assert found == []


def test_no_foreign_key_crosses_apps():
    crossing = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in our_models()
        if model._meta.app_label in APPS
        for field in model._meta.get_fields()
        if field.is_relation
        and field.concrete
        and field.related_model is not None
        and field.related_model._meta.app_label != model._meta.app_label
    ]
    assert crossing == []


def _tables_by_app() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for model in our_models():
        found.setdefault(model._meta.app_label, set()).add(model._meta.db_table)
    return found


@pytest.mark.parametrize("app", APPS)
def test_no_sql_names_another_apps_tables(app: str):
    strange = {
        table for other, tables in _tables_by_app().items() if other != app for table in tables
    }
    texts = [(name_of(path), _without_comments(path.read_text("utf-8"))) for path in sql_files(app)]
    texts += [
        (f"{name_of(path)}:{constant.lineno}", constant.value)
        for path in python_files(app)
        for constant in strings(path)
    ]
    named = [(place, table) for place, text in texts for table in strange if _mentions(text, table)]
    assert named == []


@pytest.mark.parametrize("app", APPS)
def test_sql_calls_only_downward(app: str):
    """A floor's SQL may call its own functions and those of the floors below, as Python may."""
    above = APPS[: APPS.index(app)]
    pattern = re.compile(rf"\b(?:{'|'.join(above)})_\w+\s*\(") if above else None
    found = [
        (name_of(path), match.group())
        for path in sql_files(app)
        if pattern is not None
        for match in pattern.finditer(_without_comments(path.read_text("utf-8")))
    ]
    assert found == []


def test_every_product_folder_is_a_floor_or_the_root():
    """A sixth place for code would be a decision, not an accident."""
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders <= {*PRODUCT, "tests", "deploy", "bench"}


def _without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)


def _mentions(text: str, table: str) -> bool:
    return re.search(rf"\b{table}\b(?!\s*\()", text) is not None
