"""Failpoints: every declared name stands at exactly one place, and every place is declared."""

from __future__ import annotations

import ast
from collections import Counter

from paymentplatform.kernel.failpoints import FAILPOINTS
from tests.architecture.sources import name_of, python_files, tree_of


def used() -> list[tuple[str, str]]:
    """Every call of failpoint(): (its name, where it stands); a name that is no literal is ''."""
    found = []
    for path in python_files():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("failpoint"):
                name = node.args[0]
                literal = name.value if isinstance(name, ast.Constant) else ""
                found.append((str(literal), f"{name_of(path)}:{node.lineno}"))
    return found


def test_every_failpoint_stands_at_exactly_one_place():
    places = Counter(name for name, _ in used())
    assert places == dict.fromkeys(FAILPOINTS, 1), used()
