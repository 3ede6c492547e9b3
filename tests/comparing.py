"""Rows of two things that are to have become the same: their own numbers and times are taken out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db import connection

_VARYING = [
    (re.compile(r"datetime\.datetime\([^)]*\)+"), "<time>"),
    (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|\+00:00)"), "<time>"),
    (re.compile(r"cashier/[0-9a-zA-Z_-]+"), "cashier/<token>"),
    (re.compile(r"UUID\('[^']*'\)"), "<digest>"),
    (re.compile(r"'cashier_secret': '[^']*'"), "<secret>"),
    (re.compile(r"'(token_hash|request_digest|options_digest|fee_contract_no)': '[^']*'"), r"<\1>"),
    (re.compile(r"\b([a-z]{3})_[0-9a-hjkmnp-tv-z]{22}\b"), r"<\1>"),
    (re.compile(r"\bShop [0-9a-f]{8}\b"), "<merchant>"),
    (re.compile(r"\bT-[0-9a-f]{16}\b"), "<order>"),
    (re.compile(r"\bch-[0-9a-f]{12}\b"), "<charge>"),
    (re.compile(r"'(id|xact_id|\w*account_id)': '?\d+'?"), r"<\1>"),
]


def comparable_rows(
    conditions: Mapping[str, str], values: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Every row of these tables under its condition, as text; ordered by their first column unless it says how."""
    found = []
    for table, where in conditions.items():
        ordered = where if "ORDER BY" in where else f"{where} ORDER BY 1"
        text = str(_rows_named(f"SELECT * FROM {table} WHERE {ordered}", values))
        for pattern, label in _VARYING:
            text = pattern.sub(label, text)
        found.append((table, text))
    return found


def _rows_named(sql: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, map(_show, row), strict=True)) for row in cursor.fetchall()]


def _show(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value
