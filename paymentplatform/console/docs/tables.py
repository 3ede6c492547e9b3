"""Describe every table from its model: purpose, key, rights, growth, and one drawing for each app."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

from django.apps import apps
from django.db import connection, models

from paymentplatform.console.docs.growth import GROWTH
from paymentplatform.console.services.grants import declared_rights

APPS: Final = (
    ("checkout", "checkout 收银台"),
    ("acquiring", "acquiring 收单"),
    ("engine", "engine 支付引擎"),
    ("ledger", "ledger 账务"),
    ("console", "console: operators"),
    ("demo", "demo: the demo shop (never in production)"),
)
_SHORT_TYPES: Final = {
    "pg_catalog.text": "text",
    "timestamp with time zone": "timestamptz",
    "bigint": "bigint",
}

Model = type[models.Model]


def describe_tables() -> str:
    """Write a section for each installed app. Raises LookupError for a table that GROWTH does not know."""
    installed = {config.label for config in apps.get_app_configs()}
    return "\n\n".join(_describe_app(label, title) for label, title in APPS if label in installed)


def list_library_tables() -> str:
    """Name the tables of libraries, which keep sessions, operators and log-in attempts."""
    ours = {label for label, _title in APPS}
    names = sorted(
        _table(model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label not in ours and model._meta.managed  # noqa: SLF001
    )
    return ", ".join(f"`{name}`" for name in names) + "."


def _describe_app(label: str, title: str) -> str:
    found = _models(label)
    rows = "\n".join(_describe(model) for model in found)
    return (
        f"### {title}\n\n"
        "| Table | What it is | Key | Application role | Grows | Kept |\n"
        "|---|---|---|---|---|---|\n"
        f"{rows}\n\n"
        f"```mermaid\n{_draw(found)}\n```"
    )


def _describe(model: Model) -> str:
    table = _table(model)
    if table not in GROWTH:
        message = f"say in growth.py how {table} grows and how long it is kept"
        raise LookupError(message)
    grows, kept = GROWTH[table]
    purpose = " ".join((inspect.getdoc(model) or "").split()).replace("``", "`").replace("|", "\\|")
    key = ", ".join(f"`{field.column}`" for field in model._meta.pk_fields)  # noqa: SLF001
    rights = ", ".join(declared_rights()[table])
    return f"| `{table}` | {purpose} | {key} | {rights} | {grows} | {kept} |"


def _draw(found: list[Model]) -> str:
    lines = ["erDiagram"]
    for model in found:
        lines.append(f"    {_table(model)} {{")
        lines += [f"        {line}" for line in _columns(model)]
        lines.append("    }")
    lines += [f"    {line}" for model in found for line in _relations(model, found)]
    return "\n".join(lines)


def _columns(model: Model) -> Iterator[str]:
    keys = {field.column for field in model._meta.pk_fields}  # noqa: SLF001
    for field in model._meta.concrete_fields:  # noqa: SLF001
        column = field.column
        if column is None:  # a composite key is no column
            continue
        kind = field.db_type(connection) or "text"
        marks = [
            mark
            for mark, is_so in (
                ("PK", column in keys),
                ("FK", isinstance(field, models.ForeignKey)),
                ("UK", field.unique and column not in keys),
            )
            if is_so
        ]
        line = (
            f"{_SHORT_TYPES.get(kind, kind).replace(' ', '_')} {column} {', '.join(marks)}".rstrip()
        )
        yield f'{line} "null"' if field.null else line


def _relations(model: Model, found: list[Model]) -> Iterator[str]:
    """Yield foreign keys with a solid line, numbers that name another row without a constraint with a dotted one."""
    keys = {other._meta.pk.column: other for other in found if len(other._meta.pk_fields) == 1}  # noqa: SLF001
    for field in model._meta.concrete_fields:  # noqa: SLF001
        column = field.column
        if isinstance(field, models.ForeignKey):
            one = "o|" if field.unique else "o{"
            line = "--" if getattr(field, "db_constraint", True) else ".."
            yield f'{_table(field.related_model)} ||{line}{one} {_table(model)} : "{column}"'
        elif column in keys and column != "id" and keys[column] is not model:
            yield f'{_table(keys[column])} ||..o{{ {_table(model)} : "{column}"'


def _models(label: str) -> list[Model]:
    """Return the app's models in the order of their declaration's name."""
    found = [model for model in apps.get_models() if model._meta.app_label == label]  # noqa: SLF001
    return sorted(found, key=_table)


def _table(model: Model) -> str:
    return str(model._meta.db_table)  # noqa: SLF001
