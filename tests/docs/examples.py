"""Reading the examples of a Markdown page: what to run, and what the page says comes out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FENCE = re.compile(r"^```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A marked block: ``sh test`` is run, ``python test FILE`` written, ``json``/``text answer`` compared."""

    language: str
    purpose: str
    name: str
    text: str


def read_examples(page: Path) -> Iterator[Example]:
    """Every marked block of the page, in order."""
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        language, *words = match["info"].split()[:3] or [""]
        if words:
            yield Example(language, words[0], words[1] if words[1:] else "", match["text"])


def differ(said: Any, came: Any, *, path: str = "") -> list[str]:
    """Where the answer is not what the page says; ``…`` ends a shortened text, a member ``"…"`` a shortened object."""
    if isinstance(said, str) and said.endswith("…") and isinstance(came, str):
        return [] if came.startswith(said[:-1]) else [f"{path}: {said!r}, came {came!r}"]
    if isinstance(said, dict) and isinstance(came, dict):
        names = set(said) - {"…"}
        wrong = names - set(came) if "…" in said else names ^ set(came)
        found = [f"{path}.{name}: only on one side" for name in sorted(wrong)]
        for name in sorted(names & set(came)):
            found += differ(said[name], came[name], path=f"{path}.{name}")
        return found
    if isinstance(said, list) and isinstance(came, list) and len(said) == len(came):
        pairs = zip(said, came, strict=True)
        return [x for n, (a, b) in enumerate(pairs) for x in differ(a, b, path=f"{path}[{n}]")]
    return [] if said == came else [f"{path}: {said!r}, came {came!r}"]


def last_json(output: str) -> Any:
    """The JSON document in the last line of an output."""
    return json.loads(output.strip().splitlines()[-1])
