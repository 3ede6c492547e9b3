"""CSV that people open in spreadsheets: RFC 4180, and no text is taken for a formula. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

_FORMULA: Final = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")
"""How a formula begins; the last four are the full-width forms, which spreadsheets in Chinese and Japanese take too."""


def make_harmless(value: Any) -> str:
    """Return a cell as text that no spreadsheet runs; numbers stay numbers, also negative ones."""
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, int | float) or not text.startswith(_FORMULA):
        return text
    return f"'{text}"


def write_records(records: Iterable[Mapping[str, str]], *, columns: Sequence[str]) -> bytes:
    """Write records with the same columns each; what a record does not say is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writerows(records)
    return text.getvalue().encode("utf-8")
