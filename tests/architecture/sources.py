"""Reading the platform's own source: files, syntax trees, models, machines."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

from django.apps import apps as installed
from django.db import models

from paymentplatform.kernel.statemachine import Machine
from tests.environment import ROOT

APPS = ("checkout", "acquiring", "engine", "ledger")
"""The floors of the house from the top down."""

PRODUCT = (*APPS, "paymentplatform")
_UNREAD = {"migrations", "__pycache__", "staticfiles"}


@cache
def python_files(*tops: str) -> tuple[Path, ...]:
    """Every Python file of the platform below these folders (all of it by default), without migrations."""
    found = [path for top in tops or PRODUCT for path in (ROOT / top).rglob("*.py")]
    return tuple(sorted(path for path in found if not _UNREAD & set(path.parts)))


@cache
def sql_files(*tops: str) -> tuple[Path, ...]:
    """Every SQL file below these folders."""
    return tuple(sorted(path for top in tops or PRODUCT for path in (ROOT / top).rglob("*.sql")))


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of one file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def name_of(path: Path) -> str:
    """A file's path as people say it."""
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file, nested ones too."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def strings(path: Path) -> Iterator[ast.Constant]:
    """Every string constant of a file, docstrings excepted."""
    tree = tree_of(path)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            yield node


@cache
def import_everything() -> tuple[ModuleType, ...]:
    """Import every module of the platform, so that whatever registers itself has done so."""
    modules = []
    for top in PRODUCT:
        package = importlib.import_module(top)
        modules.append(package)
        for found in pkgutil.walk_packages(package.__path__, prefix=f"{top}."):
            last = found.name.rpartition(".")[2]
            if ".migrations" not in found.name and last != "__main__":
                modules.append(importlib.import_module(found.name))
    return tuple(modules)


@cache
def machines() -> tuple[Machine, ...]:
    """Every machine that an app declares in its ``states`` module."""
    found: list[Machine] = []
    for app in (*APPS, "paymentplatform.console"):
        if (ROOT / app.replace(".", "/") / "states.py").exists():
            found.extend(importlib.import_module(f"{app}.states").MACHINES)
    return tuple(found)


@cache
def our_models() -> tuple[type[models.Model], ...]:
    """Every model that stands in our own code."""
    return tuple(
        model
        for model in installed.get_models()
        if model.__module__.partition(".")[0] in PRODUCT and model._meta.managed
    )


def model_of(machine: Machine) -> type[models.Model] | None:
    """The model whose table a machine guards, or None while it is only declared."""
    found = [model for model in our_models() if model._meta.db_table == machine.table]
    return found[0] if found else None


def machines_with_models() -> tuple[Machine, ...]:
    """The machines that already have a table."""
    return tuple(machine for machine in machines() if model_of(machine) is not None)
