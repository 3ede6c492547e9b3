"""Reading moves out of SQL text: which UPDATE writes which state, and which states it says to leave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from paymentplatform.kernel.statemachine import Machine
from tests.architecture.sources import name_of, python_files, sql_files, strings

_STATE = re.compile(r"'([A-Z][A-Z_]*)'")
_CHOSEN = re.compile(r"\b(?:THEN|ELSE)\s+'([A-Z][A-Z_]*)'")
_TOKEN = re.compile(r"'(?:[^']|'')*'|[();]|\b(?:WHERE|RETURNING)\b", re.IGNORECASE)
_RECORDED = re.compile(
    r"\(\s*'(?P<machine>\w+)'\s*,\s*[\w.]+\s*,\s*'(?P<source>[A-Z_]*)'\s*,\s*'(?P<to>[A-Z_]+)'"
)


@dataclass(frozen=True)
class StatusUpdate:
    """One UPDATE that writes a machine's column, and the pairs it could make.

    No targets: the state is a parameter, and only the database's trigger can judge it.
    """

    place: str
    targets: frozenset[str]
    sources: frozenset[str]


def sql_texts() -> Iterator[tuple[str, str]]:
    """Every SQL file and every string of the code: (where it stands, the text without comments)."""
    yield from _all_texts()


@cache
def _all_texts() -> tuple[tuple[str, str], ...]:
    return tuple(_read_texts())


def _read_texts() -> Iterator[tuple[str, str]]:
    for path in sql_files():
        yield name_of(path), re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
    for path in python_files():
        for constant in strings(path):
            yield f"{name_of(path)}:{constant.lineno}", constant.value


def status_updates(machine: Machine) -> Iterator[StatusUpdate]:
    """Find every UPDATE of the machine's table that writes its column."""
    start = re.compile(rf"\bUPDATE\s+(?:ONLY\s+)?(?:public\.)?{machine.table}\b", re.IGNORECASE)
    written = re.compile(rf"(?:\bSET|,)\s*{machine.column}\s*=\s*('[A-Z_]+')?", re.IGNORECASE)
    for place, text in sql_texts():
        for match in start.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            setting, condition = _split(text[match.end() :])
            found = written.search(setting)
            if found is not None:
                literal = found[1]
                targets = _STATE.findall(literal) if literal else _CHOSEN.findall(setting)
                sources = _compared(machine, condition) or _compared(
                    machine, _locked_before(text[: match.start()])
                )
                yield StatusUpdate(
                    place if ":" in place else f"{place}:{line}",
                    frozenset(targets),
                    frozenset(sources),
                )


def recorded_moves() -> Iterator[tuple[str, str, str, str]]:
    """Find the moves that SQL writes to a transition table: (place, machine, from, to)."""
    for place, text in sql_texts():
        if "_transition" in text:
            for match in _RECORDED.finditer(text):
                yield place, match["machine"], match["source"], match["to"]


def _split(text: str) -> tuple[str, str]:
    """Cut the statement that begins here into what it sets and under which outermost condition."""
    depth, where, end = 0, None, len(text)
    for token in _TOKEN.finditer(text):
        word = token.group().upper()
        depth += (word == "(") - (word == ")")
        if depth < 0 or (depth == 0 and word in {";", "RETURNING"}):
            end = token.start()
            break
        if depth == 0 and word == "WHERE" and where is None:
            where = token.start()
    return (text[:where], text[where:end]) if where is not None else (text[:end], "")


def _locked_before(text: str) -> str:
    """The part of the same statement that chose and locked the rows beforehand, if it did."""
    statement = re.split(r";|\$\$", text)[-1]
    return (
        statement
        if re.search(r"\bFOR\s+(?:NO\s+KEY\s+)?UPDATE\b", statement, re.IGNORECASE)
        else ""
    )


def _compared(machine: Machine, condition: str) -> set[str]:
    operator = r"\s*(?:=\s*ANY\s*\(|IN\s*\(|=)\s*"
    pattern = rf"\b{machine.column}{operator}(?P<states>[^)]*?)(?:\)|\bAND\b|\bOR\b|$|\n)"
    return {
        state
        for match in re.finditer(pattern, condition, re.IGNORECASE)
        for state in _STATE.findall(match["states"])
    }
